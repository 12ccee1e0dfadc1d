package sim

import (
	"context"
	"errors"
	"time"
)

// This file is where the wall clock enters: the paced driver. Everything else
// in the package takes time as it is told.

// Forever is the limit of a run that ends with its context.
var Forever = Limit{until: forever}

// Post hands f to the world's goroutine, which runs it at the wall-clock
// instant at which it takes it: an input of the run, like a packet. It blocks
// while too many are waiting, and reports false, without running f, once ctx
// is done. It may be called by any goroutine while [World.RunPaced] runs.
func (w *World) Post(ctx context.Context, f func()) bool {
	if ctx.Err() != nil {
		return false // select would choose at random
	}
	return w.post(ctx.Done(), post{f: f, any: true})
}

// post is a call from outside.
type post struct {
	f   func()
	any bool // it may have done anything to any host; else it made threads ready or sent packets
}

func (w *World) post(cancel <-chan struct{}, p post) bool {
	select {
	case w.posts <- p:
		return true
	case <-cancel:
		return false
	}
}

// outside implements [sockapi.Outside].
type outside struct{ w *World }

func (o outside) Post(cancel <-chan struct{}, f func()) bool {
	select {
	case o.w.posts <- post{f: f}:
		return true
	case <-cancel:
		return false
	case <-o.w.over:
		return false
	}
}

func (o outside) Over() <-chan struct{} { return o.w.over }
func (o outside) Now() time.Time        { return time.Now() }

func (o outside) At(t time.Time) time.Duration {
	d := time.Until(t)
	if d > forever-o.w.loop.now {
		return forever
	}
	return o.w.loop.now + d
}

const forever = time.Duration(1<<63 - 1)

// RunPaced runs the world in step with the wall clock: one second takes one
// second. It ends when ctx is done (which is no error), when a process fails,
// or at limit. UntilQuiet ends it when every process that is no daemon has
// ended: while a device is attached, something can always happen.
func (w *World) RunPaced(ctx context.Context, limit Limit) error {
	if err := w.settleAddresses(); err != nil {
		return err
	}
	start := time.Now().Add(-w.loop.now)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	defer w.endNetsAfter(ctx)
	w.resumeReady()
	for len(w.failed) == 0 && !w.pacedDone(limit) {
		if next := w.loop.peek(); next != nil && next.at <= time.Since(start) {
			if next.at > limit.until && !limit.quiet {
				w.loop.now = limit.until
				break
			}
			for n := 0; n < maxPosts && w.takePost(start); n++ {
			}
			if ctx.Err() != nil {
				return nil
			}
			w.Step()
			continue
		}
		alarm.Reset(w.untilNext(start, limit))
		select {
		case <-ctx.Done():
			return nil
		case p := <-w.posts:
			w.run(start, p)
		case <-alarm.C:
		}
	}
	return errors.Join(w.failed...)
}

// pacedDone reports whether a paced run has reached its limit.
func (w *World) pacedDone(limit Limit) bool {
	if !limit.quiet {
		return w.loop.now >= limit.until
	}
	for _, t := range w.threads.list {
		if !t.daemon && !t.done {
			return false
		}
	}
	return true
}

// untilNext is how long there is nothing to do.
func (w *World) untilNext(start time.Time, limit Limit) time.Duration {
	wait, now := time.Hour, time.Since(start)
	next := w.loop.peek()
	if next != nil {
		wait = min(wait, next.at-now)
	}
	if !limit.quiet {
		wait = min(wait, limit.until-now)
		if limit.until <= now && (next == nil || next.at > limit.until) {
			w.loop.now = max(w.loop.now, limit.until)
		}
	}
	return max(wait, 0)
}

// takePost runs one posted call, if there is one.
func (w *World) takePost(start time.Time) bool {
	select {
	case p := <-w.posts:
		w.run(start, p)
		return true
	default:
		return false
	}
}

// maxPosts is how many waiting posts are taken before an event that is due. A
// world that has fallen behind must hear what has arrived before its timers
// conclude that nothing has; but a flood must not stop time.
const maxPosts = 64

// run runs a posted call now, or just before the next event if that is overdue.
func (w *World) run(start time.Time, p post) {
	now := time.Since(start)
	if next := w.loop.peek(); next != nil {
		now = min(now, next.at)
	}
	w.loop.now = max(w.loop.now, now)
	w.bus.SetCause(0)
	p.f()
	if p.any {
		w.flushAll()
	}
	w.resumeReady()
}
