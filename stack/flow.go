package stack

import "gvisor.dev/gvisor/pkg/tcpip/header"

// Flow tells packets of different flows apart: addresses, protocol and ports,
// where they are at their usual place.
type Flow struct {
	head [40]byte
	n    int
}

// Flow returns the flow of a packet that begins with an IP header.
func (p Packet) Flow() Flow {
	var f Flow
	var first [header.IPv6MinimumSize + 4]byte
	b := p.peek(first[:])
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

// Same reports whether a packet is of the flow.
func (f *Flow) Same(p Packet) bool { return f.n > 0 && p.Flow() == *f }
