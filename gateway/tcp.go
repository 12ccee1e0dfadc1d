package gateway

import (
	"errors"
	"net/netip"
	"time"

	"fivetuple/sockapi"
)

// This file opens TCP flows; pump.go passes on what they carry.

// tcpState is how far a TCP flow is.
type tcpState int

const (
	connecting tcpState = iota // the outside socket connects; the SYN is held back
	opening                    // the SYN was given to netstack
	open                       // accepted: both sides are there
	entering                   // of a published port: the inside socket connects
)

func (s tcpState) String() string { return [...]string{"connecting", "opening", "open", "entering"}[s] }

// tcpFlow is a TCP connection, which is two.
type tcpFlow struct {
	base
	state tcpState
	syn   *held // what has begun it; nil once it was given to netstack
	given bool  // the client has reset it before it was accepted
	fd    int   // the inside socket; -1: none
	watch *sockapi.Watch
	door  *door // where it is to be accepted
	since time.Duration

	hup      bool      // the outside has sent its FIN: reading is to come to it
	gone     bool      // or its RST: what came before is passed on, and nothing is written
	up, down direction // to the outside, and from it
}

// openingLimit is how long a client may take to complete the handshake: netstack
// gives up after about as long.
const openingLimit = 75 * time.Second

// expires implements [flow]. A connection that is open has keep-alive instead.
func (f *tcpFlow) expires() time.Duration {
	if f.state == opening {
		return f.since + openingLimit
	}
	return sockapi.NoDeadline
}

// arrived implements [flow]: the SYN begins the outside connection.
func (f *tcpFlow) arrived(h *held) {
	f.syn = h
	if err := f.open(f); err != nil {
		f.refused(err)
		return
	}
	if !f.g.host.pending(f.host) {
		f.connected()
	}
}

// refused answers the SYN.
func (f *tcpFlow) refused(err error) {
	f.g.mark("outside: tcp connect %s: %s, for %s", f.dialed, errnoName(err), f.key.client)
	f.refuse(f.syn.pkt.Bytes(), err)
	f.end()
}

// connected lets the client in: the outside connection is there.
func (f *tcpFlow) connected() {
	g := f.g
	f.local = g.host.name(f.host)
	g.mark("outside: tcp %s -> %s, for %s -> %s", f.local, f.dialed, f.key.client, f.key.target)
	cause := g.p.Cause()
	d, err := g.doorFor(f.key.target)
	g.p.Because(cause) // not because of the listener's calls
	if err != nil {
		g.warn("gateway: " + err.Error() + ": a socket of the lab has the port")
		f.refuse(f.syn.pkt.Bytes(), sockapi.ECONNREFUSED)
		f.end()
		return
	}
	d.waiting++
	f.door, f.state, f.since = d, opening, g.p.Now()
	g.time(f)
	f.iface.Readmit(f.syn.pkt)
	f.syn = nil
}

// step implements [step].
func (f *tcpFlow) step() {
	switch {
	case f.ended:
	case f.state == open:
		f.pump()
	case f.state == entering:
		f.enter()
	case f.given:
		f.abortOutside()
	case f.state == connecting && f.events&(pollOut|pollErr|pollHup) != 0:
		// The events stay for the pump: a FIN may be among them.
		if err := f.g.host.failure(f.host); err != nil {
			f.refused(err)
		} else if !f.g.host.pending(f.host) {
			f.connected()
		}
	}
}

// accepted has the inside connection.
func (f *tcpFlow) accepted(fd int) {
	g := f.g
	f.fd, f.state = fd, open
	f.leaveDoor()
	var err error
	if f.watch, err = g.p.Watch(fd, func() { g.queue(f) }); err != nil {
		f.abortOutside()
		return
	}
	g.counts.TCP++
	f.pump()
}

func (f *tcpFlow) leaveDoor() {
	if f.door != nil {
		f.door.waiting--
		f.door.idle()
		f.door = nil
	}
}

// end implements [flow].
func (f *tcpFlow) end() {
	if f.ended {
		return
	}
	f.leaveDoor()
	if f.syn != nil {
		f.syn.pkt.Release()
		f.syn = nil
	}
	f.up.drop(&f.g.kept)
	f.down.drop(&f.g.kept)
	if f.fd >= 0 {
		f.watch.Stop()
		_ = f.g.p.Close(f.fd) // there is nobody to tell
		f.fd = -1
	}
	f.leave()
}

// abortInside resets the inside connection: the outside one is gone.
func (f *tcpFlow) abortInside() {
	if f.fd >= 0 {
		_ = f.g.p.Setsockopt(f.fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true})
	}
	f.end()
}

// abortOutside resets the outside connection: the inside one is gone.
func (f *tcpFlow) abortOutside() {
	if f.host >= 0 {
		f.g.host.reset(f.host)
	}
	f.end()
}

// door is a listener at an outside address. Only a SYN whose outside connection
// is there comes to it, so it may stay open.
type door struct {
	g       *Gateway
	addr    netip.AddrPort
	fd      int
	watch   *sockapi.Watch
	waiting int  // flows that it is to accept
	queued  bool // in Gateway.shut
}

// maxDoors is how many listeners are kept that nobody waits at.
const maxDoors = 64

// doorFor returns the listener of an address.
func (g *Gateway) doorFor(addr netip.AddrPort) (*door, error) {
	if d := g.doors[addr]; d != nil {
		return d, nil
	}
	p := g.p
	fd, err := p.Socket(family(addr.Addr()), sockapi.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	d := &door{g: g, addr: addr, fd: fd}
	// What is accepted inherits the options.
	err = errors.Join(p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1),
		p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1),
		p.Setsockopt(fd, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1))
	if err == nil {
		err = p.Bind(fd, addr)
	}
	if err == nil {
		err = p.Listen(fd, sockapi.SOMAXCONN)
	}
	if err == nil {
		d.watch, err = p.Watch(fd, func() { g.enqueue(d) })
	}
	if err != nil {
		_ = p.Close(fd)
		return nil, err
	}
	g.doors[addr] = d
	return d, nil
}

// step implements [step]: it accepts who has come.
func (d *door) step() {
	for d.g.doors[d.addr] == d && d.watch.Readable() {
		fd, peer, err := d.g.p.Accept4(d.fd, sockapi.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		f, ok := d.g.flows[key{protoTCP, peer, d.addr}].(*tcpFlow)
		if !ok || f.state != opening {
			_ = d.g.p.Close(fd) // its flow was given up
			continue
		}
		f.accepted(fd)
	}
}

// idle closes listeners that nobody waits at, the oldest first, if there are
// many.
func (d *door) idle() {
	g := d.g
	if d.waiting == 0 && !d.queued {
		d.queued = true
		g.shut = append(g.shut, d)
	}
	for len(g.shut) > maxDoors {
		d := g.shut[0]
		g.shut = g.shut[1:]
		d.queued = false
		if d.waiting == 0 {
			d.watch.Stop()
			_ = g.p.Close(d.fd)
			delete(g.doors, d.addr)
		}
	}
}
