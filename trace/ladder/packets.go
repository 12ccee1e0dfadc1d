package ladder

import (
	"strings"

	"fivetuple/trace"
)

// packet shows a packet when it is sent or dropped. An arrival is shown only
// if the sending was not: it came from outside the world.
func (l *Ladder) packet(ev *trace.Event, p *trace.Packet) {
	seen := l.flying[p.Num]
	switch {
	case p.What == trace.Delivered:
		delete(l.flying, p.Num)
		if !seen && p.Copy == 0 && l.lanes.find(p.Peer) == noLane && l.fromOutside(p) {
			l.sum.packet(p)
			l.addWire(ev, p)
		}
	case p.What == trace.Dropped && seen || strings.HasPrefix(p.Reason, "corrupted"):
		l.sum.Dropped++
		r := l.add(&row{lane: l.lanes.find(ev.Host), ready: true})
		r.wire = l.wireOf(ev, p)
		r.wire.arrival, r.wire.drop = true, p.Reason
	default:
		l.sum.packet(p)
		if p.What == trace.Sent {
			l.flying[p.Num] = true
		}
		l.addWire(ev, p)
	}
}

// fromOutside reports whether a packet was sent by no host of the ladder.
func (l *Ladder) fromOutside(p *trace.Packet) bool {
	return p.Num == 0 || l.lanes.findAddr(p.Summary.Src.Addr()) == noLane
}

func (l *Ladder) addWire(ev *trace.Event, p *trace.Packet) {
	r := l.add(&row{lane: l.lanes.find(ev.Host), ready: true})
	r.wire = l.wireOf(ev, p)
	r.wire.seg = l.flows.note(&p.Summary)
	w := r.wire
	if p.What == trace.Dropped {
		w.drop = p.Reason
	}
	if p.What != trace.Delivered {
		r.state = l.takeFor(ev, &p.Summary)
		w.again = p.Retransmit && !l.forwarded(ev, p)
	}
	if _, timer := l.timers.find(ev.Cause); timer != nil {
		if w.again {
			w.notes = append(w.notes, "after timeout")
		} else {
			w.notes = append(w.notes, timer.Name+" timer")
		}
	}
	if p.Note != "" {
		w.notes = append(w.notes, p.Note)
	}
	if r.state == "" && w.drop == "" && !w.again && len(w.notes) == 0 {
		r.bulk = bulkSegment(w, &p.Summary)
	}
}

// forwarded reports whether a host only passes the packet on: its bytes were
// sent before, by another host.
func (l *Ladder) forwarded(ev *trace.Event, p *trace.Packet) bool {
	cause := l.recent[ev.Cause]
	if cause == nil {
		return false
	}
	in, ok := cause.Body.(*trace.Packet)
	return ok && in.What == trace.Delivered && in.Summary.Src == p.Summary.Src && in.Summary.Dst == p.Summary.Dst
}

// wireOf says between which lanes a packet goes.
func (l *Ladder) wireOf(ev *trace.Event, p *trace.Packet) *wire {
	here, there := l.lanes.find(ev.Host), l.lanes.find(p.Peer)
	w := &wire{seg: l.flows.look(&p.Summary), loop: p.Link == "lo" || p.Peer != "" && p.Peer == ev.Host}
	out := p.What == trace.Sent || p.What == trace.Dropped && !l.flying[p.Num] && !strings.HasPrefix(p.Reason, "corrupted")
	if there == noLane {
		far := p.Summary.Src
		if out {
			far = p.Summary.Dst
		}
		there = l.lanes.findAddr(far.Addr())
	}
	if there == noLane && len(l.lanes) == 2 && here != noLane {
		there = 1 - here
	}
	if w.from, w.to = here, there; !out {
		w.from, w.to = there, here
	}
	return w
}
