package sim

import (
	"time"

	"fivetuple/stack"
	"fivetuple/trace"
)

// hostClock is the clock that a host's stack is given.
type hostClock struct{ h *Host }

var _ stack.Clock = hostClock{}

// Now implements [stack.Clock].
func (c hostClock) Now() time.Duration { return c.h.w.loop.now }

// AfterFunc implements [stack.Clock].
func (c hostClock) AfterFunc(d time.Duration, f *stack.Callback) stack.Timer {
	t := &hostTimer{h: c.h, f: f}
	t.ev.act = t
	t.Reset(d)
	return t
}

// hostTimer is a timer of a host's stack.
type hostTimer struct {
	ev    event
	h     *Host
	f     *stack.Callback
	cause trace.ID
	armed time.Duration
}

// Stop implements [stack.Timer].
func (t *hostTimer) Stop() bool { return t.h.w.loop.cancel(&t.ev) }

// Reset implements [stack.Timer].
func (t *hostTimer) Reset(d time.Duration) {
	w := t.h.w
	w.loop.cancel(&t.ev)
	t.armed = w.loop.now
	if w.bus.Enabled() {
		t.cause = w.bus.Cause()
	}
	// netstack sometimes subtracts two times of which one has the ticks of an
	// instant (stack.Callback): rounding up to the next microsecond undoes it.
	at := farAway
	if d < farAway-w.loop.now {
		at = w.loop.now + max(d, 0)
	}
	if rest := at % time.Microsecond; d > 0 && rest != 0 {
		at += time.Microsecond - rest
	}
	w.loop.schedule(&t.ev, at)
}

// fire implements [action].
func (t *hostTimer) fire() {
	w := t.h.w
	if w.bus.Enabled() {
		w.bus.DeferCause(trace.Origin{Host: t.h.Name()}, t.cause, &trace.Timer{Name: t.f.Name(), Armed: t.armed})
	}
	t.f.Run()
	t.h.stack.Touch()
	t.h.flush(nil, true)
}

// farAway is when the longest timers fire, so that sums of times cannot overflow:
// in 146 years.
const farAway = time.Duration(1 << 62)

// callback is a function scheduled by the world itself.
type callback struct {
	ev event
	f  func()
}

// fire implements [action].
func (c *callback) fire() { c.f() }
