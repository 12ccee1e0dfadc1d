package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fivetuple/stack"
	"fivetuple/trace"
)

// This file merges into the trace what a kernel outside of the world says of its
// own ends of the connections that cross a device. What it says is an input of
// the run: it is recorded, and a replay asks nobody.

// Kernel is a network stack outside of the world that can be asked for its TCP
// connections. The world's goroutine asks; the answer must not wait.
type Kernel interface {
	// Connection looks for the connection with a five-tuple, Local being the
	// kernel's side. ok is false if there is none.
	Connection(ft trace.FiveTuple) (s trace.Socket, ok bool, err error)
}

// Observer follows the connections of one kernel. It looks at those to which
// packets belong, when the kernel has sent them and when it has received them; so
// it sees a state after the fact, and not at all one that lasts shorter. It
// belongs to the world's goroutine.
type Observer struct {
	w      *World
	host   string
	kernel Kernel
	on     bool

	known map[trace.FiveTuple]*observed
	order []*observed // those of known, in the order of their appearance
	next  int         // of order: where the next sweep begins
	seen  []report    // at this instant, and not in the trace yet
}

// observed is what was last reported of a connection.
type observed struct {
	tuple trace.FiveTuple
	state trace.TCPState
	info  trace.TCPInfo
	cause trace.ID // the packet after which that was seen
	gone  bool
}

// given is a packet that a kernel is given.
type given struct {
	tuple trace.FiveTuple // as the kernel sees it; zero: not TCP
	cause trace.ID        // its event
	turns bool            // it may change a state by itself
}

// report is one thing that an observer has seen, as a recording has it.
type report struct {
	Cause   trace.ID       `json:"cause,omitempty"` // 0: to be filled in
	State   *trace.State   `json:"state,omitempty"`
	Info    *trace.TCPInfo `json:"info,omitempty"`
	Warning *trace.Warning `json:"warning,omitempty"`
	last    int            // of the packets that arrive together, the flow's last
}

// Observe makes an observer of the kernel behind devices that bear the name host
// in the trace: [Device.ObserveBy] says which. It is off until [Observer.Turn].
func (w *World) Observe(host string, k Kernel) *Observer {
	o := &Observer{w: w, host: host, kernel: k, known: make(map[trace.FiveTuple]*observed)}
	w.observers = append(w.observers, o)
	return o
}

// ObserveBy lets o look at the connections whose packets cross the device.
func (d *Device) ObserveBy(o *Observer) { d.obs = o }

// Turn turns the observer on or off. It forgets what it knew when it is turned off.
func (o *Observer) Turn(on bool) {
	if o.on = on; !on {
		clear(o.known)
		o.order, o.next = nil, 0
	}
}

// On reports whether the observer looks.
func (o *Observer) On() bool { return o.on }

// Sweep lets the observer look again at connections that it knows, a few at a
// time: for what changes without a packet, as the end of TIME-WAIT. Any goroutine
// may call it.
func (o *Observer) Sweep(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	return o.w.post(ctx.Done(), input{sweep: o})
}

// maxSweep bounds what one sweep costs.
const maxSweep = 64

// sweep looks at the next connections.
func (o *Observer) sweep() []report {
	var rs []report
	if !o.looks() {
		return nil
	}
	for range min(maxSweep, len(o.order)) {
		o.next %= len(o.order)
		k := o.order[o.next]
		o.next++
		if !k.gone {
			rs = o.ask(rs, k.tuple, k.cause)
		}
	}
	o.compact()
	return rs
}

// looks reports whether there is anybody to look for.
func (o *Observer) looks() bool { return o != nil && o.on && o.w.bus.Enabled() }

// observe puts what was seen at this instant into the trace.
func (w *World) observe() {
	for _, o := range w.observers {
		if len(o.seen) > 0 {
			rs := o.seen
			o.seen = nil
			w.saw(o.host, rs)
		}
	}
}

// saw records what was seen, and puts it into the trace.
func (w *World) saw(host string, rs []report) {
	if len(rs) == 0 {
		return
	}
	w.noteSeen(sightings{Host: host, Reports: rs})
	for i := range rs {
		w.emitReport(host, &rs[i])
	}
}

func (w *World) emitReport(host string, r *report) {
	from := trace.Origin{Host: host}
	switch {
	case r.State != nil:
		w.bus.EmitCaused(r.Cause, from, r.State)
	case r.Info != nil:
		w.bus.EmitCaused(r.Cause, from, r.Info)
	case r.Warning != nil:
		w.bus.EmitCaused(r.Cause, from, r.Warning)
	}
}

// ask asks the kernel for a connection, and appends what has changed.
func (o *Observer) ask(rs []report, ft trace.FiveTuple, cause trace.ID) []report {
	s, ok, err := o.kernel.Connection(ft)
	if err != nil {
		o.Turn(false)
		return append(rs, report{Cause: cause, Warning: &trace.Warning{
			Text: fmt.Sprintf("its connections are not looked at any more: %v", err)}})
	}
	k := o.known[ft]
	switch {
	case !ok && k == nil:
		return rs
	case !ok:
		return o.end(rs, k, cause)
	case k != nil && begins(k.state, s.State):
		rs = o.end(rs, k, cause) // another one with the same five-tuple
		k = nil
	}
	if k == nil {
		k = &observed{tuple: ft}
		if s.State == trace.SynSent || s.State == trace.SynReceived {
			k.state = trace.Closed // else it is older than what was seen of it
		}
		o.known[ft] = k
		o.order = append(o.order, k)
	}
	if s.State != k.state {
		rs = append(rs, report{Cause: cause, State: &trace.State{FiveTuple: ft, From: k.state, To: s.State}})
		k.state, k.cause = s.State, cause
	}
	if s.Info.Cwnd != 0 && s.Info.Key() != k.info.Key() {
		info := s.Info
		info.FiveTuple, k.info, k.cause = ft, info, cause
		rs = append(rs, report{Cause: cause, Info: &info})
	}
	return rs
}

