package packetdrill

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
)

// Numbers of the headers that are built and read here.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10
	flagURG = 0x20
	flagECE = 0x40
	flagCWR = 0x80

	optEOL, optNOP, optMSS, optWScale, optSACKOK, optSACK, optTS = 0, 1, 2, 3, 4, 5, 8
	optMD5, optFO, optExp                                        = 19, 34, 254
	foMagic                                                      = 0xf989 // RFC 6994's number of Fast Open's experiment
)

var flagLetters = []struct {
	letter byte
	bit    byte
}{{'S', flagSYN}, {'F', flagFIN}, {'R', flagRST}, {'P', flagPSH}, {'E', flagECE}, {'W', flagCWR}, {'U', flagURG}, {'.', flagACK}}

// flagBits is the flags byte of "S."; ok is false for letters of AccECN.
func flagBits(s string) (bits byte, ok bool) {
	if s == "-" {
		return 0, true
	}
next:
	for i := range len(s) {
		for _, f := range flagLetters {
			if s[i] == f.letter {
				bits |= f.bit
				continue next
			}
		}
		return 0, false
	}
	return bits, true
}

// flagText is the inverse of flagBits.
func flagText(bits byte) string {
	var out []byte
	for _, f := range flagLetters {
		if bits&f.bit != 0 {
			out = append(out, f.letter)
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return string(out)
}

// segment is a TCP segment, or the part that concerns us of another packet, as
// it is on the wire.
type segment struct {
	src, dst         netip.Addr
	tos, ttl         byte
	proto            byte
	srcPort, dstPort uint16
	seq, ack         uint32
	flags            byte
	win, urg         uint16
	opts             []TCPOpt // with numbers as on the wire
	payload          []byte
	icmpType, code   byte
	icmpRest         uint32
}

func sum(b []byte, acc uint32) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		acc += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		acc += uint32(b[len(b)-1]) << 8
	}
	return acc
}

func fold(acc uint32) uint16 {
	for acc>>16 != 0 {
		acc = acc&0xffff + acc>>16
	}
	return ^uint16(acc)
}

// pseudo is the sum of the pseudo header of a transport's checksum.
func pseudo(src, dst netip.Addr, proto byte, n int) uint32 {
	return sum(src.AsSlice(), 0) + sum(dst.AsSlice(), 0) + uint32(proto) + uint32(n)>>16 + uint32(n)&0xffff
}

// ip puts an IP header before a transport's bytes.
func (s *segment) ip(body []byte) []byte {
	if s.src.Is4() {
		b := make([]byte, 20, 20+len(body))
		b[0], b[1] = 0x45, s.tos
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
		b[6] = 0x40 // do not fragment
		b[8], b[9] = s.ttl, s.proto
		copy(b[12:], s.src.AsSlice())
		copy(b[16:], s.dst.AsSlice())
		binary.BigEndian.PutUint16(b[10:], fold(sum(b, 0)))
		return append(b, body...)
	}
	b := make([]byte, 40, 40+len(body))
	b[0], b[1] = 0x60|s.tos>>4, s.tos<<4
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[6], b[7] = s.proto, s.ttl
	copy(b[8:], s.src.AsSlice())
	copy(b[24:], s.dst.AsSlice())
	return append(b, body...)
}

// bytes is the packet on the wire.
func (s *segment) bytes() []byte {
	var body []byte
	at := 0 // of the checksum
	switch s.proto {
	case protoTCP:
		opts := encodeOpts(s.opts)
		body = make([]byte, 20, 20+len(opts)+len(s.payload))
		binary.BigEndian.PutUint16(body, s.srcPort)
		binary.BigEndian.PutUint16(body[2:], s.dstPort)
		binary.BigEndian.PutUint32(body[4:], s.seq)
		binary.BigEndian.PutUint32(body[8:], s.ack)
		body[12], body[13] = byte((20+len(opts))/4)<<4, s.flags
		binary.BigEndian.PutUint16(body[14:], s.win)
		binary.BigEndian.PutUint16(body[18:], s.urg)
		body = append(body, opts...)
		at = 16
	case protoUDP:
		body = make([]byte, 8, 8+len(s.payload))
		binary.BigEndian.PutUint16(body, s.srcPort)
		binary.BigEndian.PutUint16(body[2:], s.dstPort)
		binary.BigEndian.PutUint16(body[4:], uint16(8+len(s.payload)))
		at = 6
	default:
		body = make([]byte, 8, 8+len(s.payload))
		body[0], body[1] = s.icmpType, s.code
		binary.BigEndian.PutUint32(body[4:], s.icmpRest)
		at = 2
	}
	body = append(body, s.payload...)
	acc := sum(body, 0)
	if s.proto != protoICMP {
		acc += pseudo(s.src, s.dst, s.proto, len(body))
	}
	check := fold(acc)
	if s.proto == protoUDP && check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(body[at:], check)
	return s.ip(body)
}

