package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"
)

// Config describes a world.
type Config struct {
	// Seed decides every random number of the world. The zero seed is a seed
	// like any other.
	Seed uint64
	// Epoch is the wall-clock time at virtual time zero. The zero value means
	// [stack.Epoch], 1 January 2000.
	Epoch time.Time
	// MaxEvents ends a run that never becomes quiet. Zero means
	// [DefaultMaxEvents].
	MaxEvents uint64
}

// DefaultMaxEvents bounds a run whose Config does not: enough for hours of
// virtual time, reached in minutes of real time.
const DefaultMaxEvents = 100_000_000

// World is everything that one loop runs.
type World struct {
	cfg       Config
	loop      loop
	bus       trace.Bus
	flows     trace.Flows
	hosts     []*Host
	links     []*Link
	reals     []*RealHost
	threads   roster[*thread] // in spawn order
	ready     []*thread
	resumed   []*thread    // memory: for ready
	idle      []*coroutine // without a thread
	current   *thread      // the one that is running, nil between
	spawned   int
	calls     uint64
	packets   uint64
	failed    []error
	netdb     *sockapi.Netdb
	rec       *record.Writer // of the inputs; nil if nobody records
	callText  []byte         // scratch of note
	handle    func(command []byte) error
	posts     chan input  // see RunPaced
	port      Port        // what the loop reads and writes; nil: nothing
	lines     []*Device   // of port
	asleep    atomic.Bool // the loop waits for port, and posts have to wake it
	batch     []stack.Packet
	source    Source // beside the port; nil: none
	observers []*Observer
	nets      []outsideNet
	over      chan struct{} // closed: no thread of nets runs any more
	ended     bool          // over is closed
	closed    bool
}

// New makes an empty world.
func New(cfg Config) *World {
	if cfg.Epoch.IsZero() {
		cfg.Epoch = stack.Epoch
	}
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = DefaultMaxEvents
	}
	w := &World{cfg: cfg, netdb: sockapi.NewNetdb(), posts: make(chan input, 256), over: make(chan struct{}),
		threads: roster[*thread]{over: func(t *thread) bool { return t.done }}}
	w.bus.Clock = func() time.Duration { return w.loop.now }
	return w
}

// Bus carries the world's trace. Attach sinks before hosts are added, so that
// they miss nothing.
func (w *World) Bus() *trace.Bus { return &w.bus }

// Netdb is the world's hosts and services files. Every host is in it, by its
// name; names and services may be added at any time.
func (w *World) Netdb() *sockapi.Netdb { return w.netdb }

// Now is the time since the start of the run.
func (w *World) Now() time.Duration { return w.loop.now }

// Epoch is the wall-clock time at virtual time zero.
func (w *World) Epoch() time.Time { return w.cfg.Epoch }

// Seed is the world's seed.
func (w *World) Seed() uint64 { return w.cfg.Seed }

// Events is the number of events that the loop has run.
func (w *World) Events() uint64 { return w.loop.ran }

// Packets is the number of packets that interfaces have sent.
func (w *World) Packets() uint64 { return w.packets }

// Hosts lists the hosts in the order in which they were added.
func (w *World) Hosts() []*Host { return w.hosts }

// Links lists the links in the order in which they were added; the loopback
// links of the hosts are not among them.
func (w *World) Links() []*Link { return w.links }

// Host finds a host by name.
func (w *World) Host(name string) (*Host, bool) {
	for _, h := range w.hosts {
		if h.Name() == name {
			return h, true
		}
	}
	return nil, false
}

// Rand returns a random stream that depends on the seed and on name alone.
func (w *World) Rand(name ...string) *rand.Rand {
	return stack.Stream(w.cfg.Seed, append([]string{"user"}, name...)...)
}

// At runs f at time t, or now if t has passed. What it does to links and hosts
// takes effect at that instant.
func (w *World) At(t time.Duration, f func()) {
	cause := trace.ID(0)
	if w.bus.Enabled() {
		cause = w.bus.Cause()
	}
	c := &callback{}
	c.ev.act = c
	c.f = func() {
		w.bus.SetCause(cause)
		f()
		w.flushAll()
	}
	w.loop.schedule(&c.ev, t)
}

// Limit says how far to run.
type Limit struct {
	until time.Duration
	quiet bool
}

