package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// expire corrects one off in netstack's IPv4 forwarding: it sends a packet
// that arrives with a TTL of 1 on with 0, where a router must answer "time
// exceeded" (RFC 1812, 5.3.1), so that traceroute would miss the first router.
// Such a packet is handed over with a TTL of 0, which netstack answers so.
// at is where the IP header starts; the result replaces p.
func (i *Interface) expire(p Packet, at int) Packet {
	if !i.s.cfg.Forwarding {
		return p
	}
	b, ok := p.pb.Data().PullUp(at + header.IPv4MinimumSize)
	if !ok || (at > 0 && header.Ethernet(b).Type() != header.IPv4ProtocolNumber) {
		return p
	}
	h := header.IPv4(b[at:])
	dst := Addr(h.DestinationAddress())
	if h[0]>>4 != 4 || h.TTL() != 1 || dst.IsMulticast() || i.s.local(dst) {
		return p
	}
	full := p.Bytes() // the packet is shared: others see it as it was
	if at+int(h.HeaderLength()) > len(full) {
		return p
	}
	h = header.IPv4(full[at:])
	h.SetTTL(0)
	h.SetChecksum(0)
	h.SetChecksum(^h.CalculateChecksum())
	return NewPacket(full)
}
