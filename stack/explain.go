package stack

import (
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Candidate is a socket at the port that a packet is for, which does not get it.
type Candidate struct {
	Socket trace.Socket
	// Match is how it would match, MatchNone if it would not.
	Match Match
	// Why says why it does not get the packet.
	Why string
}

// Explanation is a [Decision] with those that lost.
type Explanation struct {
	Decision
	// Others are ordered by how they match, best first.
	Others []Candidate
}

// matches orders them.
var matches = []Match{MatchExact, MatchAddress, MatchWildcard, MatchNone}

// Explain is [Stack.Lookup], and what became of the other sockets at the port.
func (s *Stack) Explain(proto string, src, dst netip.AddrPort) Explanation {
	x := Explanation{Decision: s.Lookup(proto, src, dst)}
	var winner tcpip.Endpoint
	if x.Match != MatchNone {
		winner = s.find(trace.FiveTuple{Proto: proto, Local: dst, Remote: src})
	}
	for _, ep := range s.endpoints() {
		k := s.Snapshot(ep)
		if ep == winner || k.Proto != proto || k.Local.Port() != dst.Port() || useOf(&k) == "" {
			continue
		}
		c := Candidate{Socket: k}
		if c.Match, c.Why = candidate(&k, src, dst); c.Match != MatchNone {
			c.Why = s.lost(c.Match, x.Decision, dst)
		}
		x.Others = append(x.Others, c)
	}
	slices.SortFunc(x.Others, func(a, b Candidate) int {
		if d := slices.Index(matches, a.Match) - slices.Index(matches, b.Match); d != 0 {
			return d
		}
		return compareSockets(a.Socket, b.Socket)
	})
	return x
}

// candidate is how a socket would match a packet, or why it would not.
func candidate(k *trace.Socket, src, dst netip.AddrPort) (m Match, why string) {
	local := k.Local.Addr()
	switch {
	case k.Bound:
		return MatchNone, "it is bound, but does not listen"
	case !local.IsUnspecified() && local != dst.Addr():
		return MatchNone, "it is bound to another address"
	case k.V6Only && dst.Addr().Is4():
		return MatchNone, "it takes IPv6 only"
	case dst.Addr().Is6() && !k.V6:
		return MatchNone, "it takes IPv4 only"
	case k.Remote.IsValid() && k.Remote != src:
		return MatchNone, "it is connected to another peer"
	case k.Remote.IsValid():
		return MatchExact, ""
	case local.IsUnspecified():
		return MatchWildcard, ""
	}
	return MatchAddress, ""
}

// lost says why a socket that would match does not get the packet.
func (s *Stack) lost(m Match, d Decision, dst netip.AddrPort) string {
	switch {
	case !s.local(dst.Addr()):
		return fmt.Sprintf("%s is not an address of this host", dst.Addr())
	case d.Match == MatchNone:
		return "it is closing"
	case m != d.Match:
		return fmt.Sprintf("it would match by %s, but the %s match wins", m.noun(), d.Match)
	case d.Socket.ReusePort:
		return "it shares the port with SO_REUSEPORT, and the hash of the addresses chose the other"
	}
	return "it shares the port, and the last that was bound gets the packets"
}

// noun is what of the packet matched.
func (m Match) noun() string {
	switch m {
	case MatchExact:
		return "all five things"
	case MatchWildcard:
		return "port"
	}
	return string(m)
}
