package gateway

import "net/netip"

// Config says what passes. As JSON it is in recordings.
type Config struct {
	// Map sends addresses elsewhere; the first that fits counts.
	Map []Mapping `json:"map,omitempty"`
	// MaxFlows is how many flows there may be at a time. Default
	// [DefaultMaxFlows].
	MaxFlows int `json:"flows,omitempty"`
}

// DefaultMaxFlows is as many flows as have ports on one address, about.
const DefaultMaxFlows = 32768

// Counts is what a gateway has done.
type Counts struct {
	TCP, UDP, Echo      uint64 // flows that were opened
	Refused             uint64 // what the outside has refused
	Expired, Overflowed uint64 // flows that were idle; packets beyond the limit
	Lost                uint64 // datagrams that a socket had no room for
	Sent, Received      uint64 // bytes to the outside, and from it
}

// Flow describes a flow: the two five-tuples, and what has passed.
type Flow struct {
	Proto          string // "tcp", "udp", "icmp", "icmpv6"
	State          string // "connecting", "opening", "open"
	Client, Target netip.AddrPort
	Local, Remote  netip.AddrPort // the outside socket's
	FD             int            // of the inside socket; -1: none
	HostFD         int            // of the outside socket
	Sent, Received uint64         // bytes to the outside, and from it
}
