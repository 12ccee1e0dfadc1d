package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"
)

// Gateway is a process of the lab and the sockets of the machine that it has.
type Gateway struct {
	cfg   Config
	p     *sockapi.Proc // its thread; nil before it runs
	host  host
	awake bool // the thread runs, and does not rest
	ping4 bool // ping sockets may be made
	ping6 bool

	flows     map[key]flow
	byFD      map[int32]flow           // by the machine's descriptor
	doors     map[netip.AddrPort]*door // listeners
	shut      []*door                  // those that nobody waits at, oldest first
	fresh     []*held                  // arrivals that wait for the thread
	ready     []due                    // what may make progress
	timed     []flow                   // what may expire
	sweep     time.Duration            // when it is looked at next
	num       int32                    // of the last flow
	full      bool                     // the limit was hit, and it was said; until half of it is free
	starved   bool                     // the same for this process's descriptors
	silenced  bool                     // that pings do not pass was said
	notice    func(string)             // hears what the trace is warned of; nil: nobody
	kept      buffers
	published []*published // ordered
	bytes     []byte       // what is on its way between two calls

	counts Counts
}

// key names a flow: its five-tuple inside.
type key struct {
	proto          uint8
	client, target netip.AddrPort
}

// step is what can make progress.
type step interface{ step() }

// flow is one connection, or what is like one.
type flow interface {
	step
	common() *base
	// arrived takes a packet that its interface has diverted, when the thread
	// runs.
	arrived(h *held)
	// expires is when it ends if nothing passes; NoDeadline: never.
	expires() time.Duration
	// end closes its sockets.
	end()
}

// held is a packet that waits for the thread.
type held struct {
	flow  flow
	pkt   stack.Packet
	cause trace.ID // its arrival
	data  []byte   // of an echo request
}

// due is a step that waits for the thread, and the event for which it is taken.
type due struct {
	step  step
	cause trace.ID
}

// newGateway makes a gateway whose outside is h.
func newGateway(cfg Config, h host) *Gateway {
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = DefaultMaxFlows
	}
	g := &Gateway{cfg: cfg, host: h, flows: map[key]flow{}, byFD: map[int32]flow{}, doors: map[netip.AddrPort]*door{},
		bytes: make([]byte, maxBuffer), sweep: sockapi.NoDeadline}
	g.ping4, g.ping6 = h.canPing(protoICMP), h.canPing(protoICMPv6)
	return g
}

// Attach diverts the packets of an interface of the host that the gateway runs
// on.
func (g *Gateway) Attach(i *stack.Interface) error {
	return i.Divert(func(a *stack.Arrival) stack.Ruling { return g.rule(i, a) })
}

// Notice has f told what is wrong with the gateway itself, as the trace is: that its
// limit was hit, most often. The world's goroutine calls it.
func (g *Gateway) Notice(f func(text string)) { g.notice = f }

// warn puts a warning into the trace.
func (g *Gateway) warn(text string) {
	g.p.Warn(text)
	if g.notice != nil {
		g.notice(text)
	}
}

// FD is a descriptor that is readable when Ready would find something.
func (g *Gateway) FD() int { return g.host.pollFD() }

// Ready implements [sim.Source].
func (g *Gateway) Ready() bool { return g.host.ready() }

// Take implements [sim.Source].
func (g *Gateway) Take() {
	for _, e := range g.host.take() {
		f := g.byFD[e.fd]
		if f == nil || f.common().num != e.num {
			continue // of one that has been closed meanwhile
		}
		f.common().events |= e.events
		g.queue(f)
	}
}

// feedPoll is how often Feed looks whether it has to end.
const feedPoll = 100 // milliseconds

// Feed takes the place of the world's asking, where its loop waits for no
// port: ask makes it do so, and waits until it has ([sim.World.Ask]). Feed returns
// when ctx is done.
func (g *Gateway) Feed(ctx context.Context, ask func(context.Context) bool) {
	for ctx.Err() == nil {
		if g.host.wait(feedPoll) {
			ask(ctx)
		}
	}
}

