package stack

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// segment is a TCP packet that may be merged with others: what of its headers
// has to be the same, and what differs.
type segment struct {
	bytes   [header.EthernetMinimumSize + header.IPv6MinimumSize + header.TCPHeaderMaximumSize]byte
	end     int // of the headers, in bytes
	link    int // length of the Ethernet header; 0: there is none
	ip      int // length of the IP header
	seq     uint32
	payload int
}

func (s *segment) head() []byte { return s.bytes[:s.end] }

// parse looks for TCP data without IPv4 options, IPv6 extension headers or
// fragmentation, behind link bytes of another header.
func (s *segment) parse(p Packet, link int) bool {
	b := network(p.peek(s.bytes[:]), link)
	if len(b) < header.IPv4MinimumSize {
		return false
	}
	s.link = link
	total := 0
	switch {
	case b[0] == 0x45 && header.IPv4(b).Protocol() == uint8(header.TCPProtocolNumber) &&
		!header.IPv4(b).More() && header.IPv4(b).FragmentOffset() == 0:
		s.ip, total = header.IPv4MinimumSize, int(header.IPv4(b).TotalLength())
	case b[0]>>4 == 6 && len(b) >= header.IPv6MinimumSize && header.IPv6(b).NextHeader() == uint8(header.TCPProtocolNumber):
		s.ip, total = header.IPv6MinimumSize, header.IPv6MinimumSize+int(header.IPv6(b).PayloadLength())
	default:
		return false
	}
	if link+total != p.Len() || len(b) < s.ip+header.TCPMinimumSize {
		return false
	}
	t := header.TCP(b[s.ip:])
	end := s.ip + int(t.DataOffset())
	if int(t.DataOffset()) < header.TCPMinimumSize || end > len(b) {
		return false
	}
	s.seq, s.payload, s.end = t.SequenceNumber(), total-end, link+end
	return true
}

// mergeable are the TCP flags that a segment may have to be merged.
const mergeable = header.TCPFlagAck | header.TCPFlagPsh

// follows reports whether o is what comes after s in the same connection, with
// headers that are the same but for what a merge writes anew.
func (s *segment) follows(o *segment) bool {
	a, b := s.head(), o.head()
	if len(a) != len(b) || s.ip != o.ip || string(a[:s.link]) != string(b[:s.link]) {
		return false
	}
	a, b = a[s.link:], b[s.link:]
	if s.seq+uint32(s.payload) != o.seq || o.payload == 0 || len(a)+s.payload+o.payload > maxSuper {
		return false
	}
	ta, tb := a[s.ip:], b[s.ip:]
	const fa, seq, flags, sum = 0, 4, header.TCPFlagsOffset, header.TCPChecksumOffset
	if s.payload == 0 { // an acknowledgment that the data behind it repeats, with a newer window
		copy(ta[flags+1:sum], tb[flags+1:sum])
	}
	// PSH in the middle is lost: it asks for haste, and the whole arrives at once.
	if header.TCPFlags(ta[flags])&^mergeable != 0 || header.TCPFlags(tb[flags])&^mergeable != 0 {
		return false
	}
	if string(ta[fa:seq]) != string(tb[fa:seq]) || string(ta[seq+4:flags]) != string(tb[seq+4:flags]) ||
		string(ta[flags+1:sum]) != string(tb[flags+1:sum]) || string(ta[sum+2:]) != string(tb[sum+2:]) {
		return false
	}
	if s.ip == header.IPv6MinimumSize {
		return string(a[:4]) == string(b[:4]) && string(a[6:s.ip]) == string(b[6:s.ip])
	}
	return a[1] == b[1] && string(a[6:10]) == string(b[6:10]) && string(a[12:s.ip]) == string(b[12:s.ip])
}

// Merger makes super-packets of the TCP segments of one instant, as a network
// card's receive offload and a sender's large segments do. An acknowledgment
// without data becomes a part of the data that is sent behind it. The zero value
// is ready, for IP packets.
type Merger struct {
	// Ethernet: packets are Ethernet frames.
	Ethernet bool

	run  []Packet // what becomes one packet
	last segment  // of run, as if it were merged
	next segment  // of the packet being looked at
	mss  int      // the largest payload of run's segments, when they are divided
}

