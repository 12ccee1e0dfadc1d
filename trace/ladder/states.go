package ladder

import (
	"fmt"
	"net/netip"

	"fivetuple/trace"
)

// state holds a state change back until it is known which row it belongs to.
func (l *Ladder) state(ev *trace.Event, s *trace.State) {
	r := l.add(&row{lane: l.lanes.find(ev.Host)})
	l.pending = append(l.pending, pendingState{ev, s, r})
}

// take returns the latest state on a host that a call or an arrival caused.
func (l *Ladder) take(host string, cause trace.ID) string {
	return l.takeIf(func(p pendingState) bool { return p.ev.Host == host && p.ev.Cause == cause })
}

// takeFor returns the latest state of the connection that sends a segment, if
// both have the same cause.
func (l *Ladder) takeFor(ev *trace.Event, s *trace.Summary) string {
	return l.takeIf(func(p pendingState) bool {
		return p.ev.Host == ev.Host && p.ev.Cause == ev.Cause && p.body.Local == s.Src && p.body.Remote == s.Dst
	})
}

func (l *Ladder) takeIf(match func(pendingState) bool) string {
	for i := len(l.pending) - 1; i >= 0; i-- {
		if p := l.pending[i]; match(p) {
			p.row.gone = true
			l.pending = append(l.pending[:i], l.pending[i+1:]...)
			return stateName(p.body.To)
		}
	}
	return ""
}

// withPacket shows a state that was seen after a packet at one end of its arrow: if
// the arrow is of this instant, and that end is free.
func (l *Ladder) withPacket(p pendingState) bool {
	cause := l.recent[p.ev.Cause]
	if cause == nil {
		return false
	}
	pkt, ok := cause.Body.(*trace.Packet)
	if !ok || cause.Host != p.ev.Host {
		return false
	}
	for _, r := range l.queue {
		switch {
		case !r.held || r.wire.loop || r.wire.drop != "":
			continue
		case r.sent == cause.ID && r.state == "":
			r.state = stateName(p.body.To)
		case pkt.What == trace.Delivered && r.num == pkt.Num && r.far == "" && l.drawsBothEnds(r.wire):
			r.far = stateName(p.body.To)
		default:
			continue
		}
		r.bulk, p.row.gone = nil, true
		return true
	}
	return false
}

// drawsBothEnds reports whether an arrow has room for a state at its far end.
func (l *Ladder) drawsBothEnds(w *wire) bool {
	return len(l.lanes) == 2 && w.from != noLane && w.to != noLane && w.from != w.to
}

// ownLine shows a state that no other row has taken: with the packet that
// arrived, or with the timer that fired.
func (l *Ladder) ownLine(p pendingState) {
	if l.withPacket(p) {
		return
	}
	p.row.ready = true
	name := string(p.body.From) + " → " + string(p.body.To)
	if p.body.From == "" {
		name = string(p.body.To)
	}
	if cause := l.recent[p.ev.Cause]; cause != nil {
		if pkt, ok := cause.Body.(*trace.Packet); ok && pkt.What == trace.Delivered {
			if w := l.wireOf(cause, pkt); !w.loop {
				w.arrival = true
				p.row.wire, p.row.state = w, stateName(p.body.To)
				return
			}
		}
	}
	p.row.text = portPair(p.body) + "  " + name
	if ev, timer := l.timers.find(p.ev.Cause); timer != nil {
		p.row.text += fmt.Sprintf("  (%s timer)", duration(ev.At-timer.Armed))
	}
}

// portPair tells the connections of a host apart: "80 ↔ 49152".
func portPair(s *trace.State) string {
	if s.Remote == (netip.AddrPort{}) {
		return fmt.Sprint(s.Local.Port())
	}
	return fmt.Sprintf("%d ↔ %d", s.Local.Port(), s.Remote.Port())
}

// stateName is the state's name as it is shown beside a segment.
func stateName(s trace.TCPState) string {
	if s == trace.Established {
		return "ESTAB"
	}
	return string(s)
}
