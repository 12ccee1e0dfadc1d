package stack

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// This file merges UDP datagrams into super-packets (UDP segmentation offload,
// udp(7) UDP_SEGMENT) and divides such. Unlike segments of TCP, datagrams keep
// their borders: all of a super-packet have one size, but for the last.

// maxDatagrams is how many a super-packet may have: UDP_MAX_SEGMENTS of Linux
// before 6.10; it has grown since.
const maxDatagrams = 64

// datagram is a UDP packet that may be merged with others.
type datagram struct {
	bytes   [header.EthernetMinimumSize + header.IPv4MaximumHeaderSize + header.UDPMinimumSize]byte
	link    int // length of the Ethernet header; 0: there is none
	ip, end int // length of the IP header, and of all headers
	payload int
}

// parse looks for a whole datagram with a checksum (RFC 768 has none as 0), without
// IPv6 extension headers, behind link bytes of another header.
func (d *datagram) parse(p Packet, link int) bool {
	b := network(p.peek(d.bytes[:]), link)
	total := 0
	switch {
	case len(b) >= header.IPv4MinimumSize+header.UDPMinimumSize && b[0] >= 0x45 && b[0]>>4 == 4 &&
		len(b) >= int(header.IPv4(b).HeaderLength())+header.UDPMinimumSize && header.IPv4(b).Protocol() == uint8(header.UDPProtocolNumber) &&
		!header.IPv4(b).More() && header.IPv4(b).FragmentOffset() == 0:
		d.ip, total = int(header.IPv4(b).HeaderLength()), int(header.IPv4(b).TotalLength())
	case len(b) >= header.IPv6MinimumSize+header.UDPMinimumSize && b[0]>>4 == 6 && header.IPv6(b).NextHeader() == uint8(header.UDPProtocolNumber):
		d.ip, total = header.IPv6MinimumSize, header.IPv6MinimumSize+int(header.IPv6(b).PayloadLength())
	default:
		return false
	}
	u := header.UDP(b[d.ip:])
	d.link, d.end = link, link+d.ip+header.UDPMinimumSize
	d.payload = link + total - d.end
	return link+total == p.Len() && int(u.Length()) == total-d.ip && (u.Checksum() != 0 || p.off.NeedsChecksum)
}

// sameFlow reports whether o has the same headers, but for lengths, checksums and
// identification.
func (d *datagram) sameFlow(o *datagram) bool {
	if d.ip != o.ip || string(d.bytes[:d.link]) != string(o.bytes[:d.link]) {
		return false
	}
	a, b := d.headers(), o.headers()
	if a[0] != b[0] {
		return false
	}
	if string(a[d.ip:d.ip+4]) != string(b[d.ip:d.ip+4]) {
		return false
	}
	if !d.v4() {
		return string(a[:4]) == string(b[:4]) && string(a[6:d.ip]) == string(b[6:d.ip])
	}
	return a[1] == b[1] && string(a[6:10]) == string(b[6:10]) && string(a[12:d.ip]) == string(b[12:d.ip])
}

// headers are those of IP and UDP.
func (d *datagram) headers() []byte { return d.bytes[d.link:d.end] }

// v4 reports whether the headers are IPv4's, perhaps with options.
func (d *datagram) v4() bool { return d.bytes[d.link]>>4 == 4 }

// setLength makes the headers those of a datagram with n bytes of payload, whose
// checksum is open.
func (d *datagram) setLength(n int) {
	b := d.headers()
	length := uint16(header.UDPMinimumSize + n)
	var pseudo uint16
	if d.v4() {
		h := header.IPv4(b)
		h.SetTotalLength(uint16(d.ip) + length)
		h.SetChecksum(0)
		h.SetChecksum(^h.CalculateChecksum())
		pseudo = header.PseudoHeaderChecksum(header.UDPProtocolNumber, h.SourceAddress(), h.DestinationAddress(), length)
	} else {
		h := header.IPv6(b)
		h.SetPayloadLength(length)
		pseudo = header.PseudoHeaderChecksum(header.UDPProtocolNumber, h.SourceAddress(), h.DestinationAddress(), length)
	}
	header.UDP(b[d.ip:]).SetLength(length)
	binary.BigEndian.PutUint16(b[d.ip+udpChecksum:], pseudo)
}

// udpChecksum is where a UDP header has its checksum (RFC 768).
const udpChecksum = 6

