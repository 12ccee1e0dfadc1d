package gateway

import (
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
