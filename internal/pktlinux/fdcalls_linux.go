package pktlinux

import (
	"encoding/binary"
	"time"
	"unsafe"

	"fivetuple/sockapi"

	"golang.org/x/sys/unix"
)

// This file has the calls about descriptors of any kind.

func (s *sockets) Fcntl(fd, cmd, arg int) (int, error) {
	return s.sys("fcntl", unix.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
}

func (s *sockets) Ioctl(fd, request int) (int, error) {
	n, err := unix.IoctlGetInt(fd, uint(request))
	return n, failure("ioctl", err)
}

func (s *sockets) Sendfile(out, in, offset, n int) (int, error) {
	var at *int64
	if offset >= 0 {
		o := int64(offset)
		at = &o
	}
	got, err := unix.Sendfile(out, in, at, n)
	return got, failure("sendfile", err)
}

func (s *sockets) MemfdCreate(name string, flags int) (int, error) {
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_CLOEXEC)
	return s.keep(fd, failure("memfd_create", err))
}

func (s *sockets) Lseek(fd, offset, whence int) (int, error) {
	n, err := unix.Seek(fd, int64(offset), whence)
	return int(n), failure("lseek", err)
}

func (s *sockets) Pipe() (r, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return 0, 0, failure("pipe", err)
	}
	_, _ = s.keep(p[0], nil)
	_, _ = s.keep(p[1], nil)
	return p[0], p[1], nil
}

func (s *sockets) Splice(in, out, n, flags int) (int, error) {
	return s.sys("splice", unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(n), uintptr(flags))
}

// millis is a timeout as the kernel has it: less than 0 is none.
func millis(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int(d.Milliseconds())
}

func (s *sockets) Poll(fds []sockapi.PollFD, timeout time.Duration) (int, error) {
	list := make([]unix.PollFd, len(fds))
	for i, f := range fds {
		list[i] = unix.PollFd{Fd: int32(f.FD), Events: int16(f.Events)}
	}
	n, err := unix.Poll(list, millis(timeout))
	for i := range list {
		fds[i].Revents = int(uint16(list[i].Revents))
	}
	return n, failure("poll", err)
}

func (s *sockets) EpollCreate(flags int) (int, error) {
	fd, err := unix.EpollCreate1(flags | unix.EPOLL_CLOEXEC)
	return s.keep(fd, failure("epoll_create", err))
}

func (s *sockets) EpollCtl(ep, op, fd int, event sockapi.EpollEvent) error {
	e := unix.EpollEvent{Events: uint32(event.Events), Fd: int32(event.Data), Pad: int32(event.Data >> 32)}
	return failure("epoll_ctl", unix.EpollCtl(ep, op, fd, &e))
}

func (s *sockets) EpollWait(ep, most int, timeout time.Duration) ([]sockapi.EpollEvent, error) {
	if most <= 0 || most > 1<<16 {
		return nil, failure("epoll_wait", unix.EINVAL)
	}
	list := make([]unix.EpollEvent, most)
	n, err := unix.EpollWait(ep, list, millis(timeout))
	if err != nil {
		return nil, failure("epoll_wait", err)
	}
	out := make([]sockapi.EpollEvent, n)
	for i, e := range list[:n] {
		out[i] = sockapi.EpollEvent{Events: int(e.Events), Data: int(uint32(e.Fd)) | int(e.Pad)<<32}
	}
	return out, nil
}

// getsockopt reads an option's bytes.
func getsockopt(fd, level, num, size int) ([]byte, unix.Errno) {
	b, n := make([]byte, size), uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), uintptr(unsafe.Pointer(&b[0])),
		uintptr(unsafe.Pointer(&n)), 0)
	return b[:min(int(n), size)], errno
}

func setsockopt(fd, level, num int, b []byte) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), 0)
	return errno
}

func (s *sockets) Setsockopt(fd, level, num int, v any) error {
	var b []byte
	switch v := v.(type) {
	case []byte:
		b = v
	case string:
		b = []byte(v)
	case sockapi.Linger:
		on := 0
		if v.On {
			on = 1
		}
		b = append(word(on), word(v.Seconds)...)
	case time.Duration:
		b = binary.NativeEndian.AppendUint64(nil, uint64(v/time.Second))
		b = binary.NativeEndian.AppendUint64(b, uint64(v%time.Second/time.Microsecond))
	case int:
		b = word(v)
	default:
		return failure("setsockopt", unix.EINVAL)
	}
	return result("setsockopt", setsockopt(fd, level, num, b))
}

func word(v int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }

func (s *sockets) Getsockopt(fd, level, num int) (any, error) {
	if level == unix.IPPROTO_TCP && num == unix.TCP_INFO {
		return tcpInfo(fd)
	}
	b, errno := getsockopt(fd, level, num, 256)
	switch {
	case errno != 0:
		return nil, failure("getsockopt", errno)
	case level == unix.SOL_SOCKET && num == unix.SO_LINGER && len(b) == 8:
		return sockapi.Linger{On: binary.NativeEndian.Uint32(b) != 0, Seconds: int(int32(binary.NativeEndian.Uint32(b[4:])))}, nil
	case level == unix.SOL_SOCKET && (num == unix.SO_RCVTIMEO || num == unix.SO_SNDTIMEO) && len(b) == 16:
		return time.Duration(binary.NativeEndian.Uint64(b))*time.Second + time.Duration(binary.NativeEndian.Uint64(b[8:]))*time.Microsecond, nil
	case level == unix.IPPROTO_TCP && num == unix.TCP_CONGESTION:
		return unix.ByteSliceToString(b), nil
	case len(b) == 4:
		return int(int32(binary.NativeEndian.Uint32(b))), nil
	case len(b) == 1:
		return int(b[0]), nil
	}
	return b, nil
}