// Merge replaces runs of packets that continue each other by super-packets, in
// place, and returns the shorter list. The order of the packets stays.
func (m *Merger) Merge(ps []Packet) []Packet {
	out := ps[:0]
	for _, p := range ps {
		s := &m.next
		ok := p.off.trusted() && s.parse(p, linkLen(m.Ethernet))
		if ok && len(m.run) > 0 && m.last.follows(s) && m.fits(p, s) {
			if m.last.payload == 0 {
				m.run[0].Release()
				m.run[0], m.mss = p, segmentSize(p, s)
			} else {
				m.run = append(m.run, p)
			}
			m.last.payload += s.payload
			flags := s.link + s.ip + header.TCPFlagsOffset
			m.last.bytes[flags] = s.bytes[flags]
			continue
		}
		out = m.flush(out)
		if !ok {
			out = append(out, p)
			continue
		}
		m.run, m.last, m.mss = append(m.run, p), *s, segmentSize(p, s)
	}
	return m.flush(out)
}

// segmentSize is the payload of the segments that a packet stands for.
func segmentSize(p Packet, s *segment) int {
	if p.off.SegmentSize != 0 {
		return int(p.off.SegmentSize)
	}
	return s.payload
}

// fits reports whether a packet may join the run: the segments of the whole
// are cut anew, to the size of the first's.
func (m *Merger) fits(p Packet, s *segment) bool {
	return (m.last.payload == 0 || segmentSize(p, s) <= m.mss) && p.off.NeedsChecksum == m.run[0].off.NeedsChecksum
}

// flush appends what the run has become.
func (m *Merger) flush(out []Packet) []Packet {
	out = appendRun(out, m.run, m.join)
	m.run = m.run[:0]
	return out
}

// appendRun appends a run of packets: one as it is, more as the one that join
// makes of them.
func appendRun(out, run []Packet, join func() Packet) []Packet {
	switch len(run) {
	case 0:
		return out
	case 1:
		return append(out, run[0])
	}
	return append(out, join())
}

// join makes one packet of the run. Its payload is not copied.
func (m *Merger) join() Packet {
	head := buffer.NewViewWithData(m.last.head())
	var payload buffer.Buffer
	for _, p := range m.run {
		data := p.pb.ToBuffer()
		data.TrimFront(int64(m.last.end))
		payload.Merge(&data)
	}
	link, ip := m.last.link, m.last.ip
	h := head.AsSlice()[link:]
	total := len(h) + m.last.payload
	var pseudo uint16
	if ip == header.IPv4MinimumSize {
		v4 := header.IPv4(h)
		v4.SetTotalLength(uint16(total))
		v4.SetChecksum(0)
		v4.SetChecksum(^v4.CalculateChecksum())
		pseudo = header.PseudoHeaderChecksum(header.TCPProtocolNumber, v4.SourceAddress(), v4.DestinationAddress(), uint16(total-ip))
	} else {
		v6 := header.IPv6(h)
		v6.SetPayloadLength(uint16(total - ip))
		pseudo = header.PseudoHeaderChecksum(header.TCPProtocolNumber, v6.SourceAddress(), v6.DestinationAddress(), uint16(total-ip))
	}
	binary.BigEndian.PutUint16(h[ip+header.TCPChecksumOffset:], pseudo)
	off := Offload{NeedsChecksum: true, ChecksumStart: uint16(link + ip), ChecksumOffset: header.TCPChecksumOffset,
		Segments: SegmentTCPv4, SegmentSize: uint16(m.mss), HeaderLen: uint16(m.last.end)}
	if ip != header.IPv4MinimumSize {
		off.Segments = SegmentTCPv6
	}
	// A buffer of its own: Append would copy the payload behind the header.
	b := buffer.MakeWithView(head)
	b.Merge(&payload)
	for _, p := range m.run {
		p.Release()
	}
	return Packet{pb: stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: b}), off: off}
}
