package sockapi

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Accept takes the first connection from a listener's queue: accept(2). It
// returns a new descriptor for it and the peer's address.
func (p *Proc) Accept(fd int) (int, netip.AddrPort, error) { return p.accept("accept", fd, 0) }

// Accept4 is Accept with SOCK_NONBLOCK and SOCK_CLOEXEC for the new descriptor.
func (p *Proc) Accept4(fd, flags int) (int, netip.AddrPort, error) {
	if flags&^(SOCK_NONBLOCK|SOCK_CLOEXEC) != 0 {
		c := p.begin("accept4", fd, itoa(fd)+", "+itoa(flags))
		return -1, netip.AddrPort{}, c.ret("", EINVAL)
	}
	return p.accept("accept4", fd, flags)
}

func (p *Proc) accept(name string, fd, flags int) (int, netip.AddrPort, error) {
	c := p.begin(name, fd, itoa(fd))
	o, errno := c.file()
	if errno != 0 {
		return -1, netip.AddrPort{}, c.ret("", errno)
	}
	switch {
	case o.sock.family == AF_UNIX && o.sock.typ != SOCK_DGRAM:
		return -1, netip.AddrPort{}, c.ret("", EINVAL)
	case !o.sock.stream():
		return -1, netip.AddrPort{}, c.ret("", EOPNOTSUPP)
	}
	conn := &socket{st: o.sock.st, family: o.sock.family, typ: o.sock.typ, proto: o.sock.proto,
		trans: o.sock.trans, opened: true, joined: true, rcvTimeout: o.sock.rcvTimeout, sndTimeout: o.sock.sndTimeout}
	var peer tcpip.FullAddress
	errno = c.block(c.deadline(o, 0, o.sock.rcvTimeout), func() Errno {
		var err tcpip.Error
		conn.ep, conn.wq, err = o.sock.ep.Accept(&peer)
		return errnoOf(err)
	}, wait{o.sock.wq, waiter.ReadableEvents})
	if errno != 0 {
		return -1, netip.AddrPort{}, c.ret("", errno)
	}
	nfd, errno := p.install(conn, flags)
	if errno != 0 {
		conn.ep.Close()
		return -1, netip.AddrPort{}, c.ret("", errno)
	}
	conn.inherit(o.sock)
	addr := conn.addrPort(peer)
	c.peer = addr.String()
	return nfd, addr, c.ret(itoa(nfd), 0)
}
