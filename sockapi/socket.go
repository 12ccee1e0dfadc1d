package sockapi

import (
	"net/netip"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
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
	backlog int // of listen; a listener's Send-Q in ss
	holders []holder

	rcvTimeout, sndTimeout time.Duration // SO_RCVTIMEO, SO_SNDTIMEO; 0 = none
	stored                 map[optKey]any
}

func (s *socket) stream() bool { return s.typ == SOCK_STREAM }

func (s *socket) snapshot() trace.Socket { return s.st.Snapshot(s.ep) }

// Backlog implements [stack.Owner].
func (s *socket) Backlog() int { return s.backlog }

// newSocket is socket(2) without the descriptor.
func newSocket(st *stack.Stack, family, typ, proto int) (*socket, Errno) {
	s := &socket{st: st, family: family, typ: typ, wq: new(waiter.Queue)}
	net := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
	switch family {
	case AF_INET:
	case AF_INET6:
		net = ipv6.ProtocolNumber
	default:
		return nil, EAFNOSUPPORT
	}
	var trans tcpip.TransportProtocolNumber
	switch {
	case typ == SOCK_STREAM && (proto == 0 || proto == IPPROTO_TCP):
		trans, s.proto = tcp.ProtocolNumber, IPPROTO_TCP
	case typ == SOCK_DGRAM && (proto == 0 || proto == IPPROTO_UDP):
		trans, s.proto = udp.ProtocolNumber, IPPROTO_UDP
	case typ == SOCK_DGRAM && proto == IPPROTO_ICMP && family == AF_INET:
		trans, s.proto = icmp.ProtocolNumber4, proto
	case typ == SOCK_DGRAM && proto == IPPROTO_ICMPV6 && family == AF_INET6:
		trans, s.proto = icmp.ProtocolNumber6, proto
	case typ == SOCK_STREAM || typ == SOCK_DGRAM:
		return nil, EPROTONOSUPPORT
	default:
		return nil, ESOCKTNOSUPPORT
	}
	ep, err := st.Netstack().NewEndpoint(trans, net, s.wq)
	if err != nil {
		return nil, errnoOf(err)
	}
	s.ep = ep
	return s, 0
}

// Socket creates a socket: socket(2). The type may carry SOCK_NONBLOCK and
// SOCK_CLOEXEC.
func (p *Proc) Socket(family, typ, proto int) (int, error) {
	args := familyName(family) + ", " + typeName(typ)
	if proto != 0 {
		args += ", " + itoa(proto)
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
	o := &open{sock: s, nonblock: flags&SOCK_NONBLOCK != 0}
	fd, errno := p.table.add(o, flags&SOCK_CLOEXEC != 0)
	if errno != 0 {
		return -1, errno
	}
	s.hold(p.Process, fd)
	p.kernel.Stack().Own(s.ep, s)
	return fd, 0
}

// address translates addr for s. A family that the socket does not speak is
// refused as Linux does.
func (s *socket) address(addr netip.AddrPort) (tcpip.FullAddress, Errno) {
	a := addr.Addr()
	switch {
	case !a.IsValid():
		return tcpip.FullAddress{}, EINVAL
	case s.family == AF_INET && !a.Is4():
		return tcpip.FullAddress{}, EAFNOSUPPORT
	case s.family == AF_INET6 && a.Is4():
		return tcpip.FullAddress{}, EINVAL // a sockaddr_in is too short for AF_INET6
	}
	full := tcpip.FullAddress{Port: addr.Port()}
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
	full, errno := o.sock.address(addr)
	if errno == 0 {
		errno = errnoOf(o.sock.ep.Bind(full))
		if errno == EAGAIN { // no ephemeral port is left
			errno = EADDRINUSE
		}
	}
	return c.ret("0", errno)
}

// Listen makes a stream socket passive: listen(2). The backlog is how many
// connections may wait to be accepted; it is cut to SOMAXCONN.
func (p *Proc) Listen(fd, backlog int) error {
	c := p.begin("listen", fd, itoa(fd)+", "+itoa(backlog))
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	if !o.sock.stream() {
		return c.ret("", EOPNOTSUPP)
	}
	if backlog < 0 || backlog > SOMAXCONN {
		backlog = SOMAXCONN
	}
	// Linux's queue holds backlog + 1 connections (sk_acceptq_is_full).
	errno = errnoOf(o.sock.ep.Listen(backlog + 1))
	if errno == 0 {
		o.sock.backlog = backlog
	}
	return c.ret("0", errno)
}

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
	if !o.sock.stream() {
		return -1, netip.AddrPort{}, c.ret("", EOPNOTSUPP)
	}
	conn := &socket{st: o.sock.st, family: o.sock.family, typ: o.sock.typ, proto: o.sock.proto,
		rcvTimeout: o.sock.rcvTimeout, sndTimeout: o.sock.sndTimeout}
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
	addr := conn.addrPort(peer)
	c.peer = addr.String()
	return nfd, addr, c.ret(itoa(nfd), 0)
}

