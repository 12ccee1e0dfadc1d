package capture

import (
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
	// earlier is how long before its time in the capture this side sent a
	// packet; later, how long after it a packet came.
	earlier, later time.Duration
	lost           int // packets of the other side that never came
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
	if v.earlier > 0 || v.later > 0 || !v.inOrder() {
		slices.SortStableFunc(v.steps, func(a, b step) int {
			switch {
			case a.at != b.at:
				return int(max(-1, min(1, a.at-b.at)))
			case a.out == b.out:
				return 0
			case a.out:
				return 1 // what came at an instant is the cause of what went
			}
			return -1
		})
	}
	if len(v.steps) > 0 {
		start := v.steps[0].at
		for i := range v.steps {
			v.steps[i].at -= start
		}
	}
	return v
}

func (v *view) inOrder() bool {
	return slices.IsSortedFunc(v.steps, func(a, b step) int { return int(max(-1, min(1, a.at-b.at))) })
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

// measure finds how far from the side under test the capture was taken. Both
// SYN-ACK and ACK of a handshake are sent at once, so what is between them and
// what they answer is time on the way.
func (v *view) measure(here Side) {
	toServer, toClient, ok := v.gaps()
	if !ok || here == v.side {
		return
	}
	gap := toServer
	if v.side == Client {
		gap = toClient
	}
	switch {
	case v.isMerged():
		v.merged, v.later = true, gap
	case gap >= farAway:
		v.earlier, v.later = gap/2, gap-gap/2
	}
}

// gaps are the times from SYN to SYN-ACK and from there to ACK, if each came once.
func (s *Stream) gaps() (toServer, toClient time.Duration, ok bool) {
	syn, synACK := s.first[0], s.first[1]
	if syn == nil || synACK == nil {
		return 0, 0, false
	}
	for _, p := range s.packets {
		switch {
		case p.icmp != nil || p == syn || p == synACK:
		case p.has(flagSYN):
			return 0, 0, false // sent again: which one was answered?
		case s.role(p) == 0 && p.has(flagACK):
			return synACK.at - syn.at, p.at - synACK.at, true
		}
	}
	return 0, 0, false
}
