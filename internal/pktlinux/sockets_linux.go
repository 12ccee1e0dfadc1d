package pktlinux

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"fivetuple/sockapi"

	"golang.org/x/sys/unix"
)

// sockets are the system calls: [packetdrill.NativeSockets]. They are made as
// they are, without package net, so that nothing comes between.
type sockets struct {
	t       *Target
	mu      sync.Mutex
	open    map[int]bool // what to close at the end
	closing atomic.Bool
}

// failure is the error of a call, nil for errno 0.
func failure(call string, err error) error {
	if err == nil {
		return nil
	}
	errno, _ := err.(unix.Errno)
	return &sockapi.Error{Call: call, Errno: sockapi.Errno(errno)}
}

// sys makes a call by its number; a signal of Go's runtime does not end it.
func (s *sockets) sys(call string, nr uintptr, a ...uintptr) (int, error) {
	var x [6]uintptr
	copy(x[:], a)
	for {
		n, _, errno := unix.Syscall6(nr, x[0], x[1], x[2], x[3], x[4], x[5])
		switch {
		case errno == unix.EINTR && !s.closing.Load():
		case errno != 0:
			return 0, failure(call, errno)
		default:
			return int(n), nil
		}
	}
}

// keep notes a descriptor that a call has made.
func (s *sockets) keep(fd int, err error) (int, error) {
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open == nil {
			s.open = make(map[int]bool)
		}
		s.open[fd] = true
	}
	return fd, err
}

// closeAll ends what the script has left open, and the calls that wait there.
func (s *sockets) closeAll() {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for fd := range s.open {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // most are not connected
		_ = unix.Close(fd)
	}
	s.open = nil
}

// address is a struct sockaddr: of AF_UNSPEC for what is no address.
func address(a netip.AddrPort) []byte {
	b := make([]byte, unix.SizeofSockaddrInet6)
	switch {
	case a.Addr().Is4():
		b = b[:unix.SizeofSockaddrInet4]
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
		copy(b[4:], a.Addr().AsSlice())
	case a.Addr().Is6():
		binary.NativeEndian.PutUint16(b, unix.AF_INET6)
		copy(b[8:], a.Addr().AsSlice())
	default:
		return b[:unix.SizeofSockaddrInet4]
	}
	binary.BigEndian.PutUint16(b[2:], a.Port())
	return b
}

// parseAddress is the inverse of address.
func parseAddress(b []byte) netip.AddrPort {
	if len(b) < 8 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case family == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port)
	}
	return netip.AddrPort{}
}

func (s *sockets) Socket(family, typ, proto int) (int, error) {
	fd, err := s.keep(s.sys("socket", unix.SYS_SOCKET, uintptr(family), uintptr(typ|unix.SOCK_CLOEXEC), uintptr(proto)))
	if cc := s.t.cc; err == nil && cc != "" && typ&0xf == unix.SOCK_STREAM {
		if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, cc); err != nil {
			return fd, failure("setsockopt(TCP_CONGESTION)", err)
		}
	}
	return fd, err
}

func (s *sockets) Bind(fd int, addr netip.AddrPort) error {
	b := address(addr)
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return result("bind", errno)
}

func result(call string, errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return failure(call, errno)
}

func (s *sockets) Listen(fd, backlog int) error {
	_, err := s.sys("listen", unix.SYS_LISTEN, uintptr(fd), uintptr(backlog))
	return err
}

func (s *sockets) Accept(fd int) (int, netip.AddrPort, error) { return s.Accept4(fd, 0) }

func (s *sockets) Accept4(fd, flags int) (int, netip.AddrPort, error) {
	for {
		b, n := make([]byte, unix.SizeofSockaddrAny), uint32(unix.SizeofSockaddrAny)
		got, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)),
			uintptr(flags|unix.SOCK_CLOEXEC), 0, 0)
		if errno == unix.EINTR && !s.closing.Load() {
			continue
		}
		if errno != 0 {
			return 0, netip.AddrPort{}, failure("accept", errno)
		}
		fd, err := s.keep(int(got), nil)
		return fd, parseAddress(b[:min(int(n), len(b))]), err
	}
}

func (s *sockets) Connect(fd int, addr netip.AddrPort) error {
	b := address(addr)
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return result("connect", errno)
}

