package sockapi

import (
	"time"

	"fivetuple/stack"
	"fivetuple/trace"

	"gvisor.dev/gvisor/pkg/waiter"
)

// This file is what a process needs that passes on what comes to many sockets:
// one thread that waits for all of them at once, and for what is no socket.
// epoll(7) would do, but for the second; and each wait would be in the trace.

// Rest suspends the thread until Rouse, or until the world's time reaches
// deadline ([NoDeadline]: never). It is no call, and not in the trace.
func (p *Proc) Rest(deadline time.Duration) { p.parker.Park(deadline) }

// Rouse ends the thread's Rest, or the next one. The world's goroutine calls
// it, also in the middle of the stack's work.
func (p *Proc) Rouse() { p.parker.Wake() }

// Cause is the event that is being handled, 0 if there is none: what follows names
// it as its cause ([trace.Event]).
func (p *Proc) Cause() trace.ID { return p.kernel.Bus().Cause() }

// Because has what the thread does next follow from an event: a thread that was
// roused for several reasons says for each what it does for it.
func (p *Proc) Because(cause trace.ID) { p.kernel.Bus().SetCause(cause) }

// Watch is a socket that somebody is told about.
type Watch struct {
	s     *socket
	entry waiter.Entry
	f     func()
	full  bool // see Full
}

// Watch calls f whenever it may have become possible to read or write, or an
// error has happened: edge-triggered. f is called in the middle of the stack's
// work: it may make a thread ready, and nothing else.
func (p *Proc) Watch(fd int, f func()) (*Watch, error) {
	o, errno := p.table.get(fd)
	if errno != 0 || o.sock == nil {
		return nil, &Error{Call: "watch", Args: itoa(fd), Errno: EBADF}
	}
	w := &Watch{s: o.sock, f: f}
	w.entry.Init(w, waiter.ReadableEvents|waiter.WritableEvents|waiter.EventHUp|waiter.EventErr)
	w.s.wq.EventRegister(&w.entry)
	return w, nil
}

// NotifyEvent implements [waiter.EventListener].
func (w *Watch) NotifyEvent(mask waiter.EventMask) {
	if mask&(waiter.WritableEvents|waiter.EventHUp|waiter.EventErr) != 0 {
		w.full = false
	}
	w.f()
}

// Full notes that a send has filled the send buffer: Writable is false until
// half of it is free. Who wrote whenever there is any room at all, without Nagle's
// algorithm, would go on for ever in segments as small as the one that was
// acknowledged last.
func (w *Watch) Full() { w.full = stack.SendBufferBusy(w.s.ep) }

// Readable reports whether a call that receives would not wait.
func (w *Watch) Readable() bool {
	return w.s.ep.Readiness(waiter.ReadableEvents|waiter.EventHUp|waiter.EventErr) != 0
}

// Writable reports whether a call that sends would not wait.
func (w *Watch) Writable() bool {
	return !w.full && w.s.ep.Readiness(waiter.WritableEvents|waiter.EventHUp|waiter.EventErr) != 0
}

// State is the socket's TCP state.
func (w *Watch) State() trace.TCPState { return w.s.state() }

// Stop ends the watch. The socket's Close does not.
func (w *Watch) Stop() { w.s.wq.EventUnregister(&w.entry) }

// Warn puts a warning into the trace.
func (p *Proc) Warn(text string) { p.kernel.Bus().Emit(p.origin(), &trace.Warning{Text: text}) }
