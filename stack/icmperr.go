package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// ICMPError is an ICMP error that the host has received about a packet of its
// own: destination unreachable, time exceeded and their like (RFC 792, RFC 4443).
type ICMPError struct {
	V6         bool
	Type, Code uint8
	// Info is the MTU of "fragmentation needed" and "packet too big", and the
	// pointer of "parameter problem".
	Info uint32
	// From is who sent the error: a router, or the destination.
	From netip.Addr
	// Proto, Src and Dst are those of the packet that it quotes; the ports are
	// those of TCP and UDP, and an echo request's identifier is Src's.
	Proto    uint8
	Src, Dst netip.AddrPort
	// Payload is what is quoted behind the IP header.
	Payload []byte
}

// icmpTap hands the ICMP errors that a host receives to its watchers. netstack
// tells a UDP end point of one error alone, "port unreachable"; Linux also
// reports the others, to those who ask with IP_RECVERR.
type icmpTap struct {
	eps      []tcpip.Endpoint
	watchers []*icmpWatcher
}

type icmpWatcher struct{ f func(ICMPError) }

// WatchICMP calls f for every ICMP error that the host receives, until stop.
// f is called in the middle of the stack's work: it may mark a thread ready,
// and nothing else.
func (s *Stack) WatchICMP(f func(ICMPError)) (stop func()) {
	if s.icmp.eps == nil {
		s.tapICMP(icmp.ProtocolNumber4, header.IPv4ProtocolNumber)
		s.tapICMP(icmp.ProtocolNumber6, header.IPv6ProtocolNumber)
	}
	w := &icmpWatcher{f}
	s.icmp.watchers = append(s.icmp.watchers, w)
	return func() {
		s.icmp.watchers = slices.DeleteFunc(s.icmp.watchers, func(o *icmpWatcher) bool { return o == w })
	}
}

// tapICMP opens a raw socket of the stack's own.
func (s *Stack) tapICMP(trans tcpip.TransportProtocolNumber, net tcpip.NetworkProtocolNumber) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewRawEndpoint(trans, net, wq, true)
	if err != nil {
		return // no RawFactory: New has one
	}
	s.icmp.eps = append(s.icmp.eps, ep)
	e := waiter.NewFunctionEntry(waiter.ReadableEvents, func(waiter.EventMask) { s.drainICMP(ep, net == header.IPv6ProtocolNumber) })
	wq.EventRegister(&e)
}

func (s *Stack) drainICMP(ep tcpip.Endpoint, v6 bool) {
	buf := make([]byte, header.IPv6MinimumMTU+header.IPv4MaximumHeaderSize)
	for {
		w := tcpip.SliceWriter(buf)
		res, err := ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		if err != nil {
			return
		}
		e, ok := parseICMPError(buf[:min(res.Count, len(buf))], v6)
		if !ok {
			continue
		}
		e.From = Addr(res.RemoteAddr.Addr)
		for _, w := range slices.Clone(s.icmp.watchers) {
			w.f(e)
		}
	}
}

// parseICMPError reads an ICMP message, as a raw socket receives it: with its
// IP header in IPv4, without in IPv6. ok is false if it is no error.
func parseICMPError(b []byte, v6 bool) (e ICMPError, ok bool) {
	if !v6 {
		if len(b) < header.IPv4MinimumSize || len(b) < int(header.IPv4(b).HeaderLength()) {
			return e, false
		}
		b = b[header.IPv4(b).HeaderLength():]
	}
	if len(b) < 8 {
		return e, false
	}
	e.V6, e.Type, e.Code = v6, b[0], b[1]
	rest := binary.BigEndian.Uint32(b[4:])
	if v6 {
		switch header.ICMPv6Type(e.Type) {
		case header.ICMPv6PacketTooBig, header.ICMPv6ParamProblem:
			e.Info = rest
		case header.ICMPv6DstUnreachable, header.ICMPv6TimeExceeded:
		default:
			return e, false
		}
		return e, e.quoted6(b[8:])
	}
	switch header.ICMPv4Type(e.Type) {
	case header.ICMPv4DstUnreachable:
		if header.ICMPv4Code(e.Code) == header.ICMPv4FragmentationNeeded {
			e.Info = rest & 0xffff
		}
	case header.ICMPv4ParamProblem:
		e.Info = rest >> 24
	case header.ICMPv4TimeExceeded, header.ICMPv4SrcQuench:
	default:
		return e, false
	}
	return e, e.quoted4(b[8:])
}

func (e *ICMPError) quoted4(b []byte) bool {
	if len(b) < header.IPv4MinimumSize {
		return false
	}
	h := header.IPv4(b)
	if h.HeaderLength() < header.IPv4MinimumSize || len(b) < int(h.HeaderLength()) {
		return false
	}
	e.Proto = h.Protocol()
	e.transport(Addr(h.SourceAddress()), Addr(h.DestinationAddress()), b[h.HeaderLength():])
	return true
}

func (e *ICMPError) quoted6(b []byte) bool {
	if len(b) < header.IPv6MinimumSize {
		return false
	}
	h := header.IPv6(b)
	e.Proto = h.NextHeader()
	e.transport(Addr(h.SourceAddress()), Addr(h.DestinationAddress()), b[header.IPv6MinimumSize:])
	return true
}

func (e *ICMPError) transport(src, dst netip.Addr, b []byte) {
	e.Payload = slices.Clone(b)
	var sport, dport uint16
	if len(b) >= 8 {
		switch tcpip.TransportProtocolNumber(e.Proto) {
		case header.TCPProtocolNumber, header.UDPProtocolNumber:
			sport, dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		case header.ICMPv4ProtocolNumber, header.ICMPv6ProtocolNumber:
			sport = binary.BigEndian.Uint16(b[4:]) // the echo's identifier
		}
	}
	e.Src, e.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
}