func (s *sockets) Close(fd int) error {
	s.mu.Lock()
	mine := s.open[fd]
	delete(s.open, fd)
	s.mu.Unlock()
	if !mine {
		return failure("close", unix.EBADF) // a descriptor of this program is not the script's
	}
	return failure("close", unix.Close(fd))
}

func (s *sockets) Shutdown(fd, how int) error {
	_, err := s.sys("shutdown", unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how))
	return err
}

func (s *sockets) Read(fd, n int) ([]byte, error) {
	b := make([]byte, n)
	for {
		got, _, errno := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(n))
		if errno != unix.EINTR || s.closing.Load() {
			return taken("read", b, int(got), errno)
		}
	}
}

func taken(call string, b []byte, n int, errno unix.Errno) ([]byte, error) {
	if errno != 0 {
		return nil, failure(call, errno)
	}
	return b[:min(n, len(b))], nil // MSG_TRUNC says more than there is
}

func (s *sockets) Recv(fd, n, flags int) ([]byte, error) {
	b, _, err := s.Recvfrom(fd, n, flags)
	return b, err
}

// RecvInto receives into a buffer: with MSG_TRUNC, the size is that of the whole
// message, or of what a stream has thrown away.
func (s *sockets) RecvInto(fd int, b []byte, flags int) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
		if errno != unix.EINTR || s.closing.Load() {
			return int(n), result("recv", errno)
		}
	}
}

func (s *sockets) Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error) {
	b, from, size := make([]byte, n), make([]byte, unix.SizeofSockaddrAny), uint32(unix.SizeofSockaddrAny)
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(n), uintptr(flags),
			uintptr(unsafe.Pointer(&from[0])), uintptr(unsafe.Pointer(&size)))
		if errno != unix.EINTR || s.closing.Load() {
			out, err := taken("recvfrom", b, int(got), errno)
			return out, parseAddress(from[:min(int(size), len(from))]), err
		}
	}
}

func (s *sockets) Write(fd int, data []byte) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return int(n), result("write", errno)
}

func (s *sockets) Send(fd int, data []byte, flags int) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), uintptr(flags), 0, 0)
	return int(n), result("send", errno)
}

func (s *sockets) Sendto(fd int, data []byte, flags int, to netip.AddrPort) (int, error) {
	b := address(to)
	n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), uintptr(flags),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), result("sendto", errno)
}

func (s *sockets) Readv(fd int, iov [][]byte) (int, error) {
	n, err := unix.Readv(fd, iov)
	return n, failure("readv", err)
}

func (s *sockets) Writev(fd int, iov [][]byte) (int, error) {
	n, err := unix.Writev(fd, iov)
	return n, failure("writev", err)
}

// Null makes a call whose data, address or message is at the address 0.
func (s *sockets) Null(call string, fd, n, flags int, to netip.AddrPort) (int, error) {
	switch call {
	case "sendto":
		b := address(to)
		got, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), 0, uintptr(n), uintptr(flags), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		return int(got), result(call, errno)
	case "sendmsg", "recvmsg":
		return s.sys(call, nullCalls[call], uintptr(fd), 0, uintptr(flags))
	}
	return s.sys(call, nullCalls[call], uintptr(fd), 0, uintptr(n), uintptr(flags))
}

var nullCalls = map[string]uintptr{
	"read": unix.SYS_READ, "recv": unix.SYS_RECVFROM, "recvfrom": unix.SYS_RECVFROM, "recvmsg": unix.SYS_RECVMSG,
	"write": unix.SYS_WRITE, "send": unix.SYS_SENDTO, "sendmsg": unix.SYS_SENDMSG,
	"bind": unix.SYS_BIND, "connect": unix.SYS_CONNECT,
}

// NullOption has an option's value at the address 0, which has the size of an
// int. The length of getsockopt is there as well: Linux looks at it first.
func (s *sockets) NullOption(call string, fd, level, num int) error {
	const size = 4
	var err error
	if call == "getsockopt" {
		_, err = s.sys(call, unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), 0, 0)
	} else {
		_, err = s.sys(call, unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), 0, size)
	}
	return err
}

// Zero is the clock that times in control messages are of.
func (s *sockets) Zero() time.Duration { return s.t.wallZero() }
