package sim

import (
	"time"

	"fivetuple/sockapi"
)

// Caller is a process whose calls are made from outside its world, between
// events: a script that does not live in the world makes them. A call that
// blocks leaves its thread waiting; the next one takes another.
type Caller struct {
	h    *Host
	all  []*station
	proc *sockapi.Proc
}

// station is one thread of a Caller.
type station struct {
	t   *thread
	job func(*sockapi.Proc) // nil while it is idle
}

// SpawnCaller starts such a process.
func (h *Host) SpawnCaller(name string) *Caller {
	c := &Caller{h: h}
	h.SpawnConfig(SpawnConfig{Name: name, Daemon: true}, c.serve)
	h.w.resumeReady()
	return c
}

// serve is what each of the threads does.
func (c *Caller) serve(p *sockapi.Proc) error {
	s := &station{t: c.h.w.current}
	c.all = append(c.all, s)
	c.proc = p
	for {
		for s.job == nil {
			s.t.Park(sockapi.NoDeadline)
		}
		s.job(p)
		s.job = nil
	}
}

// Do makes calls: it runs f on a thread of the process that is idle. When Do
// returns, f has returned or waits in a call.
func (c *Caller) Do(f func(*sockapi.Proc)) {
	s := c.idle()
	if s == nil {
		c.proc.Go(c.serve)
		c.h.w.resumeReady()
		s = c.idle()
	}
	s.job = f
	c.h.w.bus.SetCause(0)
	s.t.Wake()
	c.h.w.resumeReady()
}

func (c *Caller) idle() *station {
	for _, s := range c.all {
		if s.job == nil {
			return s
		}
	}
	return nil
}

// NextEvent is when the world's next event is due; ok is false if nothing can
// happen any more.
func (w *World) NextEvent() (at time.Duration, ok bool) {
	e := w.loop.peek()
	if e == nil {
		return 0, false
	}
	return e.at, true
}
