package sim

import (
	"context"
	"errors"
	"time"

	"fivetuple/sockapi"
	"fivetuple/stack"
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
	return w.post(ctx.Done(), input{f: f, any: true})
}

// input is what comes from outside of the world at one instant: a posted call,
// or the packets that were there when the port was read.
type input struct {
	f       func()
	any     bool // f may have done anything to any host; else it made threads ready or sent packets
	look    bool // f changes nothing
	packets []stack.Packet
	line    int            // of the port, where the packets are from
	packet  []byte         // what f injects
	dev     *Device        // into this device
	sweep   *Observer      // looks at what it knows; changes nothing else
	command []byte         // what f carries out
	call    sockapi.Posted // by code outside of the world,
	net     int            // which has this one of World.nets
	ask     chan struct{}  // closed once the source was asked
	take    bool           // from the source
}

func (w *World) post(cancel <-chan struct{}, in input) bool {
	select {
	case w.posts <- in:
		w.rouse()
		return true
	case <-cancel:
		return false
	}
}

// rouse ends the loop's wait for its port.
func (w *World) rouse() {
	if w.asleep.Load() {
		w.port.Wake()
	}
}

// outside implements [sockapi.Outside] for one of World.nets.
type outside struct {
	w   *World
	net int
}

func (o outside) Post(cancel <-chan struct{}, c sockapi.Posted) bool {
	select {
	case o.w.posts <- input{call: c, net: o.net}:
		o.w.rouse()
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
	defer w.notePause()
	defer w.endNetsAfter(ctx)
	if w.port != nil {
		defer context.AfterFunc(ctx, w.rouse)()
	}
	w.resumeReady()
	w.leave()
	for len(w.failed) == 0 && !w.pacedDone(limit) {
		if next := w.loop.peek(); next != nil && next.at <= time.Since(start) {
			if next.at > limit.until && !limit.quiet {
				w.loop.now = limit.until
				break
			}
			w.takeInputs(start)
			if ctx.Err() != nil {
				return nil
			}
			// What came may have cancelled the event: the next one may not be due.
			if next = w.loop.peek(); next != nil && next.at <= time.Since(start) {
				w.stepDue()
			}
			continue
		}
		if w.port != nil {
			w.awaitPort(ctx, start, w.untilNext(start, limit))
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		alarm.Reset(w.untilNext(start, limit))
		select {
		case <-ctx.Done():
			return nil
		case in := <-w.posts:
			w.enter(start, in)
		case <-alarm.C:
		}
	}
	return errors.Join(w.failed...)
}

// stepDue runs the next event. In a world without a port, whose clock waits for
// it, it runs all events of that instant: what is taken in front of each would
// otherwise add more of them than are run, and time would stop.
func (w *World) stepDue() {
	next := w.loop.peek()
	for next != nil {
		at := next.at // next may be scheduled again
		w.Step()
		next = w.loop.peek()
		if w.port != nil || len(w.failed) > 0 || next != nil && next.at > at {
			return
		}
	}
}

// takeInputs takes what waits, before an event that is due: a world that has
// fallen behind must hear what has arrived before its timers conclude that
// nothing has.
func (w *World) takeInputs(start time.Time) {
	for n := 0; n < maxInputs && w.takePost(start); n++ {
	}
	if w.port != nil {
		w.readPort(start, 0)
	}
}

// awaitPort waits for packets and posts, and takes what there is.
func (w *World) awaitPort(ctx context.Context, start time.Time, timeout time.Duration) {
	w.asleep.Store(true)
	if len(w.posts) > 0 || ctx.Err() != nil { // they came before anybody knew that we sleep
		timeout = 0
	}
	w.readPort(start, timeout)
	w.asleep.Store(false)
	for n := 0; n < maxInputs && w.takePost(start); n++ {
	}
}

// readPort takes the packets that are there, or those that come first within
// timeout.
func (w *World) readPort(start time.Time, timeout time.Duration) {
	if w.batch == nil {
		w.batch = make([]stack.Packet, 0, maxInputs)
	}
	ps, line, err := w.port.Receive(w.batch[:0], timeout)
	if len(ps) > 0 {
		w.enter(start, input{packets: ps, line: line})
		clear(ps)
	}
	if err != nil {
		w.Fail(err)
	}
	w.askSource(start)
}

// askSource takes what has happened at the source.
func (w *World) askSource(start time.Time) {
	if w.source != nil && w.source.Ready() {
		w.enter(start, input{take: true})
	}
}

// pacedDone reports whether a paced run has reached its limit. Events up to that
// may be late.
func (w *World) pacedDone(limit Limit) bool {
	if !limit.quiet {
		next := w.loop.peek()
		return w.loop.now >= limit.until && (next == nil || next.at > limit.until)
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
	case in := <-w.posts:
		w.enter(start, in)
		return true
	default:
		return false
	}
}

// maxInputs is how many posts, and how many packets, are taken before an event
// that is due: a flood must not stop time.
const maxInputs = 64

// enter lets an input into the world now. Everything that comes from outside of
// a paced world passes here, with the instant at which it does.
//
// If events are overdue, the clock of a world without a port waits for the first
// of them, so that what is simulated keeps its times. With a port, round trips
// are real, and events that are late happen late.
func (w *World) enter(start time.Time, in input) {
	switch {
	case in.look: // it must leave no mark, on the clock neither
		in.f()
		return
	case in.ask != nil:
		w.askSource(start)
		close(in.ask)
		return
	case in.call != nil && w.ended: // nobody waits for it, and its buffers are somebody else's
		return
	}
	now := time.Since(start)
	if next := w.loop.peek(); next != nil && w.port == nil {
		now = min(now, next.at)
	}
	if in.sweep != nil {
		if rs := in.sweep.sweep(); len(rs) > 0 {
			w.loop.now = max(w.loop.now, now)
			w.saw(in.sweep.host, rs)
		}
		return
	}
	w.loop.now = max(w.loop.now, now)
	switch {
	case in.call != nil:
		in.call.Stamp()
	case in.packets != nil:
		w.lines[in.line].look(in.packets)
	case in.dev != nil:
		in.dev.lookAt(in.packet)
	}
	w.note(&in)
	w.admit(in)
}

// admit does what an input asks for.
func (w *World) admit(in input) {
	w.bus.SetCause(0)
	switch {
	case in.call != nil:
		in.call.Admit()
	case in.take:
		w.source.Take()
	case in.f == nil:
		w.lines[in.line].arrive(in.packets)
	default:
		in.f()
		if in.any {
			w.flushAll()
		}
	}
	w.resumeReady()
	w.leave()
}
