package gateway

import (
	"errors"
	"time"

	"fivetuple/sockapi"
	"fivetuple/stack"
)

// How long a UDP flow lives without a datagram in either direction. RFC 4787,
// REQ-5, asks for two minutes at least, and allows less for well-known ports:
// a query for a name has its answer soon, or never.
const (
	udpIdle = 180 * time.Second
	dnsIdle = 30 * time.Second
	dnsPort = 53
)

// maxWaiting is how many datagrams wait until their flow has its sockets.
const maxWaiting = 16

// maxDatagrams is how many datagrams a flow passes on before it is others' turn.
const maxDatagrams = 64

// udpFlow is a five-tuple that datagrams have come from.
type udpFlow struct {
	base
	fd      int // the inside socket; -1: none yet
	watch   *sockapi.Watch
	waiting int // datagrams that wait for the sockets
	size    int // of the last datagram to the outside
}

// expires implements [flow].
func (f *udpFlow) expires() time.Duration {
	if f.key.target.Port() == dnsPort {
		return f.last + dnsIdle
	}
	return f.last + udpIdle
}

// arrived implements [flow]: the first datagram makes the sockets.
func (f *udpFlow) arrived(h *held) {
	if !f.ended && f.fd < 0 {
		f.start(h.pkt)
	}
	if f.ended {
		h.pkt.Release()
		return
	}
	f.iface.Readmit(h.pkt)
}

func (f *udpFlow) start(pkt stack.Packet) {
	g := f.g
	if err := f.open(f); err != nil {
		g.mark("outside: udp connect %s: %s, for %s", f.dialed, errnoName(err), f.key.client)
		f.refuse(pkt.Bytes(), err)
		f.end()
		return
	}
	f.local = g.host.name(f.host)
	if err := f.inside(); err != nil {
		g.warn("gateway: " + err.Error() + ": a socket of the lab has the port")
		f.refuse(pkt.Bytes(), sockapi.ECONNREFUSED)
		f.end()
		return
	}
	g.counts.UDP++
	g.mark("outside: udp %s -> %s, for %s -> %s", f.local, f.dialed, f.key.client, f.key.target)
	g.time(f)
}

// inside makes the inside socket: it has the target's address, and the client
// is its peer.
func (f *udpFlow) inside() error {
	p, g := f.g.p, f.g
	fd, err := p.Socket(family(f.key.target.Addr()), sockapi.SOCK_DGRAM|sockapi.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err = p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1); err == nil {
		err = p.Bind(fd, f.key.target)
	}
	if err == nil {
		err = p.Connect(fd, f.key.client)
	}
	if err == nil {
		f.watch, err = p.Watch(fd, func() { g.queue(f) })
	}
	if err != nil {
		_ = p.Close(fd)
		return err
	}
	f.fd = fd
	return nil
}

// step implements [step].
func (f *udpFlow) step() {
	if f.ended {
		return
	}
	if f.events&pollErr != 0 {
		f.failed(f.g.host.failure(f.host))
	}
	if f.events != 0 {
		f.events = 0
		f.fromHost()
	}
	f.toHost()
}

// failed passes back what the outside has answered: port unreachable, most often.
func (f *udpFlow) failed(err error) {
	if err != nil {
		f.refuse(stack.UDPHeaders(f.key.client, f.key.target, f.size), err)
	}
}

// toHost passes datagrams on to the outside.
func (f *udpFlow) toHost() {
	g := f.g
	for range maxDatagrams {
		if !f.watch.Readable() {
			return
		}
		n, err := g.p.RecvInto(f.fd, g.bytes, 0)
		if errors.Is(err, sockapi.EAGAIN) {
			return
		}
		if err != nil {
			continue // the client does not listen for answers; it may send on
		}
		f.size, f.last = n, g.p.Now()
		if _, err = g.host.write(f.host, g.bytes[:n]); err == sockapi.ECONNREFUSED || err == sockapi.EHOSTUNREACH {
			f.failed(err) // about an earlier one
			_, err = g.host.write(f.host, g.bytes[:n])
		}
		switch err {
		case nil:
			f.sent += uint64(n)
		case sockapi.EAGAIN, sockapi.ENOBUFS: // lost, as datagrams are
			g.counts.Lost++
		default:
			f.failed(err)
		}
	}
	g.queue(f)
}

// fromHost passes datagrams on from the outside.
func (f *udpFlow) fromHost() {
	g := f.g
	for range maxDatagrams {
		n, err := g.host.read(f.host, g.bytes)
		if err == sockapi.EAGAIN {
			return
		}
		if err != nil {
			f.failed(err)
			continue
		}
		f.last = g.p.Now()
		if _, err := g.p.Send(f.fd, g.bytes[:n], 0); errors.Is(err, sockapi.ECONNREFUSED) {
			_, err = g.p.Send(f.fd, g.bytes[:n], 0) // the error was about an earlier one
			if err != nil {
				g.counts.Lost++
			}
		}
		f.received += uint64(n)
	}
	f.events |= pollIn // there may be more, which epoll has said
	g.queue(f)
}

// end implements [flow].
func (f *udpFlow) end() {
	if f.fd >= 0 && !f.ended {
		f.watch.Stop()
		_ = f.g.p.Close(f.fd)
		f.fd = -1
	}
	f.leave()
}
