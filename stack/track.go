package stack

import (
	"net/netip"
	"slices"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Endpoint is a netstack end point: opaque to all but sockapi.
type Endpoint = tcpip.Endpoint

// Owner is who an end point belongs to: a socket.
type Owner interface {
	// Origin names host, process and descriptor for the trace.
	Origin() trace.Origin
	// Holders names every descriptor of the socket.
	Holders() []trace.Origin
	// Backlog is what listen(2) was given.
	Backlog() int
}

// tracker knows every TCP end point that has been seen and the state that was
// last reported for it. netstack announces no state changes, so the tracker
// samples: the end point of a packet after it was delivered, that of a call
// after the call, and all of them after a timer.
type tracker struct {
	s      *Stack
	all    []*tracked
	byEP   map[tcpip.Endpoint]*tracked
	owners map[tcpip.Endpoint]Owner // of any protocol

	listeners []tcpip.Endpoint // and what has listened since endListeners
	gone      int              // of all
	sweepAt   int              // how long all may grow while nobody listens to the trace

	raw tcpip.TCPInfoOption // of the one being looked at
}

type tracked struct {
	ep    tcpip.Endpoint
	tuple trace.FiveTuple // kept: netstack forgets it when the end point closes
	state trace.TCPState
	info  *reported // nil if none has been
	gone  bool      // closed, and nobody's
}

// reported is what the trace was told of a sender, and netstack's variables then.
type reported struct {
	raw  tcpip.TCPInfoOption
	info trace.TCPInfo
}

func (t *tracker) init(s *Stack) {
	t.s = s
	t.byEP = make(map[tcpip.Endpoint]*tracked)
	t.owners = make(map[tcpip.Endpoint]Owner)
}

// Own records whose end point ep is. A nil owner means nobody's any more: a
// connection that outlives its socket.
func (s *Stack) Own(ep tcpip.Endpoint, o Owner) {
	if o == nil {
		delete(s.track.owners, ep)
		return
	}
	s.track.owners[ep] = o
	if _, isTCP := ep.(*tcp.Endpoint); isTCP {
		s.track.add(ep, trace.Closed)
	}
}

func (t *tracker) add(ep tcpip.Endpoint, state trace.TCPState) *tracked {
	if e, ok := t.byEP[ep]; ok {
		return e
	}
	if len(t.all) >= t.sweepAt && !t.s.sampling() {
		t.sweep()
	}
	e := &tracked{ep: ep, state: state}
	t.byEP[ep] = e
	t.all = append(t.all, e)
	return e
}

// OriginOf says who owns the end point that a five-tuple names; the host alone
// if nobody does.
func (s *Stack) OriginOf(ft trace.FiveTuple) trace.Origin {
	if ep := s.find(ft); ep != nil {
		if o, ok := s.track.owners[ep]; ok {
			return o.Origin()
		}
	}
	return trace.Origin{Host: s.cfg.Name}
}

// find looks the five-tuple up as an arriving packet would.
func (s *Stack) find(ft trace.FiveTuple) tcpip.Endpoint {
	num, ok := transportNumber(ft.Proto)
	if !ok || !ft.Local.IsValid() {
		return nil
	}
	id := stack.TransportEndpointID{
		LocalPort: ft.Local.Port(), LocalAddress: Address(ft.Local.Addr()),
		RemotePort: ft.Remote.Port(), RemoteAddress: Address(ft.Remote.Addr()),
	}
	for _, i := range s.ifaces {
		if te := s.net.FindTransportEndpoint(netProto(ft.Local.Addr()), num, id, i.id); te != nil {
			ep, _ := te.(tcpip.Endpoint)
			return ep
		}
	}
	return nil
}

// SampleTuple reports the state of the end point that a five-tuple names, if
// it has changed. A connection that a listener has just made is found here.
func (s *Stack) SampleTuple(ft trace.FiveTuple) {
	if ft.Proto != "tcp" || !s.sampling() {
		return
	}
	t := &s.track
	if ep, ok := s.find(ft).(*tcp.Endpoint); ok {
		if e, known := t.byEP[ep]; known && e.state != trace.Listen {
			t.sample(e)
			return
		}
		if EndpointTuple(ep).Remote == ft.Remote {
			t.sample(t.add(ep, trace.Listen))
			return
		}
	}
	// It is not registered any more: this packet may have ended it.
	for _, e := range t.all {
		if !e.gone && e.tuple.Local == ft.Local && e.tuple.Remote == ft.Remote {
			t.sample(e)
		}
	}
	t.compact()
}

// SampleEndpoint reports the state of one end point, if it has changed.
func (s *Stack) SampleEndpoint(ep tcpip.Endpoint) {
	if e, ok := s.track.byEP[ep]; ok && s.sampling() {
		s.track.sample(e)
		s.track.compact()
	}
}

// SampleAll reports every state that has changed, in the order in which the
// end points were first seen.
func (s *Stack) SampleAll() {
	if !s.sampling() {
		return
	}
	for _, e := range s.track.all {
		if !e.gone {
			s.track.sample(e)
		}
	}
	s.track.compact()
}

func (s *Stack) sampling() bool { return s.cfg.Bus != nil && s.cfg.Bus.Enabled() }

func (t *tracker) sample(e *tracked) {
	st := tcpState(e.ep)
	if st == e.state && st == trace.Closed {
		t.forget(e)
		return
	}
	if st != e.state || e.tuple.Local.Port() == 0 {
		t.name(e, st)
	}
	if st != e.state {
		t.s.cfg.Bus.Emit(t.origin(e), &trace.State{FiveTuple: e.tuple, From: e.state, To: st})
		e.state = st
	}
	if st != trace.Closed && st != trace.Listen {
		t.sampleInfo(e)
	}
}

// name notes the five-tuple of an end point: it only changes with the state.
func (t *tracker) name(e *tracked, st trace.TCPState) {
	tuple := EndpointTuple(e.ep)
	if tuple.Local.Port() == 0 {
		return
	}
	if st == trace.Listen {
		tuple.Remote = netip.AddrPort{}
	}
	e.tuple = tuple
}

// sampleInfo reports the sender's variables, if one that a congestion control
// or a timer depends on has changed. Most often none has, and that is cheap to
// see.
func (t *tracker) sampleInfo(e *tracked) {
	if err := e.ep.GetSockOpt(&t.raw); err != nil || t.raw.SndCwnd == 0 || e.info != nil && e.info.raw == t.raw {
		return
	}
	in, _ := InternalsOf(e.ep)
	now := &reported{raw: t.raw, info: infoOf(&t.raw, e.tuple, in)}
	if e.info != nil && now.info.Key() == e.info.info.Key() {
		e.info.raw = t.raw
		return
	}
	e.info = now
	t.s.cfg.Bus.Emit(t.origin(e), &now.info)
}

func (t *tracker) origin(e *tracked) trace.Origin {
	if o, ok := t.owners[e.ep]; ok {
		return o.Origin()
	}
	return trace.Origin{Host: t.s.cfg.Name}
}

// forget gives up an end point that has closed, if it belongs to nobody.
func (t *tracker) forget(e *tracked) {
	if _, owned := t.owners[e.ep]; !owned {
		delete(t.byEP, e.ep)
		e.gone, e.ep = true, nil
		t.gone++
	}
}

// compact shortens the list when more than half of it is gone, so that to
// forget one costs a constant time on average.
func (t *tracker) compact() {
	if 2*t.gone > len(t.all) {
		t.all, t.gone = slices.DeleteFunc(t.all, func(e *tracked) bool { return e.gone }), 0
	}
}

// endListeners forgets what does not listen any more.
func (t *tracker) endListeners() {
	t.listeners = slices.DeleteFunc(t.listeners, func(ep tcpip.Endpoint) bool { return tcpState(ep) != trace.Listen })
}

// sweep forgets what sampling would have, had somebody listened: else every
// connection of a run would be kept. The list may then double before the next
// sweep.
func (t *tracker) sweep() {
	for _, e := range t.all {
		if !e.gone && e.state == trace.Closed && tcpState(e.ep) == trace.Closed {
			t.forget(e)
		}
	}
	t.compact()
	t.sweepAt = max(64, 2*len(t.all))
}

// caState names netstack's congestion state as Linux's tcp_info does.
func caState(s tcpip.CongestionControlState) string {
	switch s {
	case tcpip.Open:
		return "Open"
	case tcpip.RTORecovery:
		return "Loss"
	case tcpip.FastRecovery, tcpip.SACKRecovery:
		return "Recovery"
	}
	return "Disorder"
}