// encodeOpts is the options on the wire; their length is a multiple of 4 if
// the script is right.
func encodeOpts(opts []TCPOpt) []byte {
	var b []byte
	for _, o := range opts {
		switch o.Name {
		case "nop":
			b = append(b, optNOP)
		case "eol":
			b = append(b, optEOL)
		case "sackOK":
			b = append(b, optSACKOK, 2)
		case "mss":
			b = binary.BigEndian.AppendUint16(append(b, optMSS, 4), uint16(o.Value))
		case "wscale":
			b = append(b, optWScale, 3, byte(o.Value))
		case "TS":
			b = binary.BigEndian.AppendUint32(append(b, optTS, 10), uint32(o.Value))
			b = binary.BigEndian.AppendUint32(b, uint32(o.Ecr))
		case "sack":
			b = append(b, optSACK, byte(2+8*len(o.Blocks)))
			for _, k := range o.Blocks {
				b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, k[0]), k[1])
			}
		default:
			b = append(b, encodeHexOpt(o)...)
		}
	}
	return b
}

func encodeHexOpt(o TCPOpt) []byte {
	raw, _ := hex.DecodeString(o.Hex) // the parser has looked at it
	switch o.Name {
	case "md5":
		return append([]byte{optMD5, byte(2 + len(raw))}, raw...)
	case "FO":
		return append([]byte{optFO, byte(2 + len(raw))}, raw...)
	}
	return append([]byte{optExp, byte(4 + len(raw)), foMagic >> 8, foMagic & 0xff}, raw...)
}

// decode reads an IP packet; ok is false for what is neither TCP, UDP nor ICMP.
func decode(b []byte) (s segment, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		hl, n := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if hl < 20 || n < hl || n > len(b) {
			return s, false
		}
		s.src, _ = netip.AddrFromSlice(b[12:16])
		s.dst, _ = netip.AddrFromSlice(b[16:20])
		s.tos, s.ttl, s.proto = b[1], b[8], b[9]
		b = b[hl:n]
	case len(b) >= 40 && b[0]>>4 == 6:
		s.src, _ = netip.AddrFromSlice(b[8:24])
		s.dst, _ = netip.AddrFromSlice(b[24:40])
		s.tos, s.ttl, s.proto = b[0]<<4|b[1]>>4, b[7], b[6]
		b = b[40:]
	default:
		return s, false
	}
	switch s.proto {
	case protoTCP:
		return s, s.decodeTCP(b)
	case protoUDP:
		if len(b) < 8 {
			return s, false
		}
		s.srcPort, s.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		s.payload = b[8:]
		return s, true
	case protoICMP, protoICMPv6:
		if len(b) < 8 {
			return s, false
		}
		s.icmpType, s.code, s.icmpRest, s.payload = b[0], b[1], binary.BigEndian.Uint32(b[4:]), b[8:]
		return s, true
	}
	return s, false
}

func (s *segment) decodeTCP(b []byte) bool {
	if len(b) < 20 || int(b[12]>>4)*4 < 20 || int(b[12]>>4)*4 > len(b) {
		return false
	}
	hl := int(b[12]>>4) * 4
	s.srcPort, s.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.seq, s.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.flags, s.win, s.urg = b[13], binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
	s.opts, s.payload = decodeOpts(b[20:hl]), b[hl:]
	return true
}

// decodeOpts reads options; it stops at what is malformed.
func decodeOpts(b []byte) []TCPOpt {
	var out []TCPOpt
	for len(b) > 0 {
		switch b[0] {
		case optNOP:
			out, b = append(out, TCPOpt{Name: "nop"}), b[1:]
			continue
		case optEOL:
			out, b = append(out, TCPOpt{Name: "eol"}), b[1:]
			continue
		}
		if len(b) < 2 || int(b[1]) < 2 || int(b[1]) > len(b) {
			return append(out, TCPOpt{Name: "malformed"})
		}
		out = append(out, decodeOpt(b[0], b[2:b[1]]))
		b = b[b[1]:]
	}
	return out
}

func decodeOpt(kind byte, v []byte) TCPOpt {
	switch {
	case kind == optMSS && len(v) == 2:
		return TCPOpt{Name: "mss", Value: int64(binary.BigEndian.Uint16(v))}
	case kind == optWScale && len(v) == 1:
		return TCPOpt{Name: "wscale", Value: int64(v[0])}
	case kind == optSACKOK:
		return TCPOpt{Name: "sackOK"}
	case kind == optTS && len(v) == 8:
		return TCPOpt{Name: "TS", Value: int64(binary.BigEndian.Uint32(v)), Ecr: int64(binary.BigEndian.Uint32(v[4:]))}
	case kind == optSACK && len(v)%8 == 0:
		o := TCPOpt{Name: "sack"}
		for ; len(v) > 0; v = v[8:] {
			o.Blocks = append(o.Blocks, [2]uint32{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])})
		}
		return o
	case kind == optMD5:
		return TCPOpt{Name: "md5", Hex: hex.EncodeToString(v)}
	case kind == optFO:
		return TCPOpt{Name: "FO", Hex: hex.EncodeToString(v)}
	case kind == optExp && len(v) >= 2 && binary.BigEndian.Uint16(v) == foMagic:
		return TCPOpt{Name: "FOEXP", Hex: hex.EncodeToString(v[2:])}
	}
	return TCPOpt{Name: "malformed", Value: int64(kind)}
}
