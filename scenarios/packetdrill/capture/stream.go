package capture

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// File is what is in a capture.
type File struct {
	// Streams are its TCP connections, by number.
	Streams []*Stream
	// Frames counts its packets, of any protocol.
	Frames int
	// Cut counts packets that the capture has cut before the end of their TCP
	// header, Fragments pieces of IP packets with TCP in them. Neither is in a
	// stream.
	Cut, Fragments int
	// Unread counts packets of link types that cannot be read.
	Unread map[string]int
}

// Stream is a TCP connection of a capture.
type Stream struct {
	// Num is its number, from 0, as Wireshark's tcp.stream counts.
	Num            int
	Client, Server netip.AddrPort
	// Start is when its first packet was seen, Duration until its last.
	Start    time.Time
	Duration time.Duration
	// ToServer and ToClient are the bytes of data in each direction, those sent
	// again too.
	ToServer, ToClient int64
	packets            []*packet
	file               *File
	first              [2]*packet // the first SYN of client, server
	doubles            int        // copies of one packet that the capture has more than once
}

// ends names a connection's packets of one direction.
type ends struct{ src, dst netip.AddrPort }

func (e ends) reverse() ends { return ends{e.dst, e.src} }

// Packets is how many there are, without those that the capture has twice.
func (s *Stream) Packets() int { return len(s.packets) }

// Read reads a capture: pcap with microseconds or nanoseconds, or pcapng. Its
// errors name the packet, or the byte of the header.
func Read(r io.Reader) (*File, error) {
	f := &File{Unread: make(map[string]int)}
	streams := make(map[ends]*Stream)
	var start time.Time
	err := readFrames(r, func(fr *frame) error {
		if f.Frames++; f.Frames == 1 {
			start = fr.at
		}
		b, ok, known := fr.network()
		switch {
		case !known:
			f.Unread[linkName(fr.link)]++
			return nil
		case !ok:
			return nil
		}
		p, t := parse(fr, b)
		switch t {
		case fine:
			p.at = fr.at.Sub(start)
			f.add(streams, p)
		case fragment:
			f.Fragments++
		case cut:
			f.Cut++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range f.Streams {
		s.finish()
	}
	return f, nil
}

func linkName(t layers.LinkType) string {
	if name := t.String(); name != "" {
		return name
	}
	return fmt.Sprintf("%d", t)
}

// add puts a packet into its stream. A SYN with another sequence number than
// that of the connection between the same ends begins a new one, as in Wireshark.
func (f *File) add(streams map[ends]*Stream, p *packet) {
	key := ends{p.src, p.dst}
	s := streams[key]
	if p.icmp != nil {
		if s != nil {
			s.packets = append(s.packets, p)
		}
		return
	}
	if s != nil && p.flags&(flagSYN|flagACK) == flagSYN && s.reused(p) {
		s = nil
	}
	if s == nil {
		s = &Stream{Num: len(f.Streams), Start: p.frame.at, Client: p.src, Server: p.dst, file: f}
		if p.has(flagSYN|flagACK) || !p.has(flagSYN) && p.src.Port() < p.dst.Port() {
			s.Client, s.Server = p.dst, p.src
		}
		f.Streams = append(f.Streams, s)
		streams[key], streams[key.reverse()] = s, s
	}
	if s.double(p) {
		s.doubles++
		return
	}
	if p.has(flagSYN) && s.first[s.role(p)] == nil {
		s.first[s.role(p)] = p
	}
	s.packets = append(s.packets, p)
}

// reused reports whether a SYN is that of a later connection.
func (s *Stream) reused(p *packet) bool {
	for _, q := range s.packets {
		if q.icmp == nil && q.src == p.src {
			return !q.has(flagSYN) || q.seq != p.seq
		}
	}
	return s.first[1-s.role(p)] == nil // so far, only the other side was seen
}

// role is 0 for the client's packets, 1 for the server's.
func (s *Stream) role(p *packet) int {
	if p.src == s.Client {
		return 0
	}
	return 1
}

// doubleWithin is how long after a packet its copy may come, and doubleAmong how
// many others of the connection may come between them.
const (
	doubleWithin = 10 * time.Millisecond
	doubleAmong  = 256
)

// double reports whether a packet was captured before, at another place: on
// another interface, in the other direction, or behind a router. What is the
// same in all of this has come twice.
func (s *Stream) double(p *packet) bool {
	for _, q := range slices.Backward(s.packets[max(0, len(s.packets)-doubleAmong):]) {
		if p.at-q.at > doubleWithin {
			return false
		}
		elsewhere := p.iface != q.iface || p.dir != q.dir || p.ttl != q.ttl
		if q.icmp == nil && elsewhere && p.src == q.src && p.seq == q.seq && p.ack == q.ack && p.flags == q.flags &&
			p.win == q.win && p.size == q.size && p.ipID == q.ipID && sameOpts(p, q) {
			return true
		}
	}
	return false
}

func sameOpts(p, q *packet) bool {
	return slices.EqualFunc(p.opts, q.opts, func(a, b opt) bool { return a.String() == b.String() })
}

func (s *Stream) finish() {
	for _, p := range s.packets {
		s.Duration = max(s.Duration, p.frame.at.Sub(s.Start))
		switch {
		case p.icmp != nil:
		case s.role(p) == 0:
			s.ToServer += int64(p.size)
		default:
			s.ToClient += int64(p.size)
		}
	}
}

// Handshake says how the connection opened: complete, incomplete (no answer,
// or no ACK of it), refused, or missing: its SYN is not in the capture.
func (s *Stream) Handshake() string {
	syn, synACK := s.first[0], s.first[1]
	switch {
	case syn == nil:
		return "missing"
	case synACK == nil && s.any(func(p *packet) bool { return p.has(flagRST) && s.role(p) == 1 }):
		return "refused"
	case synACK == nil:
		return "incomplete"
	}
	if s.any(func(p *packet) bool {
		return p.has(flagACK) && !p.has(flagRST) && s.role(p) == 0 && p.ack-synACK.seq-1 < 1<<31
	}) {
		return "complete"
	}
	return "incomplete"
}

// End says how the connection ended: closed by both sides, half-closed by one,
// reset, or open.
func (s *Stream) End() string {
	names := [2]string{"client", "server"}
	fin := [2]bool{}
	first := -1
	for _, p := range s.packets {
		switch {
		case p.has(flagRST) && s.Handshake() != "refused":
			return "reset by " + names[s.role(p)]
		case p.has(flagFIN):
			if first < 0 {
				first = s.role(p)
			}
			fin[s.role(p)] = true
		}
	}
	switch {
	case fin[0] && fin[1]:
		return "closed, " + names[first] + " first"
	case first >= 0:
		return "half-closed by " + names[first]
	case s.Handshake() == "refused":
		return "never open"
	}
	return "open"
}

func (s *Stream) any(f func(*packet) bool) bool {
	return slices.ContainsFunc(s.packets, func(p *packet) bool { return p.icmp == nil && f(p) })
}
