package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"fivetuple/trace"

	"github.com/spf13/cobra"
)

// followed is how many pieces of a trace wait for a slow reader.
const followed = 4096

// flushInterval is how long a person waits for a line that is held back.
const flushInterval = 100 * time.Millisecond

// tail is a sink that hands what a writer writes to a reader elsewhere.
type tail struct {
	sink    trace.Sink
	flush   func() error
	each    bool // flush after every event; else now and then
	buf     []byte
	to      chan []byte
	dropped atomic.Int64
}

func (t *tail) Write(b []byte) (int, error) { t.buf = append(t.buf, b...); return len(b), nil }

// Event implements [trace.Sink]. It never waits.
func (t *tail) Event(e *trace.Event) error {
	err := t.sink.Event(e)
	if err == nil && t.each {
		err = t.flush()
	}
	t.pass()
	return err
}

// pass hands over what has been written.
func (t *tail) pass() {
	if len(t.buf) == 0 {
		return
	}
	select {
	case t.to <- t.buf:
	default:
		t.dropped.Add(1)
	}
	t.buf = nil
}

// flushNow writes what is held back: a ladder's lines, until it is known how they end.
func (t *tail) flushNow() error {
	err := t.flush()
	t.pass()
	return err
}

// Close implements [trace.Sink].
func (t *tail) Close() error {
	_ = t.flushNow() // to a buffer
	close(t.to)
	return nil
}

// follow attaches a writer to the trace until the command's context ends, or the
// session does: then what has been written until there is passed on. each says that
// nothing is held back after an event.
func (s *liveSession) follow(cmd *cobra.Command, each bool, open func(io.Writer) (trace.Sink, func() error, error)) error {
	t := &tail{to: make(chan []byte, followed), each: each}
	attach := func() (err error) {
		if t.sink, t.flush, err = open(t); err == nil {
			s.world.Bus().Attach(t)
			s.looks(1)
			err = t.flushNow() // what is above the first event
		}
		return err
	}
	if err := s.do(cmd.Context(), attach); err != nil {
		return err
	}
	detach := func() error {
		s.world.Bus().Detach(t)
		s.looks(-1)
		return t.flushNow()
	}
	err := s.pump(cmd, t)
	doErr := s.do(context.WithoutCancel(cmd.Context()), detach)
	if errors.Is(doErr, errSessionEnded) {
		doErr = t.flushNow() // nobody writes to it any more
	}
	if err == nil {
		err = t.drain(cmd.OutOrStdout())
	}
	if err != nil {
		return doErr // who read it is gone
	}
	if n := t.dropped.Load(); n > 0 {
		doErr = errors.Join(doErr, t.tooSlow(n))
	}
	return doErr
}

// tellInterval is how often a slow reader is told what it has missed.
const tellInterval = time.Second

// pump passes a trace on until somebody ends it. An error is the reader's.
func (s *liveSession) pump(cmd *cobra.Command, t *tail) error {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	told, next := int64(0), time.Now()
	for {
		select {
		case now := <-tick.C:
			if !t.each {
				_ = s.do(cmd.Context(), t.flushNow) // whose end is seen below
			}
			if n := t.dropped.Load(); n > told && now.After(next) {
				told, next = n, now.Add(tellInterval)
				fmt.Fprintln(cmd.ErrOrStderr(), "note:", t.tooSlow(n))
			}
		case b, open := <-t.to:
			if !open {
				return nil
			}
			if _, err := cmd.OutOrStdout().Write(b); err != nil {
				return err
			}
		case <-s.end:
			return nil
		case <-cmd.Context().Done():
			return nil
		}
	}
}

// drain passes on what waits.
func (t *tail) drain(w io.Writer) error {
	for {
		select {
		case b, open := <-t.to:
			if !open {
				return nil
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (t *tail) tooSlow(n int64) error {
	return fmt.Errorf("%d pieces of the trace were lost: the reader was too slow", n)
}
