// Package trace is the vocabulary of what can be observed in a world, and the
// bus that carries it.
//
// Main types:
//
//	Event   one line of the trace: who, when, what, and because of which event
//	Body    what happened: Packet, Call, State, TCPInfo, Timer, Warning, ...
//	Bus     numbers events, stamps them, hands them to sinks in one total order
//	Sink    a writer: pcapng, jsonl, ladder, or a test
//	Summary a decoded packet: addresses, ports, flags, sequence numbers
//
// It is a leaf: every other package emits events, so it imports the standard
// library only. The format as files see it is described in docs/trace-format.md.
//
// Ownership: a Bus and its sinks belong to the goroutine that runs the world's
// loop. Nothing here is safe for concurrent use, and nothing here reads a
// clock: time is what the Bus was given.
package trace

import (
	"errors"
	"slices"
	"time"
)

// Version is the version of the event schema. It grows by one when a field
// changes its meaning or disappears; new fields do not change it.
const Version = 1

// ID numbers an event of one run, from 1. Zero means "none".
type ID uint64

// Origin says which host, and where known which process, thread and
// descriptor, an event belongs to. Zero fields are unknown.
type Origin struct {
	Host   string
	Proc   string // process name as given to Spawn
	PID    int    // process number on its host, from 1
	Thread int    // thread number in its process; 0 is the first thread
	FD     int    // descriptor; meaningful when HasFD
	HasFD  bool
}

// Event is one line of the trace.
type Event struct {
	ID    ID
	Cause ID            // the event being handled when this one was emitted
	At    time.Duration // since the start of the run
	Origin
	Body Body
}

// Body is what an event says. The set is closed: the types of this package.
type Body interface {
	// Kind names the body in files: "packet", "call", "state", ...
	Kind() string
}

// Sink receives every event in order. An error stops the sink: the Bus
// remembers it, calls it no more, and reports it from Close.
type Sink interface {
	Event(*Event) error
	// Close flushes what is buffered. What was written before an error must
	// remain a valid file.
	Close() error
}

// Bus numbers and stamps events and hands them to its sinks. The zero Bus
// with a Clock is ready for use; one without sinks costs almost nothing, so
// callers check Enabled before they build a body.
type Bus struct {
	// Clock tells the time since the start of the run.
	Clock func() time.Duration

	sinks  []Sink
	errs   []error
	last   ID
	cause  ID
	lazy   *Event // a cause that is emitted only if something follows from it
	lastAt time.Duration
}

// Attach adds a sink. Sinks see events in the order in which they were attached.
func (b *Bus) Attach(s Sink) { b.sinks = append(b.sinks, s) }

// Detach removes a sink; its Close is not called.
func (b *Bus) Detach(s Sink) {
	b.sinks = slices.DeleteFunc(b.sinks, func(o Sink) bool { return o == s })
}

// Enabled reports whether anybody listens.
func (b *Bus) Enabled() bool { return len(b.sinks) > 0 }

// Cause is the event that is being handled, 0 if there is none. It brings a
// deferred cause into being.
func (b *Bus) Cause() ID {
	if b.lazy != nil {
		ev := b.lazy
		b.lazy = nil
		b.cause = b.emit(ev)
	}
	return b.cause
}

// SetCause makes id the cause of the events that follow.
func (b *Bus) SetCause(id ID) { b.cause, b.lazy = id, nil }

// DeferCause makes an event that is not yet emitted the cause of what follows.
// It is emitted just before its first consequence, and not at all if there is
// none: a timer that finds nothing to do leaves no line.
func (b *Bus) DeferCause(o Origin, cause ID, body Body) {
	if !b.Enabled() {
		return
	}
	b.lazy = &Event{Cause: cause, Origin: o, Body: body}
}

// Emit stamps and delivers an event whose cause is the one being handled, and
// returns its number. Without sinks it does nothing and returns 0.
func (b *Bus) Emit(o Origin, body Body) ID {
	if !b.Enabled() {
		return 0
	}
	return b.EmitCaused(b.Cause(), o, body)
}

// Because emits an event that is the cause of what follows, until back is
// called: then the cause is what it was.
func (b *Bus) Because(o Origin, body Body) (back func()) {
	if !b.Enabled() {
		return func() {}
	}
	before := b.Cause()
	b.SetCause(b.Emit(o, body))
	return func() { b.SetCause(before) }
}

// EmitCaused is Emit with a cause of the caller's choice: a packet that left
// its queue was caused by what sent it, not by the queue's timer.
func (b *Bus) EmitCaused(cause ID, o Origin, body Body) ID {
	if !b.Enabled() {
		return 0
	}
	return b.emit(&Event{Cause: cause, Origin: o, Body: body})
}

func (b *Bus) emit(ev *Event) ID {
	b.last++
	ev.ID = b.last
	if b.Clock != nil {
		ev.At = b.Clock()
	}
	if ev.At < b.lastAt {
		panic("trace: time went back: events must be emitted in (time, sequence) order")
	}
	b.lastAt = ev.At
	for i := 0; i < len(b.sinks); i++ {
		if err := b.sinks[i].Event(ev); err != nil {
			b.errs = append(b.errs, errors.Join(err, b.sinks[i].Close()))
			b.sinks = append(b.sinks[:i], b.sinks[i+1:]...)
			i--
		}
	}
	return ev.ID
}

// Err returns the first error of a sink so far, nil if all is well.
func (b *Bus) Err() error {
	if len(b.errs) == 0 {
		return nil
	}
	return b.errs[0]
}

// Close closes every sink and returns all errors met, those of Event included.
// A closed Bus has no sinks.
func (b *Bus) Close() error {
	errs := b.errs
	for _, s := range b.sinks {
		if err := s.Close(); err != nil {
			errs = append(errs, err)
		}
	}
	b.sinks, b.errs = nil, nil
	return errors.Join(errs...)
}
