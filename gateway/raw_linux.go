package gateway

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The machine's calls do not tell Go's scheduler that they are system calls. On a
// socket that does not block they do not wait, but connect and close may take some
// tens of microseconds, after which the scheduler would take the processor from the
// loop, and wake a thread to give it to.

// call is read(2) or send(2).
func call(trap uintptr, fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno(e)
		}
	}
}

// connect is connect(2).
func connect(fd int, to netip.AddrPort) unix.Errno {
	for {
		var e unix.Errno
		if to.Addr().Is4() {
			a := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swapped(to.Port()), Addr: to.Addr().As4()}
			_, _, e = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
		} else {
			a := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swapped(to.Port()), Addr: to.Addr().As16()}
			_, _, e = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
		}
		if e != unix.EINTR {
			return e
		}
	}
}

// addressOf is getsockname(2) or getpeername(2) of an Internet socket.
func addressOf(trap uintptr, fd int) (netip.AddrPort, unix.Errno) {
	var any unix.RawSockaddrAny
	size := int32(unsafe.Sizeof(any))
	if _, _, e := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&any)), uintptr(unsafe.Pointer(&size))); e != 0 {
		return netip.AddrPort{}, e
	}
	switch any.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&any))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), swapped(a.Port)), 0
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&any))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), swapped(a.Port)), 0
	}
	return netip.AddrPort{}, 0
}

// swapped turns a port from the network's byte order into the machine's, or back.
func swapped(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// turnOn sets an option that every kernel has.
func turnOn(fd, level, name int) {
	one := int32(1)
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one), 0)
}

// lingerNot makes close(2) throw away what is not sent, with a RST: SO_LINGER.
func lingerNot(fd int) {
	l := unix.Linger{Onoff: 1}
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
}
