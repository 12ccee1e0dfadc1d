//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel makes the calls on Linux's own sockets.
type kernel struct{}

func runKernel(program func(*run)) string {
	r := newRun(kernel{})
	program(r)
	for fd := range r.names { // what the program left open
		unix.Close(fd)
	}
	return r.transcript()
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port))
	}
	return netip.AddrPort{}
}

// retry makes a call again that a signal of the Go runtime interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func (kernel) Socket(family, typ, proto int) (int, error) {
	return unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
}
func (kernel) Bind(fd int, a netip.AddrPort) error { return unix.Bind(fd, sockaddr(a)) }
func (kernel) Listen(fd, backlog int) error        { return unix.Listen(fd, backlog) }
func (kernel) Shutdown(fd, how int) error          { return unix.Shutdown(fd, how) }
func (kernel) Close(fd int) error                  { return unix.Close(fd) }
func (kernel) Dup(fd int) (int, error)             { return unix.Dup(fd) }
func (kernel) Settle()                             {}

func (kernel) Accept(fd int) (n int, peer netip.AddrPort, err error) {
	err = retry(func() error {
		var sa unix.Sockaddr
		n, sa, err = unix.Accept(fd)
		peer = addrPort(sa)
		return err
	})
	return n, peer, err
}

func (kernel) Connect(fd int, a netip.AddrPort) error {
	if !a.IsValid() {
		return disconnect(fd)
	}
	return unix.Connect(fd, sockaddr(a))
}

// disconnect is connect with AF_UNSPEC.
func disconnect(fd int) error {
	var sa [16]byte // sockaddr with family 0
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	if e != 0 {
		return e
	}
	return nil
}

func (kernel) Sendto(fd int, b []byte, flags int, to netip.AddrPort) (n int, err error) {
	var sa unix.Sockaddr
	if to.IsValid() {
		sa = sockaddr(to)
	}
	err = retry(func() error {
		n, err = unix.SendmsgN(fd, b, nil, sa, flags)
		return err
	})
	return n, err
}

func (kernel) Recvfrom(fd, n, flags int) (b []byte, from netip.AddrPort, err error) {
	b = make([]byte, n)
	err = retry(func() error {
		var sa unix.Sockaddr
		n, sa, err = unix.Recvfrom(fd, b, flags)
		from = addrPort(sa)
		return err
	})
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return b[:min(n, len(b))], from, nil
}

func (kernel) Getsockname(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	return addrPort(sa), err
}

func (kernel) Getpeername(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getpeername(fd)
	return addrPort(sa), err
}

func (kernel) SetInt(fd, level, opt, v int) error     { return unix.SetsockoptInt(fd, level, opt, v) }
func (kernel) GetInt(fd, level, opt int) (int, error) { return unix.GetsockoptInt(fd, level, opt) }

func (kernel) SetLinger(fd int, on bool, seconds int) error {
	l := unix.Linger{Linger: int32(seconds)}
	if on {
		l.Onoff = 1
	}
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l)
}

func (kernel) SetTimeout(fd, opt int, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &tv)
}

func (kernel) SetNonblock(fd int, on bool) error { return unix.SetNonblock(fd, on) }

func (kernel) Poll(fd, events int, timeout time.Duration) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: int16(events)}}
	err := retry(func() error {
		_, err := unix.Poll(fds, int(timeout.Milliseconds()))
		return err
	})
	return int(uint16(fds[0].Revents)), err
}

func (kernel) Ioctl(fd, request int) (int, error) { return unix.IoctlGetInt(fd, uint(request)) }

func (kernel) Name(err error) string {
	if err == unix.EOPNOTSUPP {
		return "EOPNOTSUPP" // the same number as ENOTSUP
	}
	if e, ok := err.(unix.Errno); ok {
		return unix.ErrnoName(e)
	}
	return fmt.Sprint(err)
}
