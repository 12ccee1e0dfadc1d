package sim

import (
	"context"
	"time"
)

// RunUpTo is [World.Run], but for what would happen after stop: reached tells
// that something would. Then the events of stop have happened, and the clock
// stands there. A world that becomes quiet before, or whose limit comes first,
// ends as in Run.
func (w *World) RunUpTo(ctx context.Context, limit Limit, stop time.Duration) (reached bool, err error) {
	if !limit.quiet && limit.until <= stop {
		return false, w.Run(ctx, limit)
	}
	// Each run may make events for its own instant.
	for next := w.Now(); next <= stop; {
		if err := w.Run(ctx, Until(next)); err != nil {
			return false, err
		}
		e := w.loop.peek()
		if e == nil {
			return false, w.Run(ctx, limit)
		}
		next = e.at
	}
	return true, w.Run(ctx, Until(stop))
}
