package capture

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"

	"fivetuple/scenarios/packetdrill"
)

const (
	protoICMP   = 1
	protoTCP    = 6
	protoICMPv6 = 58

	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10
	flagURG = 0x20
)

// opt is an option of a segment, with numbers as on the wire.
type opt = packetdrill.TCPOpt

// packet is a TCP segment, or an ICMP error about one.
type packet struct {
	*frame
	at       time.Duration // since the capture's first packet
	src, dst netip.AddrPort
	ipID     uint16 // IPv4's identification
	ttl      byte

	seq, ack uint32
	flags    byte
	win, urg uint16
	opts     []opt
	badOpts  bool // the options are malformed, or unknown
	size     int  // payload on the wire

	icmp *icmpError
}

// icmpError is what an ICMP error says. The packet's src and dst are then those
// of the segment that it quotes, and so are seq and size.
type icmpError struct {
	from      netip.Addr
	typ, code byte
	rest      uint32
	v6        bool
}

// has reports whether all the flags are set.
func (p *packet) has(flags byte) bool { return p.icmp == nil && p.flags&flags == flags }

// span is how much of the sequence space a segment takes.
func (p *packet) span() uint32 {
	n := uint32(p.size)
	if p.has(flagSYN) {
		n++
	}
	if p.has(flagFIN) {
		n++
	}
	return n
}

// trouble is why a packet is not in the stream it may belong to.
type trouble int

const (
	fine trouble = iota
	notTCP
	fragment
	cut // the capture has too little of it
)

// parse reads an IP packet. A frame that has been padded is longer than it; an
// IP length of zero is that of a segment that the sending card is to cut up.
func parse(f *frame, b []byte) (*packet, trouble) {
	ip, t := parseIP(b, len(b)+f.length-len(f.data))
	if t != fine {
		return nil, t
	}
	p := &packet{frame: f, ipID: ip.id, ttl: ip.ttl}
	switch ip.proto {
	case protoTCP:
		return p, p.tcp(ip)
	case protoICMP, protoICMPv6:
		return p, p.icmpTCP(ip)
	}
	return nil, notTCP
}

// ipHead is what is needed of an IP header.
type ipHead struct {
	src, dst netip.Addr
	proto    byte
	id       uint16
	ttl      byte
	body     []byte // what was captured after it
	size     int    // what was sent after it, in bytes
}

// maxPacket is the largest packet that a system hands to its card: Linux's with
// BIG TCP.
const maxPacket = 512 << 10

// parseIP reads a header. wire is how many bytes from it on were sent.
func parseIP(b []byte, wire int) (h ipHead, t trouble) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		hl, n := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if n == 0 {
			n = min(wire, maxPacket)
		}
		if hl < 20 || n < hl {
			return h, notTCP
		}
		h.src, _ = netip.AddrFromSlice(b[12:16])
		h.dst, _ = netip.AddrFromSlice(b[16:20])
		h.proto, h.id, h.ttl = b[9], binary.BigEndian.Uint16(b[4:]), b[8]
		if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or an offset
			return h, fragmentOf(h.proto)
		}
		return h.rest(b, hl, n)
	case len(b) >= 40 && b[0]>>4 == 6:
		h.src, _ = netip.AddrFromSlice(b[8:24])
		h.dst, _ = netip.AddrFromSlice(b[24:40])
		n := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if n == 40 {
			n = min(wire, maxPacket)
		}
		h.ttl = b[7]
		return h.extensions(b, n)
	case len(b) > 0 && (b[0]>>4 == 4 || b[0]>>4 == 6):
		return h, cut
	}
	return h, notTCP
}

// extensions skips IPv6's headers before the transport's: RFC 8200, 4.
func (h ipHead) extensions(b []byte, n int) (ipHead, trouble) {
	next, at := b[6], 40
	for {
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination
			if len(b) < at+8 {
				return h, cut
			}
			next, at = b[at], at+8+8*int(b[at+1])
		case 44:
			if len(b) < at+8 {
				return h, cut
			}
			return h, fragmentOf(b[at])
		default:
			h.proto = next
			return h.rest(b, at, n)
		}
	}
}

func (h ipHead) rest(b []byte, at, n int) (ipHead, trouble) {
	if n < at {
		return h, notTCP
	}
	if len(b) < at {
		return h, cut
	}
	h.body, h.size = b[at:min(n, len(b))], n-at
	return h, fine
}

