package gateway

import (
	"cmp"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// This file has the machine's sockets that wait for others to come: none of its
// calls waits.

// listenAt makes a socket at an address of the machine. A stream socket listens.
func listenAt(at netip.AddrPort, typ int) (int, error) {
	fd, err := hostSocket(at.Addr(), typ, 0)
	if err != nil {
		return -1, err
	}
	if at.Addr().Is6() {
		// [::] is IPv6 alone, so that 0.0.0.0 can be published beside it.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil && typ == unix.SOCK_STREAM {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // connections in TIME-WAIT keep nobody
	}
	if err == nil && typ == unix.SOCK_DGRAM && at.Addr().IsUnspecified() {
		err = tellDestination(fd, at)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(at))
	}
	if err == nil && typ == unix.SOCK_STREAM {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// acceptFrom takes a connection from a listener.
func acceptFrom(fd int) (conn int, peer netip.AddrPort, err error) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	for err == unix.EINTR {
		conn, sa, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	}
	if err != nil {
		return -1, peer, err
	}
	streamOptions(conn)
	return conn, addrOf(sa), nil
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

// receiveFrom takes a datagram from a socket that is bound to the address bound,
// and returns its length, who has sent it, and which address it was for.
func receiveFrom(fd int, b []byte, bound netip.AddrPort) (n int, from unix.Sockaddr, to netip.AddrPort, err error) {
	var control []byte
	if bound.Addr().IsUnspecified() {
		control = make([]byte, unix.CmsgSpace(unix.SizeofInet6Pktinfo))
	}
	n, oobn, _, from, err := unix.Recvmsg(fd, b, control, unix.MSG_DONTWAIT)
	if err != nil || from == nil {
		return 0, nil, to, cmp.Or(err, error(unix.EPROTO))
	}
	return n, from, destination(control[:oobn], bound), nil
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

// sendFrom sends a datagram in the name of the address from, through a socket that
// is bound to the address bound.
func sendFrom(fd int, b []byte, to unix.Sockaddr, bound, from netip.AddrPort) error {
	var control []byte
	switch {
	case !bound.Addr().IsUnspecified() || from == bound:
	case from.Addr().Is4():
		control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.Addr().As4()})
	default:
		control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.Addr().As16()})
	}
	_, err := unix.SendmsgN(fd, b, control, to, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return err
}
