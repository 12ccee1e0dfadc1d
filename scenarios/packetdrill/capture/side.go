package capture

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Side is an end of a connection.
type Side int

// The sides. Auto is the host on which the capture was taken, if it says
// which, else the server.
const (
	Auto Side = iota
	Client
	Server
)

// ParseSide reads "client", "server" or "auto".
func ParseSide(s string) (Side, error) {
	switch s {
	case "", "auto":
		return Auto, nil
	case "client":
		return Client, nil
	case "server":
		return Server, nil
	}
	return Auto, fmt.Errorf("%q is not a side: need client, server or auto", s)
}

func (s Side) String() string {
	return [...]string{"auto", "client", "server"}[s]
}

// step is a packet of the connection as the side under test saw it.
type step struct {
	*packet
	out bool
	at  time.Duration // since the first
}

// view is a connection as one of its sides saw it.
type view struct {
	*Stream
	side  Side
	why   string // why this side, for the head of the script
	steps []step
	// merged: each side's packets have the times at which that side sent them.
	merged bool
	// unplaced: the capture was taken elsewhere, and nothing tells how far away.
	unplaced bool
	// earlier is how long before its time in the capture this side sent a
	// packet; later, how long after it a packet came.
	earlier, later time.Duration
	lost           int // packets of the other side that never came
	ignored        int // SYNs that were not answered
}

// from makes the view of a side.
func (s *Stream) from(side Side) *view {
	v := &view{Stream: s, side: side}
	here := s.takenAt()
	switch {
	case side != Auto:
		v.why = "as asked"
	case here == Auto:
		v.side, v.why = Server, "the server, since the capture does not say on which host it was taken"
	default:
		v.side, v.why = here, "the host on which the capture was taken"
	}
	v.measure(here)
	for _, p := range s.packets {
		out := p.icmp == nil && (p.src == s.Client) == (v.side == Client)
		if p.icmp != nil && (p.src == s.Client) != (v.side == Client) {
			continue // about a segment of the other side
		}
		if !out && p.dropped {
			v.lost++
			continue
		}
		at := p.at + v.later
		if out {
			at = p.at - v.earlier
		}
		v.steps = append(v.steps, step{p, out, at})
	}
	slices.SortStableFunc(v.steps, v.compare)
	v.queued()
	v.unanswered()
	if len(v.steps) > 0 {
		start := v.steps[0].at
		for i := range v.steps {
			v.steps[i].at -= start
		}
	}
	return v
}

// compare orders steps by time. At the same instant, what came is the cause of
// what went, unless its numbers say that it went before.
func (v *view) compare(a, b step) int {
	switch {
	case a.at != b.at:
		return cmp.Compare(a.at, b.at)
	case a.out == b.out || v.earlier == 0 && v.later == 0:
		return 0
	case b.out:
		return -v.compare(b, a)
	case b.icmp == nil && b.span() > 0 && a.span() > 0 && a.has(flagACK) && a.ack == b.seq:
		return -1 // it would have acknowledged what came
	}
	return 1
}

// queued puts segments that fivetuple's link dropped, which have the time at
// which they were dropped, behind those that were waiting to be sent before them.
func (v *view) queued() {
	var out, held []step
	var next uint32
	have := false
	for _, st := range v.steps {
		if st.out && st.dropped && have && st.size > 0 && int32(st.seq-next) > 0 {
			held = append(held, st)
			continue
		}
		out = append(out, st)
		if !st.out || st.icmp != nil {
			continue
		}
		if end := st.seq + st.span(); !have || int32(end-next) > 0 {
			have, next = true, end
		}
		for len(held) > 0 && int32(held[0].seq-next) <= 0 {
			h := held[0]
			h.at, held = st.at, held[1:]
			out = append(out, h)
			if end := h.seq + h.span(); int32(end-next) > 0 {
				next = end
			}
		}
	}
	v.steps = append(out, held...)
}