func fragmentOf(proto byte) trouble {
	if proto == protoTCP {
		return fragment
	}
	return notTCP
}

func (p *packet) tcp(ip ipHead) trouble {
	b := ip.body
	if len(b) < 20 {
		return cut
	}
	hl := int(b[12]>>4) * 4
	if hl < 20 || hl > ip.size {
		return notTCP
	}
	if hl > len(b) {
		return cut
	}
	p.src = netip.AddrPortFrom(ip.src, binary.BigEndian.Uint16(b))
	p.dst = netip.AddrPortFrom(ip.dst, binary.BigEndian.Uint16(b[2:]))
	p.seq, p.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.flags, p.win, p.urg = b[13], binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
	p.opts, p.badOpts = parseOpts(b[20:hl])
	p.size = ip.size - hl
	return fine
}

// icmpTCP reads an ICMP error that quotes a TCP segment.
func (p *packet) icmpTCP(ip ipHead) trouble {
	b := ip.body
	v6 := ip.proto == protoICMPv6
	if len(b) < 8 || v6 && b[0] >= 128 || !v6 && b[0] != 3 && b[0] != 4 && b[0] != 11 && b[0] != 12 {
		return notTCP
	}
	e := &icmpError{from: ip.src, typ: b[0], code: b[1], rest: binary.BigEndian.Uint32(b[4:]), v6: v6}
	q, t := parseIP(b[8:], len(b)-8)
	if t != fine || q.proto != protoTCP || len(q.body) < 8 {
		return notTCP
	}
	p.icmp = e
	p.src = netip.AddrPortFrom(q.src, binary.BigEndian.Uint16(q.body))
	p.dst = netip.AddrPortFrom(q.dst, binary.BigEndian.Uint16(q.body[2:]))
	p.seq = binary.BigEndian.Uint32(q.body[4:])
	if len(q.body) > 12 {
		p.size = max(0, q.size-int(q.body[12]>>4)*4)
	} else {
		p.size = max(0, q.size-20)
	}
	return fine
}

// parseOpts reads TCP options in their order. bad is true if they are
// malformed, or have one that scripts cannot name.
func parseOpts(b []byte) (out []opt, bad bool) {
	for len(b) > 0 {
		switch b[0] {
		case 0:
			out = append(out, opt{Name: "eol"})
			b = b[1:]
			continue
		case 1:
			out = append(out, opt{Name: "nop"})
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return out, true
		}
		o, ok := parseOpt(b[0], b[2:b[1]])
		if !ok {
			return out, true
		}
		out, b = append(out, o), b[b[1]:]
	}
	return out, false
}

// parseOpt reads the value of one option.
func parseOpt(kind byte, v []byte) (o opt, ok bool) {
	switch {
	case kind == 2 && len(v) == 2:
		return opt{Name: "mss", Value: int64(binary.BigEndian.Uint16(v))}, true
	case kind == 3 && len(v) == 1:
		return opt{Name: "wscale", Value: int64(v[0])}, true
	case kind == 4 && len(v) == 0:
		return opt{Name: "sackOK"}, true
	case kind == 5 && len(v) > 0 && len(v)%8 == 0:
		o.Name = "sack"
		for ; len(v) > 0; v = v[8:] {
			o.Blocks = append(o.Blocks, [2]uint32{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])})
		}
		return o, true
	case kind == 8 && len(v) == 8:
		return opt{Name: "TS", Value: int64(binary.BigEndian.Uint32(v)), Ecr: int64(binary.BigEndian.Uint32(v[4:]))}, true
	}
	return parseHexOpt(kind, v)
}

// parseHexOpt reads the options whose value scripts write as it is: signatures
// (RFC 2385) and Fast Open's cookies (RFC 7413, and its experiment).
func parseHexOpt(kind byte, v []byte) (o opt, ok bool) {
	switch {
	case kind == 19 && len(v) == 16:
		return opt{Name: "md5", Hex: hex.EncodeToString(v)}, true
	case kind == 34:
		return opt{Name: "FO", Hex: hex.EncodeToString(v)}, true
	case kind == 254 && len(v) >= 2 && v[0] == 0xf9 && v[1] == 0x89:
		return opt{Name: "FOEXP", Hex: hex.EncodeToString(v[2:])}, true
	}
	return o, false
}
