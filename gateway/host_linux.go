package gateway

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file has the machine's sockets: none of its calls waits.

// hostSocket makes a socket that does not block.
func hostSocket(to netip.Addr, typ, proto int) (int, error) {
	family := unix.AF_INET
	if to.Is6() {
		family = unix.AF_INET6
	}
	return unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
}

// dial makes a socket and starts to connect it. It may return with the
// connection pending.
func dial(typ, proto int, to netip.AddrPort) (int, error) {
	fd, err := hostSocket(to.Addr(), typ, proto)
	if err != nil {
		return -1, err
	}
	if typ == unix.SOCK_STREAM {
		streamOptions(fd)
	}
	err = unix.Connect(fd, sockaddr(to))
	for err == unix.EINTR {
		err = unix.Connect(fd, sockaddr(to))
	}
	if err != nil && err != unix.EINPROGRESS && err != unix.EALREADY {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// streamOptions: data goes on as it comes; a peer that is gone is noticed after
// two hours, as RFC 5382, REQ-5 asks for.
func streamOptions(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// localName is a socket's own address: getsockname(2).
func localName(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrOf(sa)
}

// addrOf is the reverse of sockaddr.
func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// socketError takes a socket's pending error: SO_ERROR.
func socketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return err
}

// pending reports whether a socket is still connecting.
func pending(fd int) bool {
	_, err := unix.Getpeername(fd)
	return err == unix.ENOTCONN
}

// read and write do not tell Go's scheduler that they are system calls: they do
// not wait.

func read(fd int, b []byte) (int, error) { return call(unix.SYS_READ, fd, b, 0) }

func write(fd int, b []byte) (int, error) { return call(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL) }

func call(trap uintptr, fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// reset makes the close of a TCP socket send a RST.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// poller is an epoll instance: it says which of the machine's sockets are ready,
// once for each change (EPOLLET).
type poller struct {
	fd     int
	events [128]unix.EpollEvent
	found  int
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd: fd}, nil
}

// add has events of a socket reported with a number.
func (p *poller) add(fd int, num int32) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd), Pad: num}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e))
}

// look finds what has happened.
func (p *poller) look() bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	p.found = 0
	if errno == 0 {
		p.found = int(n)
	}
	return p.found > 0
}

// wait waits until look would find something, for at most ms milliseconds.
func (p *poller) wait(ms int) bool {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, ms)
	return err == nil && n > 0
}
