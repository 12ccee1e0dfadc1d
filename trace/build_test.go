package trace_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

var be = binary.BigEndian

// segment is a TCP segment to build.
type segment struct {
	src, dst string // "10.0.0.1:49152"
	seq, ack uint32
	flags    byte // as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16
	win      uint16
	opts     []byte // a multiple of four bytes
	payload  string
}

const fin, syn, rst, psh, ack = 1, 2, 4, 8, 16

// tcp builds the segment with its IP header. Checksums are left 0: nothing in
// this package reads them.
func tcp(s segment) []byte {
	b := make([]byte, 20, 64)
	src, dst := netip.MustParseAddrPort(s.src), netip.MustParseAddrPort(s.dst)
	be.PutUint16(b, src.Port())
	be.PutUint16(b[2:], dst.Port())
	be.PutUint32(b[4:], s.seq)
	be.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(20+len(s.opts))/4<<4, s.flags
	be.PutUint16(b[14:], s.win)
	b = append(append(b, s.opts...), s.payload...)
	return ip(src.Addr(), dst.Addr(), 6, b)
}

func udp(src, dst, payload string) []byte {
	b := make([]byte, 8)
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	be.PutUint16(b, from.Port())
	be.PutUint16(b[2:], to.Port())
	be.PutUint16(b[4:], uint16(8+len(payload)))
	return ip(from.Addr(), to.Addr(), 17, append(b, payload...))
}

func ip(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if src.Is4() {
		b := make([]byte, 12, 20+len(payload))
		b[0], b[8], b[9] = 0x45, 64, proto
		be.PutUint16(b[2:], uint16(20+len(payload)))
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, payload...)
	}
	b := make([]byte, 8, 40+len(payload))
	b[0], b[6], b[7] = 0x60, proto, 64
	be.PutUint16(b[4:], uint16(len(payload)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, payload...)
}

// icmp builds an ICMP or ICMPv6 message, by the family of src.
func icmp(src, dst string, kind, code byte, rest ...byte) []byte {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	proto := byte(1)
	if from.Is6() {
		proto = 58
	}
	return ip(from, to, proto, append([]byte{kind, code, 0, 0}, rest...))
}

func ethernet(etherType uint16, payload []byte) []byte {
	return append(be.AppendUint16(make([]byte, 12), etherType), payload...)
}

// arp builds an ARP message about 10.0.0.1 (02:00:00:00:00:01) and 10.0.0.2.
func arp(op uint16) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 0, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2}
	be.PutUint16(b[6:], op)
	return b
}

// with changes one byte.
func with(b []byte, at int, v byte) []byte {
	b[at] = v
	return b
}

// extended puts IPv6 extension headers of 8 bytes before what a packet carries.
func extended(b []byte, headers ...byte) []byte {
	for i := len(headers) - 1; i >= 0; i-- {
		b = slices.Insert(b, 40, b[6], 0, 0, 0, 0, 0, 0, 0)
		b[6] = headers[i]
		be.PutUint16(b[4:], uint16(len(b)-40))
	}
	return b
}