// offload is what is left to do to a datagram after setLength.
func (d *datagram) offload() Offload {
	return Offload{NeedsChecksum: true, ChecksumStart: uint16(d.link + d.ip), ChecksumOffset: udpChecksum}
}

// packet makes a packet of the headers and the payload, which it takes.
func (d *datagram) packet(payload *buffer.Buffer, o Offload) Packet {
	b := buffer.MakeWithView(buffer.NewViewWithData(d.bytes[:d.end]))
	b.Merge(payload)
	return Packet{pb: stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: b}), off: o}
}

// DatagramMerger makes super-packets of the UDP datagrams that leave at one
// instant. The zero value is ready, for IP packets.
type DatagramMerger struct {
	// Ethernet: packets are Ethernet frames.
	Ethernet bool

	run         []Packet
	first, next datagram
	size        int // payload of each but the last, in bytes
	total       int // of all payloads
	full        bool
}

// Merge replaces runs of datagrams of one flow by super-packets, in place, and
// returns the shorter list. The order of the packets stays.
func (m *DatagramMerger) Merge(ps []Packet) []Packet {
	out := ps[:0]
	for _, p := range ps {
		d := &m.next
		ok := p.off.trusted() && p.off.Segments == SegmentNone && d.parse(p, linkLen(m.Ethernet))
		if ok && len(m.run) > 0 && m.fits(d) {
			m.run, m.total, m.full = append(m.run, p), m.total+d.payload, d.payload < m.size
			continue
		}
		out = m.flush(out)
		if !ok {
			out = append(out, p)
			continue
		}
		m.run, m.first, m.size, m.total, m.full = append(m.run, p), *d, d.payload, d.payload, d.payload == 0
	}
	return m.flush(out)
}

// fits reports whether a datagram may join the run: one that is shorter is its
// last.
func (m *DatagramMerger) fits(d *datagram) bool {
	return !m.full && d.payload > 0 && d.payload <= m.size && len(m.run) < maxDatagrams &&
		m.first.end-m.first.link+m.total+d.payload <= maxSuper && m.first.sameFlow(d)
}

func (m *DatagramMerger) flush(out []Packet) []Packet {
	out = appendRun(out, m.run, m.join)
	m.run = m.run[:0]
	return out
}

// join makes one packet of the run. Its payload is not copied.
func (m *DatagramMerger) join() Packet {
	var payload buffer.Buffer
	for _, p := range m.run {
		data := p.pb.ToBuffer()
		data.TrimFront(int64(m.first.end))
		payload.Merge(&data)
	}
	m.first.setLength(m.total)
	o := m.first.offload()
	o.Segments, o.SegmentSize, o.HeaderLen = SegmentUDP, uint16(m.size), uint16(m.first.end)
	whole := m.first.packet(&payload, o)
	for _, p := range m.run {
		p.Release()
	}
	return whole
}

// DivideDatagrams replaces super-packets of UDP by their datagrams, which
// netstack would take for one: udp(7), UDP_SEGMENT. It uses up ps, and returns a
// list of its own if there are any. Packets begin with an IP header, or with an
// Ethernet header before that.
func DivideDatagrams(ps []Packet, ethernet bool) []Packet {
	var out []Packet
	for n, p := range ps {
		if p.off.Segments != SegmentUDP {
			if out != nil {
				out = append(out, p)
			}
			continue
		}
		if out == nil {
			out = append(make([]Packet, 0, len(ps)+maxDatagrams), ps[:n]...)
		}
		out = p.divide(out, linkLen(ethernet))
	}
	if out == nil {
		return ps
	}
	return out
}

// divide appends the datagrams of a super-packet, and uses it up. What is none
// stays as it is, for netstack to judge.
func (p Packet) divide(out []Packet, link int) []Packet {
	var d datagram
	size := int(p.off.SegmentSize)
	if !d.parse(p, link) || size == 0 || d.payload == 0 || !p.off.NeedsChecksum {
		p.off.Segments = SegmentNone
		return append(out, p)
	}
	data := p.pb.ToBuffer()
	data.TrimFront(int64(d.end))
	for id := uint16(0); d.payload > 0; id++ {
		n := min(size, d.payload)
		piece := data.Clone()
		piece.Truncate(int64(n))
		data.TrimFront(int64(n))
		d.payload -= n
		one := d
		if d.v4() { // as Linux numbers them
			header.IPv4(one.headers()).SetID(header.IPv4(d.headers()).ID() + id)
		}
		one.setLength(n)
		out = append(out, one.packet(&piece, one.offload()))
	}
	data.Release()
	p.Release()
	return out
}