// Connect names the remote end: connect(2). On a stream socket it performs the
// handshake, and fails with EINPROGRESS instead of waiting if the socket is
// non-blocking. An invalid AddrPort is AF_UNSPEC: it dissolves a datagram
// socket's association.
func (p *Proc) Connect(fd int, addr netip.AddrPort) error {
	to := "AF_UNSPEC"
	if addr.IsValid() {
		to = addr.String()
	}
	c := p.begin("connect", fd, itoa(fd)+", "+to)
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	if !addr.IsValid() {
		return c.ret("0", errnoOf(o.sock.ep.Disconnect()))
	}
	full, errno := o.sock.address(addr)
	if errno != 0 {
		return c.ret("", errno)
	}
	return c.ret("0", p.connect(c, o, full))
}

// connect starts the handshake and waits for its end.
func (p *Proc) connect(c *call, o *open, full tcpip.FullAddress) Errno {
	s := o.sock
	first := true
	errno := c.block(c.deadline(o, 0, s.sndTimeout), func() Errno {
		err := s.ep.Connect(full)
		started := false
		switch err.(type) {
		case *tcpip.ErrConnectStarted:
			started = true
		case *tcpip.ErrAlreadyConnecting:
			// A second connect waits for the first one's handshake.
			started = !first || !o.nonblock
		case *tcpip.ErrNoPortAvailable:
			return EADDRNOTAVAIL
		case *tcpip.ErrInvalidEndpointState:
			if s.stream() && s.snapshot().State == trace.Listen {
				return EISCONN
			}
		}
		first = false
		if started {
			return EAGAIN
		}
		return errnoOf(err)
	}, wait{s.wq, waiter.WritableEvents | waiter.EventHUp | waiter.EventErr})
	if errno == EAGAIN {
		return EINPROGRESS // non-blocking, or SO_SNDTIMEO has passed: socket(7)
	}
	return errno
}

// Shutdown closes one direction or both: shutdown(2).
func (p *Proc) Shutdown(fd, how int) error {
	c := p.begin("shutdown", fd, itoa(fd)+", "+howName(how))
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	var flags tcpip.ShutdownFlags
	switch how {
	case SHUT_RD:
		flags = tcpip.ShutdownRead
	case SHUT_WR:
		flags = tcpip.ShutdownWrite
	case SHUT_RDWR:
		flags = tcpip.ShutdownRead | tcpip.ShutdownWrite
	default:
		return c.ret("", EINVAL)
	}
	errno = errnoOf(o.sock.ep.Shutdown(flags))
	o.sock.st.Touch()
	return c.ret("0", errno)
}

// Getsockname returns the local address: getsockname(2).
func (p *Proc) Getsockname(fd int) (netip.AddrPort, error) {
	return p.name("getsockname", fd, tcpip.Endpoint.GetLocalAddress)
}

// Getpeername returns the remote address: getpeername(2).
func (p *Proc) Getpeername(fd int) (netip.AddrPort, error) {
	return p.name("getpeername", fd, tcpip.Endpoint.GetRemoteAddress)
}

func (p *Proc) name(call string, fd int, get func(tcpip.Endpoint) (tcpip.FullAddress, tcpip.Error)) (netip.AddrPort, error) {
	c := p.begin(call, fd, itoa(fd))
	o, errno := c.file()
	if errno != 0 {
		return netip.AddrPort{}, c.ret("", errno)
	}
	full, err := get(o.sock.ep)
	if err != nil {
		return netip.AddrPort{}, c.ret("", errnoOf(err))
	}
	addr := o.sock.addrPort(full)
	return addr, c.ret(addr.String(), 0)
}
