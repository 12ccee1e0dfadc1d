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
	spare  int // a descriptor for when there is no other; -1: none
	events [128]unix.EpollEvent
	found  int // of events
	taken  [128]event
}

func newMachine() (*machine, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &machine{poll: fd, spare: spareDescriptor()}, nil
}

// errno is an error of the machine's as [host] has it.
func errno(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return sockapi.Errno(e)
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
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), uintptr(typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), uintptr(p))
	return int(fd), errno(e)
}

// canPing implements [host].
func (m *machine) canPing(proto uint8) bool {
	fd, err := m.socket(proto == protoICMPv6, proto)
	if err != nil {
		return false
	}
	m.close(fd)
	return true
}

// dial implements [host].
func (m *machine) dial(proto uint8, to netip.AddrPort, num int32) (int, error) {
	fd, err := m.socket(to.Addr().Is6(), proto)
	if err != nil {
		return -1, err
	}
	if proto == protoTCP {
		streamOptions(fd)
	}
	e := connect(fd, to)
	if e == 0 || e == unix.EINPROGRESS || e == unix.EALREADY {
		e = m.add(fd, num)
	}
	if e != 0 {
		m.close(fd)
		return -1, errno(e)
	}
	return fd, nil
}

// add has events of a socket reported with a number.
func (m *machine) add(fd int, num int32) unix.Errno {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd), Pad: num}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(m.poll), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// name implements [host].
func (m *machine) name(fd int) netip.AddrPort {
	a, _ := addressOf(unix.SYS_GETSOCKNAME, fd)
	return a
}

// failure implements [host].
func (m *machine) failure(fd int) error {
	var n, size int32 = 0, 4
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&size)), 0)
	if e == 0 {
		e = unix.Errno(n)
	}
	return errno(e)
}

// pending implements [host].
func (m *machine) pending(fd int) bool {
	_, e := addressOf(unix.SYS_GETPEERNAME, fd)
	return e == unix.ENOTCONN
}

func (m *machine) read(fd int, b []byte) (int, error) { return call(unix.SYS_READ, fd, b, 0) }

func (m *machine) write(fd int, b []byte) (int, error) {
	return call(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL)
}

func (m *machine) finish(fd int) error {
	_, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno(e)
}

// reset implements [host].
func (m *machine) reset(fd int) { lingerNot(fd) }

func (m *machine) close(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
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
