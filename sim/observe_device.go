package sim

import (
	"slices"
	"strings"

	"fivetuple/stack"
	"fivetuple/trace"
)

// This file is what a device does for its observer: in the order of its turns, the
// packets that the kernel has sent, and then those that it is given.

// look asks the kernel for the connections of packets that it has sent, before
// the world answers them. What it says is held until the packets are in the trace.
func (d *Device) look(packets []stack.Packet) {
	if !d.obs.looks() {
		return
	}
	var tuples []trace.FiveTuple
	for _, p := range packets {
		if ft := d.flow(p).Tuple(); ft.Proto == "tcp" && !slices.Contains(tuples, ft) {
			tuples = append(tuples, ft)
		}
	}
	for _, ft := range tuples {
		if !d.obs.on { // it has failed
			break
		}
		d.held = d.obs.ask(d.held, ft, 0) // the packet has no event yet
	}
	d.obs.compact()
	if len(d.held) > 0 {
		d.w.noteSeen(sightings{Host: d.obs.host, Held: true, Reports: d.held, device: d.num})
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
			if d.flow(ps[n]).Tuple() == r.tuple() {
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

// given is a packet that a kernel is given.
type given struct {
	tuple  trace.FiveTuple // as the kernel sees it; zero: not TCP
	cause  trace.ID        // its event
	turns  bool            // it may change a state by itself
	last   bool            // of its flow at this instant
	before bool            // one that turns is its flow's next
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
	d.order()
	if d.cfg.Offload || len(d.given) != len(ps) {
		lost, err = d.cfg.Port.Send(d.line, ps)
		for _, g := range d.given {
			if g.last {
				d.obs.after(g)
			}
		}
		return lost, err
	}
	from := 0
	for i, g := range d.given {
		if !g.last && !g.before {
			continue
		}
		n, why := d.cfg.Port.Send(d.line, ps[from:i+1])
		if lost += n; err == nil {
			err = why
		}
		from = i + 1
		d.obs.after(g)
	}
	return lost, err
}

// order notes of each packet what comes after it in its flow.
func (d *Device) order() {
	if len(d.given) == 0 {
		return
	}
	next := make(map[trace.FiveTuple]*given)
	for i := len(d.given) - 1; i >= 0; i-- {
		g := &d.given[i]
		after := next[g.tuple]
		g.last, g.before = after == nil, after != nil && after.turns
		next[g.tuple] = g
	}
}
