package ladder

import "fivetuple/trace"

// packet shows a packet when it is sent or dropped. An arrival is shown only
// if the sending was not: it came from outside the world.
func (l *Ladder) packet(ev *trace.Event, p *trace.Packet) {
	switch p.What {
	case trace.Delivered:
		seen := l.flying[p.Num]
		delete(l.flying, p.Num)
		if !seen && p.Copy == 0 && !p.Forwarded && l.lanes.find(p.Peer) == noLane {
			l.sum.packet(p)
			l.sends(ev, p)
		}
	case trace.Discarded:
		l.sum.Dropped++
		r := l.add(&row{lane: l.lanes.find(ev.Host), ready: true, wire: l.wireOf(ev, p)})
		r.wire.arrival, r.wire.drop = true, p.Reason
	case trace.Sent:
		l.flying[p.Num] = true
		l.sum.packet(p)
		if !p.Forwarded || l.lanes.find(ev.Host) != noLane { // a switch has no lane
			l.sends(ev, p)
		}
	case trace.Dropped:
		l.sum.packet(p)
		l.sends(ev, p)
	}
}

// sends adds the row of a packet that leaves, or is dropped instead.
func (l *Ladder) sends(ev *trace.Event, p *trace.Packet) {
	w := l.wireOf(ev, p)
	w.seg = l.flows.note(&p.Summary)
	r := l.add(&row{lane: l.lanes.find(ev.Host), ready: true, wire: w})
	if p.What == trace.Sent && l.cfg.Paced { // what a real host makes of it is seen after it
		r.sent, r.num, r.held, r.ready = ev.ID, p.Num, true, false
	}
	if r.lane == noLane {
		r.lane = w.from
	}
	if p.What == trace.Dropped {
		w.drop = p.Reason
		if l.lanes.find(ev.Host) == noLane {
			w.drop += " at " + ev.Host
		}
	}
	if p.What != trace.Delivered { // a state that comes with an arrival is the receiver's
		r.state = l.takeFor(ev, &p.Summary)
		w.again = p.Retransmit
		w.seg.brief = w.again
	}
	w.notes = l.notes(ev, p)
	if r.state == "" && w.drop == "" && !w.again && len(w.notes) == 0 {
		r.bulk = bulkSegment(w, &p.Summary)
	}
}

// notes are remarks on a packet: the timer that sent it, what the link does.
func (l *Ladder) notes(ev *trace.Event, p *trace.Packet) []string {
	var notes []string
	fired, timer := l.timers.find(ev.Cause)
	switch {
	case timer == nil || fired.At == timer.Armed: // a delay of 0 is no timeout
	case p.Retransmit && timer.Name == "tail loss probe":
		notes = append(notes, timer.Name)
	case p.Retransmit:
		notes = append(notes, "after timeout")
	case timer.Name == "keepalive":
		notes = append(notes, "keepalive probe")
	default:
		notes = append(notes, timer.Name+" timer")
	}
	return append(notes, nonEmpty(p.Note)...)
}

// wireOf says between which lanes a packet goes.
func (l *Ladder) wireOf(ev *trace.Event, p *trace.Packet) *wire {
	w := &wire{seg: l.flows.look(&p.Summary), loop: p.Link == "lo" || p.Peer != "" && p.Peer == ev.Host}
	src, dst := p.Summary.Src.Addr(), p.Summary.Dst.Addr()
	if p.What == trace.Sent || p.What == trace.Dropped {
		w.from, w.to = l.lanes.findEither(ev.Host, src), l.lanes.findEither(p.Peer, dst)
	} else {
		w.from, w.to = l.lanes.findEither(p.Peer, src), l.lanes.findEither(ev.Host, dst)
	}
	if len(l.lanes) == 2 && !w.loop { // who else
		switch {
		case w.from == noLane && w.to != noLane:
			w.from = 1 - w.to
		case w.to == noLane && w.from != noLane:
			w.to = 1 - w.from
		}
	}
	return w
}
