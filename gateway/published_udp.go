package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sockapi"
)

// udpPost is a UDP socket of the machine's that datagrams come in through. It is
// told of by epoll like a flow, but is none: each of its peers has one.
type udpPost struct {
	base
	pub   *published
	peers map[udpPeer]*udpIn
}

// udpPeer is who has sent a datagram, and the address that it was for: a socket
// may be bound to all addresses.
type udpPeer struct{ from, to netip.AddrPort }

func (s *udpPost) arrived(*held)          {}
func (s *udpPost) expires() time.Duration { return sockapi.NoDeadline }

// end implements [flow]. Without the socket its flows have no way out: they end in
// their next step.
func (s *udpPost) end() {
	left := make([]*udpIn, 0, len(s.peers))
	for _, f := range s.peers {
		left = append(left, f)
	}
	slices.SortFunc(left, func(a, b *udpIn) int { return int(a.num - b.num) })
	s.leave()
	for _, f := range left {
		s.g.queue(f)
	}
}

// step implements [step]: datagrams have come from the outside.
func (s *udpPost) step() {
	g := s.g
	for range maxDatagrams {
		if s.ended {
			return
		}
		n, from, to, err := g.host.receive(s.host, s.local, g.bytes)
		if err == sockapi.EAGAIN {
			return
		}
		if err != nil {
			continue // about one that was sent; the peer may send on
		}
		peer := udpPeer{from, to}
		f := s.peers[peer]
		if f == nil {
			if f = s.begin(peer); f == nil {
				continue
			}
		}
		f.fromHost(g.bytes[:n])
	}
	g.queue(s)
}

// begin makes the flow of a new peer; nil: there is none.
func (s *udpPost) begin(peer udpPeer) *udpIn {
	g := s.g
	if len(g.flows) >= g.cfg.MaxFlows {
		g.overflow()
		return nil
	}
	g.num++
	f := &udpIn{base: base{g: g, inbound: true, host: -1, num: g.num, dialed: peer.from, local: peer.to, last: g.p.Now()}, post: s, fd: -1}
	if err := f.dialInside(s.dialed); err != nil {
		g.mark("inside: udp connect %s: %s, for %s", s.dialed, errnoName(err), peer.from)
		g.counts.Refused++
		return nil
	}
	g.flows[f.key], s.peers[peer] = f, f
	s.pub.opened++
	g.counts.UDP++
	g.counts.Published++
	g.mark("inside: udp %s -> %s, for %s -> %s", f.key.target, f.key.client, peer.from, peer.to)
	g.time(f)
	return f
}

// udpIn is a five-tuple that datagrams have come from, on the outside.
type udpIn struct {
	base
	post  *udpPost
	fd    int // the inside socket
	watch *sockapi.Watch
}

// dialInside makes the inside socket: its peer is the program.
func (f *udpIn) dialInside(to netip.AddrPort) error {
	g, p := f.g, f.g.p
	fd, err := p.Socket(family(to.Addr()), sockapi.SOCK_DGRAM|sockapi.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err = p.Connect(fd, to); err == nil {
		var from netip.AddrPort
		from, err = p.Getsockname(fd)
		f.key = key{protoUDP, to, from}
	}
	if err == nil {
		f.watch, err = p.Watch(fd, func() { g.queue(f) })
	}
	if err != nil {
		_ = p.Close(fd) // the first error is the one to report
		return err
	}
	f.fd = fd
	return nil
}

// arrived: its packets are for the stack's own address, which diverts none.
func (f *udpIn) arrived(*held) {}

// expires implements [flow].
func (f *udpIn) expires() time.Duration {
	if f.key.client.Port() == dnsPort {
		return f.last + dnsIdle
	}
	return f.last + udpIdle
}

// fromHost passes a datagram on to the inside.
func (f *udpIn) fromHost(b []byte) {
	p := f.g.p
	f.last = p.Now()
	_, err := p.Send(f.fd, b, 0)
	if errors.Is(err, sockapi.ECONNREFUSED) {
		f.g.counts.Refused++
		_, err = p.Send(f.fd, b, 0) // the error was about an earlier one
	}
	if err != nil {
		f.g.counts.Lost++
		return
	}
	f.received += uint64(len(b))
}

// step implements [step]: the inside has answered.
func (f *udpIn) step() {
	g := f.g
	if f.post.ended {
		f.end()
	}
	for range maxDatagrams {
		if f.ended || !f.watch.Readable() {
			return
		}
		n, err := g.p.RecvInto(f.fd, g.bytes, 0)
		if errors.Is(err, sockapi.EAGAIN) {
			return
		}
		if err != nil {
			g.counts.Refused++ // nobody listens inside; the outside may send on
			continue
		}
		f.last = g.p.Now()
		if err := g.host.send(f.post.host, f.post.local, g.bytes[:n], f.local, f.dialed); err != nil {
			g.counts.Lost++ // as datagrams are
			continue
		}
		f.sent += uint64(n)
	}
	g.queue(f)
}

// end implements [flow].
func (f *udpIn) end() {
	if f.ended {
		return
	}
	f.watch.Stop()
	_ = f.g.p.Close(f.fd) // there is nobody to tell
	delete(f.post.peers, udpPeer{f.dialed, f.local})
	f.leave()
}
