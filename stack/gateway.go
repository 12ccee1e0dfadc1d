package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Arrival is a packet for an address that is not the host's, at an interface
// that takes packets for all of them ([Interface.Divert]).
type Arrival struct {
	// Packet is the packet, from its IP header on. It is valid during the call;
	// who keeps it clones it.
	Packet Packet
	// Proto is IP's protocol number: 6 is TCP, 17 UDP, 1 and 58 ICMP.
	Proto uint8
	// Src and Dst are where it comes from and goes to. An ICMP echo request has
	// its identifier as the source's port.
	Src, Dst netip.AddrPort
	// SYN: TCP's SYN without ACK. RST: TCP's RST. Segments with neither are not
	// shown. Echo: an ICMP echo request.
	SYN, RST, Echo bool
	// Later: a fragment that is not the first, without ports.
	Later bool

	at   int // where the transport header starts
	part bool
}

// Ruling is what becomes of an arrival.
type Ruling struct {
	// Taken: it was taken, or is discarded if there is a Reason; the stack does
	// not see it. Else the stack gets it as if the address were its own.
	Taken  bool
	Reason string
}

// Divert makes the interface take packets for every unicast address, and the
// stack send from every address: the addresses of the outside, for which it
// answers. Each such packet is shown to rule first, in the middle of the
// stack's work: it may keep a clone or mark a thread ready, and nothing else.
func (i *Interface) Divert(rule func(*Arrival) Ruling) error {
	if i.cfg.MAC != nil || i.cfg.Loopback {
		return fmt.Errorf("interface %s: only a point-to-point interface takes packets for all addresses", i.cfg.Name)
	}
	if !i.s.cfg.Gateway {
		return fmt.Errorf("interface %s: host %s is no gateway: Config.Gateway", i.cfg.Name, i.s.cfg.Name)
	}
	if i.rule != nil {
		return fmt.Errorf("interface %s: its packets are diverted already", i.cfg.Name)
	}
	if err := errors.Join(netError(i.s.net.SetPromiscuousMode(i.id, true)), netError(i.s.net.SetSpoofing(i.id, true))); err != nil {
		return fmt.Errorf("interface %s: %w", i.cfg.Name, err)
	}
	i.rule = rule
	return nil
}

func netError(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.String())
}

// Readmit delivers a packet that Divert's rule took, and uses it up. A thread
// calls it: the stack works on the packet before it returns.
func (i *Interface) Readmit(p Packet) {
	defer p.Release()
	i.deliverPacket(p)
	i.s.Settle()
	var head [header.IPv6MinimumSize + header.TCPMinimumSize]byte
	if a, ok := parseArrival(p.peek(head[:])); ok && a.SYN {
		i.s.SampleTuple(trace.FiveTuple{Proto: "tcp", Local: a.Dst, Remote: a.Src})
	}
}

// Transmit sends a whole IP packet, as the stack itself does: an answer in the
// name of an outside address.
func (i *Interface) Transmit(packet []byte) { i.cfg.Output(NewPacket(packet)) }

// Diverts reports whether Divert was called: the interface's stack sends from
// addresses that are not its own.
func (i *Interface) Diverts() bool { return i.rule != nil }

// Discarded is why the last packet that was delivered was discarded before the
// stack saw it; "" if it was not.
func (i *Interface) Discarded() string { return i.discarded }

// divert shows a packet to the rule. It reports whether it was taken.
func (i *Interface) divert(p Packet) bool {
	i.discarded = ""
	var head [header.IPv4MaximumHeaderSize + 2*header.IPv6MinimumSize]byte
	a, ok := parseArrival(p.peek(head[:]))
	if !ok || a.Proto == uint8(header.TCPProtocolNumber) && !a.SYN && !a.RST || !i.outside(a.Dst.Addr()) {
		return false // netstack counts what is malformed, and has the connections
	}
	a.Packet = p
	r := i.rule(&a)
	i.discarded = r.Reason
	return r.Taken
}

// outside reports whether an address is a unicast address of somebody else.
func (i *Interface) outside(a netip.Addr) bool {
	if a.IsMulticast() || a == broadcast || i.s.local(a) {
		return false
	}
	return !slices.ContainsFunc(i.s.addrs, func(p netip.Prefix) bool {
		return a.Is4() && p.Bits() < 31 && p.Contains(a) && a == lastAddr(p)
	})
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// lastAddr is the broadcast address of an IPv4 network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for n := p.Bits(); n < 32; n++ {
		b[n/8] |= 0x80 >> (n % 8)
	}
	return netip.AddrFrom4(b)
}

// parseArrival reads the headers of a packet; ok is false if they are cut off.
func parseArrival(b []byte) (a Arrival, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= header.IPv4MinimumSize && b[0]>>4 == 4:
		h := header.IPv4(b)
		a.at, a.Proto = int(h.HeaderLength()), h.Protocol()
		a.Later, a.part = h.FragmentOffset() != 0, h.More() || h.FragmentOffset() != 0
		src, dst = Addr(h.SourceAddress()), Addr(h.DestinationAddress())
	case len(b) >= header.IPv6MinimumSize && b[0]>>4 == 6:
		h := header.IPv6(b)
		src, dst = Addr(h.SourceAddress()), Addr(h.DestinationAddress())
		a.Proto, a.at = h.NextHeader(), header.IPv6MinimumSize
		if !a.skipExtensions(b) {
			return a, false
		}
	default:
		return a, false
	}
	a.Src, a.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if len(b) < a.at || a.at < header.IPv4MinimumSize {
		return a, false
	}
	if a.Later {
		return a, true
	}
	return a, a.parseTransport(b[a.at:])
}

