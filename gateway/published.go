package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sockapi"
	"fivetuple/trace"
)

// This file lets connections in: from a listener of the machine's, through a
// socket of netstack that connects to a program inside. pump_linux.go passes on
// what they carry, as it does for those that go out.

// published is a publication and its sockets.
type published struct {
	Publication
	posts  []flow
	opened uint64 // flows so far
}

// Config is what the gateway was made with.
func (g *Gateway) Config() Config { return g.cfg }

// Publish begins to listen for what comes to the machine. It may be called
// before the gateway runs; afterwards by the world's goroutine alone. The error
// names the address, and the remedy.
func (g *Gateway) Publish(p Publication) error {
	if i := slices.IndexFunc(g.published, func(o *published) bool { return o.overlaps(p) }); i >= 0 {
		return fmt.Errorf("%s is published already, as %s", p.Ends(p.Host), g.published[i])
	}
	pub := &published{Publication: p}
	for n := range uint16(p.Ports) {
		at := netip.AddrPortFrom(p.Host.Addr(), p.Host.Port()+n)
		if err := g.post(pub, at, netip.AddrPortFrom(p.Inside.Addr(), p.Inside.Port()+n)); err != nil {
			pub.close()
			return fmt.Errorf("%s: %w", at, listenError(at, err))
		}
	}
	g.published = append(g.published, pub)
	slices.SortFunc(g.published, func(a, b *published) int { return a.compare(b.Publication) })
	return nil
}

// post makes the socket of one port.
func (g *Gateway) post(pub *published, at, to netip.AddrPort) error {
	proto := map[string]uint8{"tcp": protoTCP, "udp": protoUDP}[pub.Proto]
	g.num++
	host, err := g.host.listen(proto, at, g.num)
	if err != nil {
		return err
	}
	b := base{g: g, host: host, num: g.num, dialed: to, local: at}
	var f flow = &tcpPost{base: b, pub: pub}
	if proto == protoUDP {
		f = &udpPost{base: b, pub: pub, peers: map[udpPeer]*udpIn{}}
	}
	g.byFD[int32(host)] = f
	pub.posts = append(pub.posts, f)
	return nil
}

// Unpublish ends the publication of the same protocol and ports of the machine,
// and reports whether there was one. The world's goroutine calls it. TCP
// connections that it has let in go on; flows of UDP end, as their socket does.
func (g *Gateway) Unpublish(p Publication) bool {
	i := slices.IndexFunc(g.published, func(o *published) bool { return o.SameHost(p) })
	if i < 0 {
		return false
	}
	g.published[i].close()
	g.published = slices.Delete(g.published, i, i+1)
	return true
}

// Published lists the publications, ordered by protocol and address.
func (g *Gateway) Published() (out []Published) {
	for _, p := range g.published {
		out = append(out, Published{p.Publication, p.opened})
	}
	return out
}

func (p *published) close() {
	for _, f := range p.posts {
		f.end()
	}
}

// listenError says what to do.
func listenError(at netip.AddrPort, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, sockapi.EADDRINUSE):
		remedy = "; another program has the port (ss -lntup says which): choose another one"
	case errors.Is(err, sockapi.EACCES):
		remedy = "; ports below net.ipv4.ip_unprivileged_port_start are for root: choose a higher one, or give fivetuple CAP_NET_BIND_SERVICE"
	case errors.Is(err, sockapi.EADDRNOTAVAIL):
		remedy = "; the machine does not have the address: choose one of `ip addr`'s"
	case errors.Is(err, sockapi.EMFILE):
		remedy = "; raise the limit (ulimit -n), or publish fewer ports"
	}
	return fmt.Errorf("%s%s", errnoName(err), remedy)
}

// tcpPost is a listener of the machine's. It is told of by epoll like a flow, but
// is none: it is not in Gateway.flows.
type tcpPost struct {
	base
	pub *published
}

