package stack

import (
	"net/netip"
	"slices"

	"fivetuple/trace"
)

// Match says how a packet's addresses matched a socket's: the most specific
// wins (RFC 9293, 3.10; in netstack, transportEndpoints.iterEndpointsLocked).
type Match string

// The matches, from the most specific to none.
const (
	MatchExact    Match = "exact"    // all five things: a connection
	MatchAddress  Match = "address"  // protocol, local address and port: a listener, or a bound socket
	MatchWildcard Match = "wildcard" // protocol and port
	MatchNone     Match = "none"
)

// Decision is what the demultiplexer does with a packet.
type Decision struct {
	Match Match
	// Socket is who gets it, unless Match is MatchNone. Of a group that shares
	// the port with SO_REUSEPORT it is the one that netstack's hash chooses.
	Socket trace.Socket
	// Answer is what the host sends back if nobody gets the packet: "RST",
	// "ICMP port unreachable", or "" if the address is not the host's.
	Answer string
}

// Lookup says which socket a packet from src to dst would reach, and why.
// The protocol is "tcp" or "udp".
func (s *Stack) Lookup(proto string, src, dst netip.AddrPort) Decision {
	if !s.local(dst.Addr()) && !slices.ContainsFunc(s.ifaces, (*Interface).Diverts) {
		return Decision{Match: MatchNone}
	}
	ep := s.find(trace.FiveTuple{Proto: proto, Local: dst, Remote: src})
	if ep == nil {
		answer := "ICMP port unreachable"
		if proto == "tcp" {
			answer = "RST"
		}
		return Decision{Match: MatchNone, Answer: answer}
	}
	d := Decision{Socket: s.Snapshot(ep), Match: MatchAddress}
	switch {
	case EndpointTuple(ep).Remote == src:
		d.Match = MatchExact
	case d.Socket.Local.Addr().IsUnspecified():
		d.Match = MatchWildcard
	}
	return d
}

// local reports whether an address is the host's: loopback is 127.0.0.0/8.
func (s *Stack) local(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, p := range s.addrs {
		if p.Addr() == a {
			return true
		}
	}
	return false
}