// Serve is the gateway's process.
func (g *Gateway) Serve(p *sockapi.Proc) error {
	g.p, g.awake = p, true
	for {
		woken := p.Cause()
		fresh := g.fresh
		g.fresh = nil
		for _, h := range fresh {
			p.Because(h.cause)
			h.flow.arrived(h)
		}
		ready := g.ready
		g.ready = nil
		for _, r := range ready {
			if f, ok := r.step.(flow); ok {
				f.common().queued = false
			}
			p.Because(r.cause)
			r.step.step()
		}
		p.Because(woken)
		if len(g.ready) > 0 {
			g.rest(p.Now()) // others first
		} else if len(g.fresh) == 0 {
			g.rest(g.sweep)
		}
		g.expire()
	}
}

// rest suspends the thread.
func (g *Gateway) rest(deadline time.Duration) {
	g.awake = false
	g.p.Rest(deadline)
	g.awake = true
}

// queue has a flow take a step.
func (g *Gateway) queue(f flow) {
	if b := f.common(); !b.queued && !b.ended {
		b.queued = true
		g.enqueue(f)
	}
}

func (g *Gateway) enqueue(s step) {
	if g.p == nil { // it has not begun, and will look
		g.ready = append(g.ready, due{step: s})
		return
	}
	g.ready = append(g.ready, due{s, g.p.Cause()})
	g.p.Rouse()
}

// hold keeps an arrival for the thread.
func (g *Gateway) hold(f flow, a *stack.Arrival) {
	h := &held{flow: f, pkt: a.Packet.Clone(), cause: g.p.Cause()}
	if a.Echo {
		h.data = a.Payload()
	}
	g.fresh = append(g.fresh, h)
	g.p.Rouse()
}

// sweepEvery is how exact the end of an idle flow is.
const sweepEvery = time.Second

// expire ends the flows whose time is over.
func (g *Gateway) expire() {
	now := g.p.Now()
	if g.sweep == sockapi.NoDeadline || now < g.sweep {
		return
	}
	left, next := g.timed[:0], sockapi.NoDeadline
	for _, f := range g.timed {
		at := f.expires()
		switch {
		case f.common().ended || at == sockapi.NoDeadline:
			f.common().timed = false
			continue
		case at <= now:
			g.counts.Expired++
			f.end()
			continue
		}
		left = append(left, f)
		if next == sockapi.NoDeadline || at < next {
			next = at
		}
	}
	clear(g.timed[len(left):])
	g.timed, g.sweep = left, next
	if next != sockapi.NoDeadline {
		g.sweep = max(next, now+sweepEvery)
	}
}

// minTimed is how many flows that have ended may be kept until their time would have
// come.
const minTimed = 64

// time has a flow expire. It throws out those that have ended when they are the most.
func (g *Gateway) time(f flow) {
	if b := f.common(); !b.timed {
		if len(g.timed) >= 2*len(g.flows)+minTimed {
			g.timed = slices.DeleteFunc(g.timed, func(f flow) bool { return f.common().ended })
		}
		b.timed = true
		g.timed = append(g.timed, f)
	}
	if at := f.expires(); g.sweep == sockapi.NoDeadline || at < g.sweep {
		g.sweep = at
	}
}

// Close closes the machine's sockets. Those of the lab are its world's.
func (g *Gateway) Close() {
	for _, f := range g.flows {
		if b := f.common(); b.host >= 0 {
			g.host.close(b.host)
			b.host = -1
		}
	}
	for _, p := range g.published {
		for _, f := range p.posts {
			f.common().closeHost()
		}
	}
	g.host.shut()
}

// mark puts a remark about a flow into the trace.
func (g *Gateway) mark(format string, args ...any) { g.p.Mark(fmt.Sprintf(format, args...)) }