// arrived, expires: it has no packets, and stays.
func (s *tcpPost) arrived(*held)          {}
func (s *tcpPost) expires() time.Duration { return sockapi.NoDeadline }
func (s *tcpPost) end()                   { s.leave() }

// maxAccepts is how many connections are accepted before it is others' turn.
const maxAccepts = 64

// step implements [step]: it accepts who has come.
func (s *tcpPost) step() {
	for range maxAccepts {
		if s.ended {
			return
		}
		s.g.num++
		fd, peer, err := s.g.host.accept(s.host, s.g.num)
		switch err {
		case nil:
			s.admit(fd, peer)
		case sockapi.EAGAIN, sockapi.ENOBUFS, sockapi.ENOMEM:
			return
		case sockapi.EMFILE, sockapi.ENFILE:
			s.g.starve(err)
			if !s.g.host.shed(s.host) {
				return
			}
			s.g.counts.Refused++
		default: // of one connection, which is gone: accept(2)
		}
	}
	s.g.queue(s)
}

// admit begins the flow of a connection.
func (s *tcpPost) admit(fd int, peer netip.AddrPort) {
	g := s.g
	if len(g.flows) >= g.cfg.MaxFlows {
		g.overflow()
		g.host.reset(fd)
		g.host.close(fd)
		return
	}
	f := &tcpFlow{base: base{g: g, inbound: true, host: fd, num: g.num, dialed: peer, local: g.host.name(fd), last: g.p.Now()}, state: entering, fd: -1}
	g.byFD[int32(fd)] = f
	s.pub.opened++
	if err := f.dialInside(s.dialed); err != nil {
		f.key.client = s.dialed
		f.notEntered(err)
		return
	}
	g.flows[f.key] = f
}

// dialInside starts to connect the inside socket.
func (f *tcpFlow) dialInside(to netip.AddrPort) (err error) {
	g, p := f.g, f.g.p
	if f.fd, err = p.Socket(family(to.Addr()), sockapi.SOCK_STREAM|sockapi.SOCK_NONBLOCK, 0); err != nil {
		f.fd = -1
		return err
	}
	if f.watch, err = p.Watch(f.fd, func() { g.queue(f) }); err != nil {
		_ = p.Close(f.fd) // the first error is the one to report
		f.fd = -1
		return err
	}
	if err = p.Setsockopt(f.fd, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err = p.Connect(f.fd, to); err != nil && !errors.Is(err, sockapi.EINPROGRESS) {
		return err
	}
	from, err := p.Getsockname(f.fd)
	f.key = key{protoTCP, to, from}
	return err
}

// enter goes on when the inside socket is connected, or could not be.
func (f *tcpFlow) enter() {
	g := f.g
	if f.events&(pollErr|pollHup) != 0 {
		g.mark("inside: tcp connect %s: given up by %s", f.key.client, f.dialed)
		f.abortInside()
		return
	}
	if f.watch.State() == trace.SynSent || !f.watch.Writable() {
		return
	}
	if v, err := g.p.Getsockopt(f.fd, sockapi.SOL_SOCKET, sockapi.SO_ERROR); err != nil {
		f.notEntered(err)
		return
	} else if v != 0 {
		f.notEntered(sockapi.Errno(v.(int)))
		return
	}
	// Set before, it would start with the first segment after the handshake.
	_ = g.p.Setsockopt(f.fd, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1)
	f.state = open
	g.counts.TCP++
	g.counts.Published++
	g.mark("inside: tcp %s -> %s, for %s -> %s", f.key.target, f.key.client, f.dialed, f.local)
	f.pump()
}

// notEntered resets the outside connection: the inside has refused it.
func (f *tcpFlow) notEntered(err error) {
	f.g.mark("inside: tcp connect %s: %s, for %s", f.key.client, errnoName(err), f.dialed)
	f.g.counts.Refused++
	f.abortOutside()
}