// begins reports whether a connection in state to cannot be the one that was
// last seen in state from: it has begun since.
func begins(from, to trace.TCPState) bool {
	switch to {
	case trace.SynSent:
		return from != trace.SynSent
	case trace.SynReceived:
		return from != trace.SynReceived && from != trace.SynSent
	}
	return false
}

// end reports that a connection is gone, and forgets it.
func (o *Observer) end(rs []report, k *observed, cause trace.ID) []report {
	k.gone = true
	delete(o.known, k.tuple)
	return append(rs, report{Cause: cause, State: &trace.State{FiveTuple: k.tuple, From: k.state, To: trace.Closed}})
}

// compact shortens the list when more than half of it is gone.
func (o *Observer) compact() {
	if len(o.order) > 2*len(o.known) {
		o.order = slices.DeleteFunc(o.order, func(k *observed) bool { return k.gone })
	}
}

// givenBy is what an observer has to know of a packet.
func givenBy(s *trace.Summary, event trace.ID) given {
	if s.Proto != "tcp" {
		return given{}
	}
	return given{tuple: trace.FiveTuple{Proto: "tcp", Local: s.Dst, Remote: s.Src}, cause: event, turns: strings.ContainsAny(s.Flags, "SFR")}
}

// after looks at the connection of a packet that the kernel was given just now.
func (o *Observer) after(g given) {
	if g.tuple.Proto != "" && o.looks() {
		o.seen = o.ask(o.seen, g.tuple, g.cause)
		o.compact()
	}
}

// hand hands packets to the port. Where somebody looks at the connections, they go
// in pieces: so that no SYN, FIN or RST follows another packet of its flow unseen.
// Merged ones go together.
func (d *Device) hand(ps []stack.Packet) (lost int, err error) {
	if d.cfg.Offload || len(d.given) != len(ps) || !d.obs.looks() {
		lost, err = d.cfg.Port.Send(ps)
		for i := range d.given {
			if d.ends(i) {
				d.obs.after(d.given[i])
			}
		}
		return lost, err
	}
	from := 0
	for i := range ps {
		if !d.ends(i) && !d.turns(i) && i < len(ps)-1 {
			continue
		}
		n, why := d.cfg.Port.Send(ps[from : i+1])
		if lost += n; err == nil {
			err = why
		}
		from = i + 1
		d.obs.after(d.given[i])
	}
	return lost, err
}

// following finds the next packet of packet i's flow, or nil.
func (d *Device) following(i int) *given {
	for j := i + 1; j < len(d.given); j++ {
		if d.given[j].tuple == d.given[i].tuple {
			return &d.given[j]
		}
	}
	return nil
}

// ends reports whether packet i is its flow's last of this instant.
func (d *Device) ends(i int) bool { return d.following(i) == nil }

// turns reports whether the next packet of packet i's flow may change the state.
func (d *Device) turns(i int) bool {
	next := d.following(i)
	return next != nil && next.turns
}

// look asks the kernel for the connections of packets that it has sent, before
// the world answers them. What it says is held until the packets are in the trace.
func (d *Device) look(packets []stack.Packet) {
	if !d.obs.looks() {
		return
	}
	var tuples []trace.FiveTuple
	for _, p := range packets {
		if ft := p.Flow().Tuple(); ft.Proto == "tcp" && !slices.Contains(tuples, ft) {
			tuples = append(tuples, ft)
		}
	}
	for _, ft := range tuples {
		d.held = d.obs.ask(d.held, ft, 0) // the packet has no event yet
	}
	d.obs.compact()
	if len(d.held) > 0 {
		d.w.noteSeen(sightings{Host: d.obs.host, Held: true, Reports: d.held})
	}
}

// lookAt is look for one packet.
func (d *Device) lookAt(packet []byte) {
	if d.obs.looks() {
		p := stack.NewPacket(packet)
		d.look([]stack.Packet{p})
		p.Release()
	}
}

// place says after which of these packets each held report is due.
func (d *Device) place(ps []stack.Packet) {
	for i := range d.held {
		r := &d.held[i]
		r.last = len(ps) - 1
		for n := len(ps) - 1; n >= 0; n-- {
			if ps[n].Flow().Tuple() == r.tuple() {
				r.last = n
				break
			}
		}
	}
}

// tuple is the connection that a report is about.
func (r *report) tuple() trace.FiveTuple {
	switch {
	case r.State != nil:
		return r.State.FiveTuple
	case r.Info != nil:
		return r.Info.FiveTuple
	}
	return trace.FiveTuple{}
}

// release puts the reports into the trace that are due after packet n, which was
// sent last.
func (d *Device) release(n int) {
	if len(d.held) == 0 {
		return
	}
	kept := d.held[:0]
	for i := range d.held {
		r := d.held[i]
		if r.last != n {
			kept = append(kept, r)
			continue
		}
		r.Cause = d.in.said
		if d.obs != nil {
			if k := d.obs.known[r.tuple()]; k != nil && r.Cause != 0 {
				k.cause = r.Cause
			}
		}
		d.w.emitReport(d.cfg.Peer, &r)
	}
	d.held = kept
}