// UntilQuiet runs until nothing can happen any more: no packet is in flight, no
// timer is armed, and every process has ended or is blocked. If one that is not
// a daemon is blocked, that is a [DeadlockError].
var UntilQuiet = Limit{quiet: true}

// Until runs up to and including the events of time t, and moves the clock to t.
func Until(t time.Duration) Limit { return Limit{until: t} }

// ErrMaxEvents is returned by Run when Config.MaxEvents is reached.
var ErrMaxEvents = errors.New("the world does not become quiet")

// Run runs the world in virtual time until limit, until a process fails, or
// until ctx is done. It may be called again to go on.
func (w *World) Run(ctx context.Context, limit Limit) error {
	if err := w.settleAddresses(); err != nil {
		return err
	}
	w.resumeReady()
	for len(w.failed) == 0 {
		next := w.loop.peek()
		if next == nil || (!limit.quiet && next.at > limit.until) {
			break
		}
		if w.loop.ran&0xfff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if w.loop.ran >= w.cfg.MaxEvents {
			return fmt.Errorf("%w: stopped after %d events at %v", ErrMaxEvents, w.loop.ran, w.loop.now)
		}
		w.Step()
	}
	if len(w.failed) > 0 {
		return errors.Join(w.failed...)
	}
	if !limit.quiet {
		w.loop.now = max(w.loop.now, limit.until)
		return nil
	}
	return w.deadlock()
}

// settleAddresses gives a host without a link its addresses on lo: it can talk
// to itself.
func (w *World) settleAddresses() error {
	for _, h := range w.hosts {
		if len(h.ifaces) > 0 || h.settled {
			continue
		}
		h.settled = true
		for _, a := range h.cfg.Addrs {
			if err := h.lo.stack.AddAddr(netip.PrefixFrom(a.Addr(), a.Addr().BitLen())); err != nil {
				return fmt.Errorf("host %s: %w", h.Name(), err)
			}
		}
	}
	return nil
}

// Step runs the next event and all that follows from it at the same instant,
// and reports whether there was one.
func (w *World) Step() bool {
	if w.loop.peek() == nil {
		return false
	}
	e := w.loop.pop()
	w.bus.SetCause(0)
	e.act.fire()
	w.resumeReady()
	w.leave()
	return true
}

// leave lets what the host has sent leave through the port, and looks at what
// came of it.
func (w *World) leave() {
	for _, d := range w.lines {
		if len(d.sent) > 0 {
			d.send()
		}
	}
	w.observe()
}

// resumeReady resumes the threads that are ready, in spawn order, until none is.
func (w *World) resumeReady() {
	for len(w.ready) > 0 {
		batch := w.ready
		w.ready, w.resumed = w.resumed, nil
		if len(batch) > 1 {
			slices.SortFunc(batch, func(a, b *thread) int { return a.order - b.order })
		}
		for _, t := range batch {
			t.resume()
		}
		clear(batch)
		w.resumed = batch[:0]
	}
	w.bus.SetCause(0)
}

// flushAll settles every host: after a call from outside an event.
func (w *World) flushAll() {
	for _, h := range w.hosts {
		h.flush(nil, true)
	}
}

// Hangup ends every process as a kill does: its descriptors are closed, so that
// its peers see a FIN or a RST instead of silence. What is due at this instant
// still happens; the world may be run on, for the rest.
func (w *World) Hangup() {
	w.endNets()
	for _, t := range w.threads.all() {
		t.kill()
	}
	w.threads.clear()
	w.ready = nil
	for _, h := range w.hosts {
		for _, ps := range h.procs.all() {
			ps.Kill()
		}
		h.procs.clear()
		h.flush(nil, true)
	}
	w.leave()
	for next := w.loop.peek(); next != nil && next.at <= w.loop.now; next = w.loop.peek() {
		w.Step()
	}
}

// Close ends every process and stack. The world cannot be run afterwards. The
// trace is not closed: its sinks belong to the caller.
func (w *World) Close() {
	if w.closed {
		return
	}
	w.closed = true
	w.endNets()
	for _, t := range w.threads.all() {
		t.kill()
	}
	w.dropIdle()
	for _, h := range w.hosts {
		h.stack.Close()
	}
}

// originOf says who holds the local end of a packet, as host h sees it.
func (h *Host) originOf(proto string, local, remote netip.AddrPort) trace.Origin {
	return h.stack.OriginOf(trace.FiveTuple{Proto: proto, Local: local, Remote: remote})
}
