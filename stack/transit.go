package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// handOver gives netstack a packet. netstack computes the transport checksum of
// what it forwards anew: what was damaged on its way would look right, a fragment
// would get a checksum of its own, and a TCP header that is cut off makes it
// panic. A router has to leave all that alone (RFC 1812, 5.2). netstack asks the
// interface that it sends by whether checksums are left to that, and while it
// has a packet that is for somebody else, they are. at is where the IP header
// starts.
func (i *Interface) handOver(proto tcpip.NetworkProtocolNumber, p Packet, at int) {
	i.vouch(p)
	i.s.transit = i.transits(p, at)
	i.ep.disp.DeliverNetworkPacket(proto, p.pb)
	i.s.transit = false
	i.s.dirty = true
}

// transits reports whether a packet is for somebody else, to whom the host may
// send it on.
func (i *Interface) transits(p Packet, at int) bool {
	if !i.s.cfg.Forwarding || i.rule != nil {
		return false
	}
	var head [header.EthernetMinimumSize + header.IPv6MinimumSize]byte
	b := network(p.peek(head[:at+header.IPv6MinimumSize]), at)
	switch {
	case len(b) >= header.IPv4MinimumSize && b[0]>>4 == 4:
		return !i.s.local(Addr(header.IPv4(b).DestinationAddress()))
	case len(b) >= header.IPv6MinimumSize && b[0]>>4 == 6:
		return !i.s.local(Addr(header.IPv6(b).DestinationAddress()))
	}
	return false
}
