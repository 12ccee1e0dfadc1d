package gateway

import (
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// This file has the machine's sockets that wait for others to come: none of its
// calls waits.

// listen implements [host].
func (m *machine) listen(proto uint8, at netip.AddrPort, num int32) (int, error) {
	fd, err := m.socket(at.Addr().Is6(), proto)
	if err != nil {
		return -1, err
	}
	if err = m.prepare(fd, proto, at); err == nil {
		err = unix.Bind(fd, sockaddr(at))
	}
	if err == nil && proto == protoTCP {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err == nil {
		if e := m.add(fd, num); e != 0 {
			err = e
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, known(err)
	}
	return fd, nil
}

// prepare sets the options of a socket that is to be bound.
func (m *machine) prepare(fd int, proto uint8, at netip.AddrPort) (err error) {
	if at.Addr().Is6() {
		// [::] is IPv6 alone, so that 0.0.0.0 can be published beside it.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	switch {
	case err != nil:
	case proto == protoTCP:
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // connections in TIME-WAIT keep nobody
	case at.Addr().IsUnspecified():
		err = tellDestination(fd, at)
	}
	return err
}

// accept implements [host].
func (m *machine) accept(fd int, num int32) (conn int, peer netip.AddrPort, err error) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	for err == unix.EINTR {
		conn, sa, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	}
	if err != nil {
		return -1, peer, known(err)
	}
	streamOptions(conn)
	if e := m.add(conn, num); e != 0 {
		unix.Close(conn)
		return -1, peer, errno(e)
	}
	return conn, addrOf(sa), nil
}

// shed implements [host], with the help of the spare descriptor.
func (m *machine) shed(fd int) bool {
	if m.spare < 0 {
		return false
	}
	unix.Close(m.spare)
	conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err == nil {
		m.reset(conn)
		unix.Close(conn)
	}
	m.spare = spareDescriptor()
	return err == nil
}

// shut implements [host].
func (m *machine) shut() {
	if m.spare >= 0 {
		unix.Close(m.spare)
	}
	unix.Close(m.poll)
}

// spareDescriptor is kept for the day when no other is left; -1 is none.
func spareDescriptor() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// tellDestination has a datagram socket that is bound to all addresses say which
// one each datagram was for: the answer has to come from there.
func tellDestination(fd int, at netip.AddrPort) error {
	if at.Addr().Is4() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// receive implements [host].
func (m *machine) receive(fd int, at netip.AddrPort, b []byte) (n int, from, to netip.AddrPort, err error) {
	var control []byte
	if at.Addr().IsUnspecified() {
		control = make([]byte, unix.CmsgSpace(unix.SizeofInet6Pktinfo))
	}
	n, oobn, _, sa, err := unix.Recvmsg(fd, b, control, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, from, to, known(err)
	}
	return n, addrOf(sa), destination(control[:oobn], at), nil
}

// destination reads the control message that tellDestination asks for.
func destination(control []byte, bound netip.AddrPort) netip.AddrPort {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return bound
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(m.Data[4:8])), bound.Port()) // ipi_spec_dst
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(m.Data[:16])), bound.Port())
		}
	}
	return bound
}

// send implements [host].
func (m *machine) send(fd int, at netip.AddrPort, b []byte, from, to netip.AddrPort) error {
	var control []byte
	switch {
	case from == at:
	case from.Addr().Is4():
		control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.Addr().As4()})
	default:
		control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.Addr().As16()})
	}
	_, err := unix.SendmsgN(fd, b, control, sockaddr(to), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return known(err)
}

// known is an error of package unix as [host] has it.
func known(err error) error {
	if e, ok := err.(unix.Errno); ok {
		return errno(e)
	}
	return err
}

// streamOptions: data goes on as it comes; a peer that is gone is noticed after
// two hours, as RFC 5382, REQ-5 asks for.
func streamOptions(fd int) {
	turnOn(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
	turnOn(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	zone, _ := strconv.Atoi(a.Addr().Zone()) // a number, from addrOf; else there is none
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port()), ZoneId: uint32(zone)}
}

// addrOf is the reverse of sockaddr.
func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			a = a.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}
