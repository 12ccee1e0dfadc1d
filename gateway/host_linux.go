package gateway

import (
	"net/netip"
	"os"
	"unsafe"

	"fivetuple/sockapi"

	"golang.org/x/sys/unix"
)

// New makes a gateway. The error is that of epoll.
func New(cfg Config) (*Gateway, error) {
	m, err := newMachine()
	if err != nil {
		return nil, err
	}
	return newGateway(cfg, m), nil
}

// NewRecorded makes a gateway whose recorder is told what the machine answers:
// with it, [NewReplayed] makes one that does the same.
func NewRecorded(cfg Config, to Recorder) (*Gateway, error) {
	m, err := newMachine()
	if err != nil {
		return nil, err
	}
	return newGateway(cfg, &recorded{host: m, to: to}), nil
}

// machine is this machine: its sockets, and an epoll instance that says which of
// them are ready.
type machine struct {
	poll   int
	events [128]unix.EpollEvent
	found  int // of events
	taken  [128]event
}

func newMachine() (*machine, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &machine{poll: fd}, nil
}

// errno is an error of the machine's as [host] has it.
func errno(err error) error {
	if e, ok := err.(unix.Errno); ok && e != 0 {
		return sockapi.Errno(e)
	}
	return err
}

// socket makes a socket that does not block.
func (m *machine) socket(v6 bool, proto uint8) (int, error) {
	family, typ, p := unix.AF_INET, unix.SOCK_DGRAM, 0
	if v6 {
		family = unix.AF_INET6
	}
	switch proto {
	case protoTCP:
		typ = unix.SOCK_STREAM
	case protoICMP, protoICMPv6:
		p = int(proto)
	}
	return unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, p)
}

// canPing implements [host].
func (m *machine) canPing(proto uint8) bool {
	fd, err := m.socket(proto == protoICMPv6, proto)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// dial implements [host].
func (m *machine) dial(proto uint8, to netip.AddrPort, num int32) (int, error) {
	fd, err := m.socket(to.Addr().Is6(), proto)
	if err != nil {
		return -1, errno(err)
	}
	if proto == protoTCP {
		// Data goes on as it comes; a peer that is gone is noticed after two
		// hours, as RFC 5382, REQ-5 asks for.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	err = unix.Connect(fd, sockaddr(to))
	for err == unix.EINTR {
		err = unix.Connect(fd, sockaddr(to))
	}
	if err == nil || err == unix.EINPROGRESS || err == unix.EALREADY {
		err = m.add(fd, num)
	}
	if err != nil {
		unix.Close(fd)
		return -1, errno(err)
	}
	return fd, nil
}

// add has events of a socket reported with a number.
func (m *machine) add(fd int, num int32) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd), Pad: num}
	return unix.EpollCtl(m.poll, unix.EPOLL_CTL_ADD, fd, &e)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// name implements [host].
func (m *machine) name(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// failure implements [host].
func (m *machine) failure(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return errno(err)
}

// pending implements [host].
func (m *machine) pending(fd int) bool {
	_, err := unix.Getpeername(fd)
	return err == unix.ENOTCONN
}

// read and write do not tell Go's scheduler that they are system calls: they do
// not wait.

func (m *machine) read(fd int, b []byte) (int, error) { return call(unix.SYS_READ, fd, b, 0) }

func (m *machine) write(fd int, b []byte) (int, error) {
	return call(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL)
}

func call(trap uintptr, fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, sockapi.Errno(e)
		}
	}
}

func (m *machine) finish(fd int) error { return errno(unix.Shutdown(fd, unix.SHUT_WR)) }

// reset implements [host].
func (m *machine) reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func (m *machine) close(fd int) { unix.Close(fd) }
func (m *machine) shut()        { unix.Close(m.poll) }
func (m *machine) pollFD() int  { return m.poll }

// ready implements [host].
func (m *machine) ready() bool {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(m.poll), uintptr(unsafe.Pointer(&m.events[0])), uintptr(len(m.events)), 0, 0, 0)
	m.found = 0
	if e == 0 {
		m.found = int(n)
	}
	return m.found > 0
}

// take implements [host].
func (m *machine) take() []event {
	out := m.taken[:m.found]
	for i := range out {
		e := &m.events[i]
		out[i] = event{e.Fd, e.Pad, e.Events}
	}
	m.found = 0
	return out
}

// wait implements [host].
func (m *machine) wait(ms int) bool {
	fds := []unix.PollFd{{Fd: int32(m.poll), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, ms)
	return err == nil && n > 0
}
