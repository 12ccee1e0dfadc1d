package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Summary is a decoded packet. Fields that the packet does not have are zero.
type Summary struct {
	Proto    string // "tcp", "udp", "icmp", "icmpv6", "igmp", "arp", "ipv4", "ipv6", "eth"
	Src, Dst netip.AddrPort
	Len      int // payload bytes above the transport header

	// TCP.
	Flags  string // packetdrill's letters: "S", "S.", "P.", ".", "F.", "R."
	Seq    uint32 // relative to the sender's initial number when Rel is set
	Ack    uint32 // relative to the receiver's; meaningful when HasAck
	HasAck bool
	Win    uint32 // as sent, not scaled
	Rel    bool
	Opts   string // "mss 1460 sackOK ws 7"
	SACK   [][2]uint32

	// Text describes what is not TCP or UDP: "echo request id 1 seq 1".
	Text string

	rawSeq, rawAck uint32
	fin, syn       bool
}

// RawSeq and RawAck are the numbers on the wire.
func (s *Summary) RawSeq() uint32 { return s.rawSeq }

// RawAck is the acknowledgment number on the wire.
func (s *Summary) RawAck() uint32 { return s.rawAck }

// Span is how much sequence space the segment takes: its bytes, plus one each
// for SYN and FIN (RFC 9293, 3.4).
func (s *Summary) Span() uint32 {
	n := uint32(s.Len)
	if s.syn {
		n++
	}
	if s.fin {
		n++
	}
	return n
}

// EtherTypes and IP protocol numbers that Decode knows.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoICMP   = 1
	protoIGMP   = 2
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extDestination = 60
)

// Decode reads an Ethernet frame or an IP packet. It never fails: what it
// cannot read it describes in Text.
func Decode(data []byte, ethernet bool) Summary {
	if !ethernet {
		if len(data) == 0 {
			return Summary{Proto: "ip", Text: "empty packet"}
		}
		return decodeIP(data)
	}
	if len(data) < 14 {
		return Summary{Proto: "eth", Text: "short frame"}
	}
	switch t := binary.BigEndian.Uint16(data[12:]); t {
	case etherIPv4, etherIPv6:
		return decodeIP(data[14:])
	case etherARP:
		return decodeARP(data[14:])
	default:
		return Summary{Proto: "eth", Text: fmt.Sprintf("ethertype 0x%04x", t)}
	}
}

func decodeIP(b []byte) Summary {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return decodeIPv4(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		return decodeIPv6(b)
	}
	return Summary{Proto: "ip", Text: "not an IP packet"}
}

func decodeIPv4(b []byte) Summary {
	hl := int(b[0]&15) * 4
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	end := min(len(b), int(binary.BigEndian.Uint16(b[2:])))
	if hl < 20 || hl > end {
		return Summary{Proto: "ipv4", Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0), Text: "bad header length"}
	}
	frag := binary.BigEndian.Uint16(b[6:])
	if off := int(frag&0x1fff) * 8; off != 0 {
		return Summary{Proto: "ipv4", Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0),
			Len: end - hl, Text: fmt.Sprintf("fragment at offset %d", off)}
	}
	s := decodeTransport(b[9], b[hl:end], "ipv4", src, dst)
	if frag&0x2000 != 0 {
		s.Text = strings.TrimSpace(s.Text + " first fragment")
	}
	return s
}

// decodeIPv6 finds the upper layer behind the extension headers (RFC 8200, 4).
func decodeIPv6(b []byte) Summary {
	src, _ := netip.AddrFromSlice(b[8:24])
	dst, _ := netip.AddrFromSlice(b[24:40])
	next, rest := b[6], b[40:min(len(b), 40+int(binary.BigEndian.Uint16(b[4:])))]
	first := false
	for len(rest) >= 8 {
		size := 8
		switch next {
		case extHopByHop, extRouting, extDestination:
			size += 8 * int(rest[1])
		case extFragment:
			frag := binary.BigEndian.Uint16(rest[2:])
			if off := frag &^ 7; off != 0 { // in units of 8 bytes, above 3 bits of flags
				return Summary{Proto: "ipv6", Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0),
					Len: len(rest) - 8, Text: fmt.Sprintf("fragment at offset %d", off)}
			}
			first = frag&1 != 0
		default:
			size = 0
		}
		if size == 0 || size > len(rest) {
			break
		}
		next, rest = rest[0], rest[size:]
	}
	s := decodeTransport(next, rest, "ipv6", src, dst)
	if first {
		s.Text = strings.TrimSpace(s.Text + " first fragment")
	}
	return s
}

