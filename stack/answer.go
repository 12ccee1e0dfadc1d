package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// answerTTL is that of the answers below: Linux's.
const answerTTL = 64

// Unreachable is a reason of ICMP's "destination unreachable".
type Unreachable int

// The reasons (RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section 3.1).
const (
	NetUnreachable Unreachable = iota
	HostUnreachable
	PortUnreachable
	AdminProhibited
)

// codes are those of ICMP and ICMPv6.
var codes = map[Unreachable][2]uint8{
	NetUnreachable:  {0, 0},
	HostUnreachable: {1, 3},
	PortUnreachable: {3, 4},
	AdminProhibited: {13, 1},
}

// Refusal is the segment that answers a SYN which nobody takes: RST and ACK, from
// its destination (RFC 9293, section 3.10.7.1). syn is an IP packet.
func Refusal(syn []byte) []byte {
	a, ok := parseArrival(syn)
	if !ok {
		return nil
	}
	data := a.payload(syn)
	if len(data) < header.TCPMinimumSize {
		return nil
	}
	in := header.TCP(data)
	out := make(header.TCP, header.TCPMinimumSize)
	out.Encode(&header.TCPFields{
		SrcPort: a.Dst.Port(), DstPort: a.Src.Port(), Flags: header.TCPFlagRst | header.TCPFlagAck,
		AckNum: in.SequenceNumber() + 1 + uint32(len(data)) - uint32(in.DataOffset()), DataOffset: header.TCPMinimumSize,
	})
	return ipPacket(uint8(header.TCPProtocolNumber), a.Dst.Addr(), a.Src.Addr(), out, 16)
}

// UnreachableFor is the ICMP error that answers a packet in the name of from.
func UnreachableFor(packet []byte, from netip.Addr, why Unreachable) []byte {
	a, ok := parseArrival(packet)
	if !ok {
		return nil
	}
	most, n, typ := 576-header.IPv4MinimumSize-header.ICMPv4MinimumSize, 0, uint8(header.ICMPv4DstUnreachable)
	proto := uint8(header.ICMPv4ProtocolNumber)
	if from.Is6() {
		most, n, typ = header.IPv6MinimumMTU-header.IPv6MinimumSize-header.ICMPv6DstUnreachableMinimumSize, 1, uint8(header.ICMPv6DstUnreachable)
		proto = uint8(header.ICMPv6ProtocolNumber)
	}
	b := append([]byte{typ, codes[why][n], 0, 0, 0, 0, 0, 0}, packet[:min(len(packet), most)]...)
	return ipPacket(proto, from, a.Src.Addr(), b, 2)
}

// UDPHeaders are the first bytes of a datagram of n bytes, for an ICMP error to
// quote.
func UDPHeaders(src, dst netip.AddrPort, n int) []byte {
	b := make(header.UDP, header.UDPMinimumSize+n)
	b.Encode(&header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(len(b))})
	whole := ipPacket(uint8(header.UDPProtocolNumber), src.Addr(), dst.Addr(), b, -1)
	return whole[:len(whole)-n]
}

// EchoReply is the answer to an echo request: message is an ICMP message from
// its type on, of which type, identifier and checksum are set.
func EchoReply(src, dst netip.Addr, ident uint16, message []byte) []byte {
	if len(message) < 8 {
		return nil
	}
	proto, typ := uint8(header.ICMPv4ProtocolNumber), uint8(header.ICMPv4EchoReply)
	if src.Is6() {
		proto, typ = uint8(header.ICMPv6ProtocolNumber), uint8(header.ICMPv6EchoReply)
	}
	message[0], message[1], message[2], message[3] = typ, 0, 0, 0
	binary.BigEndian.PutUint16(message[4:], ident)
	return ipPacket(proto, src, dst, message, 2)
}

// ipPacket puts an IP header in front of data, whose checksum is at sum; less
// than 0: it has none.
func ipPacket(proto uint8, src, dst netip.Addr, data []byte, sum int) []byte {
	tp := tcpip.TransportProtocolNumber(proto)
	if sum >= 0 {
		start := header.PseudoHeaderChecksum(tp, Address(src), Address(dst), uint16(len(data)))
		if tp == header.ICMPv4ProtocolNumber {
			start = 0
		}
		binary.BigEndian.PutUint16(data[sum:], ^checksum.Checksum(data, start))
	}
	if src.Is4() {
		b := make(header.IPv4, header.IPv4MinimumSize, header.IPv4MinimumSize+len(data))
		b.Encode(&header.IPv4Fields{TotalLength: uint16(header.IPv4MinimumSize + len(data)), TTL: answerTTL, Protocol: proto,
			SrcAddr: Address(src), DstAddr: Address(dst)})
		b.SetChecksum(^b.CalculateChecksum())
		return append(b, data...)
	}
	b := make(header.IPv6, header.IPv6MinimumSize, header.IPv6MinimumSize+len(data))
	b.Encode(&header.IPv6Fields{PayloadLength: uint16(len(data)), TransportProtocol: tp, HopLimit: answerTTL,
		SrcAddr: Address(src), DstAddr: Address(dst)})
	return append(b, data...)
}
