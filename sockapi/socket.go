package sockapi

import (
	"net/netip"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// socket is what a descriptor names: a netstack end point and what Linux
// keeps around it.
type socket struct {
	st      *stack.Stack
	family  int
	typ     int
	proto   int
	ep      tcpip.Endpoint
	wq      *waiter.Queue
	trans   tcpip.TransportProtocolNumber
	backlog int       // of listen; a listener's Send-Q in ss
	changed []*Option // the options that were set: an accepted socket inherits them
	open    *open     // nil before it has a descriptor

	bound  tcpip.FullAddress // what bind was given
	opened bool              // it is or was connected, or tries or tried to be
	joined bool              // accept or connect has said that it is connected: SS_CONNECTED
	shut   int               // what the program has shut down: shutRD, shutWR
	err    Errno             // see waiting
	more   bool              // the last send had MSG_MORE
	giveUp stack.Timer       // ends the handshake; nil: netstack's own limit

	errs       errQueue
	filter     func(events int) int // see FilterPoll; nil: none
	timestamps int                  // SO_TIMESTAMP or SO_TIMESTAMPNS, if set

	rcvTimeout, sndTimeout time.Duration // SO_RCVTIMEO, SO_SNDTIMEO; 0 = none
	stored                 map[optKey]any
}

func (s *socket) stream() bool { return s.typ == SOCK_STREAM }

func (s *socket) snapshot() trace.Socket { return s.st.Snapshot(s.ep) }

func (s *socket) listening() bool { return s.state() == trace.Listen }

// Backlog implements [stack.Owner].
func (s *socket) Backlog() int { return s.backlog }

// newSocket is socket(2) without the descriptor.
func newSocket(st *stack.Stack, family, typ, proto int) (*socket, Errno) {
	s := &socket{st: st, family: family, typ: typ, wq: new(waiter.Queue)}
	switch {
	case typ < 0 || typ > maxSockType:
		return nil, EINVAL // also an unknown flag
	case family == AF_PACKET:
		return newPacketSocket(s, proto)
	case family != AF_INET && family != AF_INET6:
		return nil, EAFNOSUPPORT // AF_UNIX too: there is socketpair
	case proto < 0 || proto >= maxProtocol:
		return nil, EINVAL
	case typ == SOCK_STREAM && (proto == 0 || proto == IPPROTO_TCP):
		s.trans, s.proto = tcp.ProtocolNumber, IPPROTO_TCP
	case typ == SOCK_DGRAM && (proto == 0 || proto == IPPROTO_UDP):
		s.trans, s.proto = udp.ProtocolNumber, IPPROTO_UDP
	case typ == SOCK_DGRAM && proto == IPPROTO_ICMP && family == AF_INET:
		s.trans, s.proto = icmp.ProtocolNumber4, proto
	case typ == SOCK_DGRAM && proto == IPPROTO_ICMPV6 && family == AF_INET6:
		s.trans, s.proto = icmp.ProtocolNumber6, proto
	case typ == SOCK_STREAM || typ == SOCK_DGRAM:
		return nil, EPROTONOSUPPORT
	case typ == SOCK_RAW:
		if errno := s.rawProtocol(proto); errno != 0 {
			return nil, errno
		}
	default:
		return nil, ESOCKTNOSUPPORT
	}
	var errno Errno
	s.ep, errno = s.newEndpoint()
	return s, errno
}

// Socket creates a socket: socket(2). The type may carry SOCK_NONBLOCK and
// SOCK_CLOEXEC.
func (p *Proc) Socket(family, typ, proto int) (int, error) {
	args := familyName(family) + ", " + typeName(typ)
	if proto != 0 {
		args += ", " + protocolName(family, proto)
	}
	c := p.begin("socket", noFD, args)
	s, errno := newSocket(p.kernel.Stack(), family, typ&^(SOCK_NONBLOCK|SOCK_CLOEXEC), proto)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	fd, errno := p.install(s, typ)
	if errno != 0 {
		s.ep.Close()
		return -1, c.ret("", errno)
	}
	c.fd = fd
	return fd, c.ret(itoa(fd), 0)
}

// install gives a socket its first descriptor.
func (p *Proc) install(s *socket, flags int) (int, Errno) {
	s.open = &open{file: s, sock: s, nonblock: flags&SOCK_NONBLOCK != 0}
	fd, errno := p.installFile(s.open, flags&SOCK_CLOEXEC != 0)
	if errno == 0 {
		p.kernel.Stack().Own(s.ep, s)
	}
	return fd, errno
}

// installFile gives an open file its first descriptor.
func (p *Proc) installFile(o *open, cloexec bool) (int, Errno) {
	fd, errno := p.table.add(o, cloexec)
	if errno == 0 {
		o.hold(p.Process, fd)
	}
	return fd, errno
}

// waitQueue implements [file].
func (s *socket) waitQueue() *waiter.Queue { return s.wq }

// describe implements [file].
func (s *socket) describe() (trace.FD, bool) {
	switch s.family {
	case AF_UNIX:
		return trace.FD{Kind: "unix", Note: typeName(s.typ) + " pair"}, true
	case AF_PACKET:
		local, _ := s.ep.GetLocalAddress()
		l := LinkAddr{Ifindex: int(local.NIC), Protocol: int(local.Port)}
		return trace.FD{Kind: "packet", Note: typeName(s.typ) + " " + l.String()}, true
	}
	return trace.FD{Kind: "socket", Socket: s.snapshot(), Options: s.setOptions()}, true
}

// address translates addr for bind. A family that the socket does not speak
// is refused as Linux does.
func (s *socket) address(addr netip.AddrPort) (tcpip.FullAddress, Errno) {
	a := addr.Addr()
	if a.Is4In6() && s.v6only() {
		return tcpip.FullAddress{}, EINVAL
	}
	return s.translate(addr)
}

// destination translates addr for connect and sendto. A datagram socket of
// AF_INET6 takes an AF_INET address as well: wrong is what it returns for one
// if it is for IPv6 only.
func (s *socket) destination(addr netip.AddrPort, wrong Errno) (tcpip.FullAddress, Errno) {
	a := addr.Addr()
	switch {
	case a.Is4In6() && s.v6only():
		return tcpip.FullAddress{}, ENETUNREACH
	case a.Is4() && s.family == AF_INET6 && !s.stream():
		if s.v6only() {
			return tcpip.FullAddress{}, wrong
		}
		addr = netip.AddrPortFrom(netip.AddrFrom16(a.As16()), addr.Port())
	}
	return s.translate(addr)
}

func (s *socket) v6only() bool {
	return s.family == AF_INET6 && s.ep.SocketOptions().GetV6Only()
}

func (s *socket) translate(addr netip.AddrPort) (tcpip.FullAddress, Errno) {
	a := addr.Addr()
	switch {
	case !a.IsValid() || s.family != AF_INET && s.family != AF_INET6:
		return tcpip.FullAddress{}, EINVAL
	case s.family == AF_INET && !a.Is4():
		return tcpip.FullAddress{}, EAFNOSUPPORT
	case s.family == AF_INET6 && a.Is4():
		return tcpip.FullAddress{}, EINVAL // a sockaddr_in is too short for AF_INET6
	}
	full := tcpip.FullAddress{Port: addr.Port()}
	if zone := a.Zone(); zone != "" {
		if full.NIC = tcpip.NICID(s.zoned(zone)); full.NIC == 0 {
			return full, EINVAL
		}
	}
	if !a.IsUnspecified() {
		full.Addr = stack.Address(a)
	}
	return full, 0
}

// addrPort is the inverse of address. An AF_INET6 socket sees IPv4 addresses
// in their mapped form.
func (s *socket) addrPort(f tcpip.FullAddress) netip.AddrPort {
	a := stack.Addr(f.Addr)
	switch {
	case s.family != AF_INET && s.family != AF_INET6:
		return netip.AddrPort{} // a pair has no name; LinkAddr is a packet socket's
	case !a.IsValid() && s.family == AF_INET:
		a = netip.IPv4Unspecified()
	case !a.IsValid():
		a = netip.IPv6Unspecified()
	case s.family == AF_INET6 && a.Is4():
		a = netip.AddrFrom16(a.As16())
	}
	return netip.AddrPortFrom(a, f.Port)
}

// Bind gives a socket its local address: bind(2).
func (p *Proc) Bind(fd int, addr netip.AddrPort) error {
	c := p.begin("bind", fd, itoa(fd)+", "+addr.String())
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	return c.ret("0", o.sock.bind(addr))
}

func (s *socket) bind(addr netip.AddrPort) Errno {
	full, errno := s.address(addr)
	if errno != 0 {
		return errno
	}
	if s.taken(full) {
		return EADDRINUSE
	}
	switch errno = errnoOf(s.ep.Bind(full)); errno {
	default:
		// netstack keeps the address that it could not bind.
		if local, err := s.ep.GetLocalAddress(); err == nil && local.Addr != (tcpip.Address{}) && local.Port == 0 {
			if e := s.renew(); e != 0 {
				return e
			}
		}
	case 0:
		s.bound = full
		if local, err := s.ep.GetLocalAddress(); err == nil {
			s.bound.Port = local.Port
		}
	case EAGAIN: // no ephemeral port is left
		errno = EADDRINUSE
	}
	return errno
}

// Listen makes a stream socket passive: listen(2). The backlog is how many
// connections may wait to be accepted; it is cut to SOMAXCONN.
func (p *Proc) Listen(fd, backlog int) error {
	c := p.begin("listen", fd, itoa(fd)+", "+itoa(backlog))
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	switch {
	case o.sock.family == AF_UNIX && o.sock.typ != SOCK_DGRAM:
		return c.ret("", EINVAL) // it is connected
	case !o.sock.stream():
		return c.ret("", EOPNOTSUPP)
	}
	if backlog < 0 || backlog > SOMAXCONN {
		backlog = SOMAXCONN
	}
	if local, err := o.sock.ep.GetLocalAddress(); err == nil && !o.sock.listening() && o.sock.taken(local) {
		return c.ret("", EADDRINUSE)
	}
	// Linux's queue holds backlog + 1 connections (sk_acceptq_is_full).
	errno = errnoOf(o.sock.ep.Listen(backlog + 1))
	if errno == 0 {
		o.sock.backlog, o.sock.shut = backlog, 0
		o.sock.st.Listens(o.sock.ep)
	}
	return c.ret("0", errno)
}
