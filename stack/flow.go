package stack

import (
	"encoding/binary"
	"net/netip"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Flow tells packets of different flows apart: addresses, protocol and ports,
// where they are at their usual place.
type Flow struct {
	head [40]byte
	n    int
}

// Flow returns the flow of a packet that begins with an IP header, or with an
// Ethernet header before that.
func (p Packet) Flow(ethernet bool) Flow {
	var f Flow
	var first [header.EthernetMinimumSize + header.IPv6MinimumSize + 4]byte
	b := p.peek(first[:])
	b = b[min(len(b), linkLen(ethernet)):]
	b = b[:min(len(b), header.IPv6MinimumSize+4)]
	switch {
	case len(b) < header.IPv4MinimumSize+4:
		return f
	case b[0] == 0x45:
		f.n = copy(f.head[:], b[9:10])
		f.n += copy(f.head[f.n:], b[12:header.IPv4MinimumSize+4])
	case b[0]>>4 == 6 && len(b) == header.IPv6MinimumSize+4:
		f.n = copy(f.head[:], b[6:7])
		f.n += copy(f.head[f.n:], b[8:])
	}
	return f
}

// Tuple returns the five-tuple of a TCP flow as its sender sees it. It is zero for
// other protocols, and where a header is not at its usual place.
func (f Flow) Tuple() trace.FiveTuple {
	if f.n == 0 || f.head[0] != byte(header.TCPProtocolNumber) {
		return trace.FiveTuple{}
	}
	addrs, ports := f.head[1:f.n-4], f.head[f.n-4:f.n]
	src, _ := netip.AddrFromSlice(addrs[:len(addrs)/2])
	dst, _ := netip.AddrFromSlice(addrs[len(addrs)/2:])
	return trace.FiveTuple{
		Proto:  "tcp",
		Local:  netip.AddrPortFrom(src, binary.BigEndian.Uint16(ports)),
		Remote: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(ports[2:])),
	}
}

// Known reports whether it is the flow of a packet whose headers are at their
// usual place.
func (f Flow) Known() bool { return f.n > 0 }