// unanswered leaves out a SYN that a listener did not answer before it came
// again: its backlog was full, or the answer was lost before the capture.
func (v *view) unanswered() {
	if v.active() {
		return
	}
	for len(v.steps) > 1 && !v.steps[1].out && v.steps[0].has(flagSYN) && v.steps[1].has(flagSYN) {
		v.steps = v.steps[1:]
		v.ignored++
	}
}

// active reports whether this side has called connect: its first SYN is no
// answer. Both sides have in a simultaneous open.
func (v *view) active() bool {
	syn := v.first[int(v.side)-1]
	return syn != nil && !syn.has(flagACK)
}

// takenAt is the side whose packets, and no others, went out where the capture
// was taken.
func (s *Stream) takenAt() Side {
	var out, in [2]int
	for _, p := range s.packets {
		switch {
		case p.icmp != nil:
		case p.dir == outbound:
			out[s.role(p)]++
		case p.dir == inbound:
			in[s.role(p)]++
		}
	}
	switch {
	case out[0] > 0 && out[1] == 0 && in[0] == 0:
		return Client
	case out[1] > 0 && out[0] == 0 && in[1] == 0:
		return Server
	}
	return Auto
}

// isMerged reports whether each side's packets were captured where it sent them.
func (s *Stream) isMerged() bool {
	ifaces := [2]int{-1, -1}
	for _, p := range s.packets {
		if p.icmp != nil {
			continue
		}
		at := &ifaces[s.role(p)]
		if p.dir != outbound || *at >= 0 && *at != p.iface {
			return false
		}
		*at = p.iface
	}
	return ifaces[0] >= 0 && ifaces[1] >= 0 && ifaces[0] != ifaces[1]
}

// farAway is from when on the way from the capture to the side under test
// counts: below, it is what a kernel takes to answer.
const farAway = time.Millisecond

// farthest is beyond every round trip, and below what makes a SYN come again
// often: what takes longer is no measure.
const farthest = 10 * time.Second

// measure finds how far from the side under test the capture was taken. Both
// SYN-ACK and ACK of a handshake are sent at once, so what is between them and
// what they answer is time on the way.
func (v *view) measure(here Side) {
	toServer, toClient, ok := v.gaps()
	ok = ok && min(toServer, toClient) >= 0 && max(toServer, toClient) <= farthest
	v.merged = v.isMerged()
	v.unplaced = !ok && !v.any(func(p *packet) bool { return p.device }) && (v.merged || here != Auto && here != v.side)
	if !ok || here == v.side || v.any(func(p *packet) bool { return p.device }) {
		return
	}
	gap := toServer
	if v.side == Client {
		gap = toClient
	}
	switch {
	case v.merged:
		v.later = gap
	case gap >= farAway:
		v.earlier, v.later = gap/2, gap-gap/2
	}
}

// gaps are the times from the SYN to the SYN-ACK that answers it, and from there
// to the ACK. What was sent again counts from its last copy.
func (s *Stream) gaps() (toServer, toClient time.Duration, ok bool) {
	var syn, synACK *packet
	toServer = -1
	for _, p := range s.packets {
		switch {
		case p.icmp != nil:
		case p.flags&(flagSYN|flagACK) == flagSYN && s.role(p) == 0:
			syn = p
		case p.flags&(flagSYN|flagACK) == flagSYN:
			return 0, 0, false // simultaneous open
		case p.has(flagSYN) && syn != nil:
			synACK = p
			if d := p.at - syn.at; toServer < 0 || d < toServer {
				toServer = d
			}
		case p.has(flagRST) && syn != nil && synACK == nil && s.role(p) == 1:
			return p.at - syn.at, p.at - syn.at, true // refused, at once
		case s.role(p) == 0 && p.has(flagACK) && synACK != nil:
			return toServer, p.at - synACK.at, true
		}
	}
	return 0, 0, false
}