// skipExtensions passes over IPv6's extension headers (RFC 8200, section 4).
func (a *Arrival) skipExtensions(b []byte) bool {
	for {
		size := 0
		if len(b) < a.at+8 {
			return len(b) >= a.at && !isExtension(a.Proto)
		}
		switch header.IPv6ExtensionHeaderIdentifier(a.Proto) {
		case header.IPv6HopByHopOptionsExtHdrIdentifier, header.IPv6RoutingExtHdrIdentifier, header.IPv6DestinationOptionsExtHdrIdentifier:
			size = 8 * (1 + int(b[a.at+1]))
		case header.IPv6FragmentExtHdrIdentifier:
			size = 8
			a.part = true
			a.Later = b[a.at+2] != 0 || b[a.at+3]>>3 != 0
		default:
			return true
		}
		a.Proto = b[a.at]
		a.at += size
		if a.Later {
			return true
		}
	}
}

func isExtension(proto uint8) bool {
	switch header.IPv6ExtensionHeaderIdentifier(proto) {
	case header.IPv6HopByHopOptionsExtHdrIdentifier, header.IPv6RoutingExtHdrIdentifier,
		header.IPv6DestinationOptionsExtHdrIdentifier, header.IPv6FragmentExtHdrIdentifier:
		return true
	}
	return false
}

// parseTransport reads ports and flags.
func (a *Arrival) parseTransport(b []byte) bool {
	switch tcpip.TransportProtocolNumber(a.Proto) {
	case header.TCPProtocolNumber:
		if len(b) < header.TCPMinimumSize {
			return false
		}
		h := header.TCP(b)
		a.ports(h.SourcePort(), h.DestinationPort())
		flags := h.Flags()
		a.SYN = flags.Contains(header.TCPFlagSyn) && !flags.Contains(header.TCPFlagAck)
		a.RST = flags.Contains(header.TCPFlagRst)
	case header.UDPProtocolNumber:
		if len(b) < header.UDPMinimumSize {
			return false
		}
		h := header.UDP(b)
		a.ports(h.SourcePort(), h.DestinationPort())
	case header.ICMPv4ProtocolNumber:
		if len(b) < header.ICMPv4MinimumSize {
			return false
		}
		h := header.ICMPv4(b)
		a.Echo = h.Type() == header.ICMPv4Echo
		a.ports(h.Ident(), 0)
	case header.ICMPv6ProtocolNumber:
		if len(b) < header.ICMPv6EchoMinimumSize {
			return false
		}
		h := header.ICMPv6(b)
		a.Echo = h.Type() == header.ICMPv6EchoRequest
		a.ports(h.Ident(), 0)
	}
	return true
}

func (a *Arrival) ports(src, dst uint16) {
	a.Src, a.Dst = netip.AddrPortFrom(a.Src.Addr(), src), netip.AddrPortFrom(a.Dst.Addr(), dst)
}

// Intact reports whether the checksums are right, as far as can be seen: those
// of a fragment's transport header cannot.
func (a *Arrival) Intact() bool {
	b := a.Packet.Bytes()
	if a.Src.Addr().Is4() && checksum.Checksum(b[:a.at], 0) != 0xffff {
		return false
	}
	data := a.payload(b)
	if a.part || a.Packet.off.trusted() {
		return true
	}
	proto := tcpip.TransportProtocolNumber(a.Proto)
	sum := header.PseudoHeaderChecksum(proto, Address(a.Src.Addr()), Address(a.Dst.Addr()), uint16(len(data)))
	switch proto {
	case header.UDPProtocolNumber:
		if len(data) < header.UDPMinimumSize {
			return false
		}
		if header.UDP(data).Checksum() == 0 && a.Src.Addr().Is4() {
			return true // none was computed: RFC 768
		}
	case header.ICMPv4ProtocolNumber:
		sum = 0
	case header.TCPProtocolNumber, header.ICMPv6ProtocolNumber:
	default:
		return true
	}
	return checksum.Checksum(data, sum) == 0xffff
}

// Whole reports whether the packet is no fragment.
func (a *Arrival) Whole() bool { return !a.part }

// Payload is what follows the IP headers, its checksum complete.
func (a *Arrival) Payload() []byte { return a.payload(a.Packet.Bytes()) }

// payload leaves out what is behind the packet's length.
func (a *Arrival) payload(b []byte) []byte {
	end := len(b)
	if a.Src.Addr().Is4() {
		end = min(end, int(header.IPv4(b).TotalLength()))
	} else {
		end = min(end, header.IPv6MinimumSize+int(header.IPv6(b).PayloadLength()))
	}
	return b[min(a.at, end):end]
}