func decodeTransport(proto byte, b []byte, network string, src, dst netip.Addr) Summary {
	s := Summary{Proto: network, Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0), Len: len(b)}
	switch {
	case proto == protoTCP && len(b) >= 20:
		s.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
		s.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
		decodeTCP(&s, b)
	case proto == protoUDP && len(b) >= 8:
		s.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
		s.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
		s.Proto, s.Len = "udp", len(b)-8
	case proto == protoIGMP && len(b) >= 8:
		s.Proto, s.Len, s.Text = "igmp", len(b)-8, igmpText(b)
	case proto == protoICMP && len(b) >= 8:
		s.Proto, s.Len, s.Text = "icmp", len(b)-8, icmpText(b, icmp4Names, 0, 8)
	case proto == protoICMPv6 && len(b) >= 8:
		s.Proto, s.Len, s.Text = "icmpv6", len(b)-8, icmpText(b, icmp6Names, 129, 128)
	default:
		s.Text = fmt.Sprintf("IP protocol %d", proto)
	}
	return s
}

func decodeTCP(s *Summary, b []byte) {
	s.Proto = "tcp"
	s.rawSeq, s.rawAck = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.Seq, s.Ack = s.rawSeq, s.rawAck
	s.Win = uint32(binary.BigEndian.Uint16(b[14:]))
	flags := b[13]
	s.HasAck, s.syn, s.fin = flags&0x10 != 0, flags&2 != 0, flags&1 != 0
	var f strings.Builder
	for _, l := range []struct {
		bit  byte
		char byte
	}{{2, 'S'}, {1, 'F'}, {4, 'R'}, {8, 'P'}, {0x20, 'U'}, {0x40, 'E'}, {0x80, 'W'}, {0x10, '.'}} {
		if flags&l.bit != 0 {
			f.WriteByte(l.char)
		}
	}
	s.Flags = f.String()
	if s.Flags == "" {
		s.Flags = "-"
	}
	hl := int(b[12]>>4) * 4
	if hl < 20 || hl > len(b) {
		s.Text = "bad TCP header length"
		s.Len = 0
		return
	}
	s.Len = len(b) - hl
	decodeTCPOptions(s, b[20:hl])
}

func decodeTCPOptions(s *Summary, o []byte) {
	var out []string
	for len(o) > 0 && o[0] != 0 {
		if o[0] == 1 { // NOP
			o = o[1:]
			continue
		}
		if len(o) < 2 || int(o[1]) < 2 || int(o[1]) > len(o) {
			out = append(out, "malformed")
			break
		}
		v := o[2:o[1]]
		switch {
		case o[0] == 2 && len(v) == 2:
			out = append(out, fmt.Sprintf("mss %d", binary.BigEndian.Uint16(v)))
		case o[0] == 3 && len(v) == 1:
			out = append(out, fmt.Sprintf("ws %d", v[0]))
		case o[0] == 4:
			out = append(out, "sackOK")
		case o[0] == 5:
			for ; len(v) >= 8; v = v[8:] {
				s.SACK = append(s.SACK, [2]uint32{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])})
			}
		case o[0] == 8 && len(v) == 8:
			out = append(out, fmt.Sprintf("TS val %d ecr %d", binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])))
		default:
			out = append(out, fmt.Sprintf("opt %d", o[0]))
		}
		o = o[o[1]:]
	}
	s.Opts = strings.Join(out, " ")
}

var icmp4Names = map[[2]byte]string{
	{0, 0}: "echo reply", {8, 0}: "echo request",
	{3, 0}: "net unreachable", {3, 1}: "host unreachable", {3, 2}: "protocol unreachable",
	{3, 3}: "port unreachable", {3, 4}: "fragmentation needed", {11, 0}: "time exceeded",
}

var icmp6Names = map[[2]byte]string{
	{128, 0}: "echo request", {129, 0}: "echo reply",
	{1, 0}: "no route", {1, 3}: "address unreachable", {1, 4}: "port unreachable", {2, 0}: "packet too big",
	{3, 0}: "hop limit exceeded", {133, 0}: "router solicitation", {134, 0}: "router advertisement",
	{130, 0}: "MLD query", {131, 0}: "MLD report", {132, 0}: "MLD done", {135, 0}: "neighbor solicitation", {136, 0}: "neighbor advertisement", {143, 0}: "MLDv2 report",
}

func icmpText(b []byte, names map[[2]byte]string, echoReply, echoRequest byte) string {
	name, ok := names[[2]byte{b[0], b[1]}]
	if !ok {
		name = fmt.Sprintf("type %d code %d", b[0], b[1])
	}
	if b[0] == echoReply || b[0] == echoRequest {
		return fmt.Sprintf("%s id %d seq %d", name, binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]))
	}
	return name
}

func decodeARP(b []byte) Summary {
	if len(b) < 28 {
		return Summary{Proto: "arp", Text: "short packet"}
	}
	src, _ := netip.AddrFromSlice(b[14:18])
	dst, _ := netip.AddrFromSlice(b[24:28])
	s := Summary{Proto: "arp", Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0)}
	if binary.BigEndian.Uint16(b[6:]) == 1 {
		s.Text = fmt.Sprintf("who has %s? tell %s", dst, src)
	} else {
		s.Text = fmt.Sprintf("%s is at %02x:%02x:%02x:%02x:%02x:%02x", src, b[8], b[9], b[10], b[11], b[12], b[13])
	}
	return s
}
