package sockapi

import (
	"time"

	"gvisor.dev/gvisor/pkg/waiter"
)

// wakeup passes netstack's notifications on to a thread.
type wakeup Proc

// NotifyEvent implements [waiter.EventListener].
func (w *wakeup) NotifyEvent(waiter.EventMask) { w.parker.Wake() }

// wait is something a thread can wait for: a queue that is notified of events.
type wait struct {
	queue *waiter.Queue
	mask  waiter.EventMask
}

// block runs try until it stops returning EAGAIN, parking the thread in
// between until one of on is notified. It returns EAGAIN when deadline passes.
// A deadline that has passed already means: do not wait. It is the only place
// in this package that waits for the network. The thread's limit, if it has one,
// ends the wait as the deadline does, whoever moves it meanwhile.
func (c *call) block(deadline time.Duration, try func() Errno, on ...wait) Errno {
	if errno := try(); errno != EAGAIN || c.passed(c.p.limit.before(deadline)) {
		return errno
	}
	entries := c.p.entry[:]
	if len(on) > len(entries) {
		entries = make([]waiter.Entry, len(on))
	}
	for i, w := range on {
		entries[i].Init((*wakeup)(c.p), w.mask)
		w.queue.EventRegister(&entries[i])
	}
	defer unregister(on, entries) // also when the world is closed, which unwinds the thread
	for {
		c.blocks()
		woken := c.p.parker.Park(c.p.limit.before(deadline))
		if errno := try(); errno != EAGAIN || !woken || c.p.limit.passed(c.p.Now()) {
			return errno
		}
	}
}

func unregister(on []wait, entries []waiter.Entry) {
	for i, w := range on {
		w.queue.EventUnregister(&entries[i])
	}
}

func (c *call) passed(deadline time.Duration) bool {
	return deadline != NoDeadline && deadline <= c.p.Now()
}

// deadline is when a call on s gives up: at once if it must not wait, else
// after the socket's timeout, if it has one.
func (c *call) deadline(o *open, flags int, timeout time.Duration) time.Duration {
	switch {
	case o.nonblock || flags&MSG_DONTWAIT != 0:
		return c.p.Now()
	case timeout > 0:
		return c.p.after(timeout)
	}
	return NoDeadline
}
