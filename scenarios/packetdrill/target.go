package packetdrill

import (
	"context"
	"net/netip"
	"time"

	"fivetuple/sockapi"
)

// Target is what a script runs against: a host under test, and a link to it
// whose other end is the script. The runner owns the script (events and their
// times, what is mapped to what, what is compared, verdicts); a target owns the
// host and its clock. The default is netstack in virtual time; package
// internal/pktlinux is the kernel of a network namespace.
//
// The contract: one goroutine calls all methods, and the functions that are
// passed to them are called on that goroutine, from within a method, but for the
// call of Do. Times count from the first Run, at which it is 0. Open comes
// first, then the Commands of the script's beginning, then Run(0, nil), then the
// rest in any order. The caller of [Run] that made a target closes it.
type Target interface {
	// Open makes the host with the addresses and the MTU of the settings. sent is
	// called for each packet that the host sends, in their order.
	Open(ctx context.Context, set *Settings, sent func(Sent)) error
	// Command does what one command line asks for. first says that the host has
	// not started. The note, if there is one, says what it does not change and
	// why. The problem is nil, or why it cannot be done; its line is that of the
	// command.
	Command(l ShellLine, first bool) (note string, p *Problem)
	// Now is the time. It does not pass between calls in virtual time.
	Now() time.Duration
	// Run lets time pass until done holds, and at most until a time, which may be
	// past: then only what has happened already is noticed. A nil done never
	// holds. It reports what done said last. It may return early, without done,
	// if nothing can happen until then. It fails if the run has to end, because
	// of its context or a bound.
	Run(until time.Duration, done func() bool) (bool, error)
	// Inject hands a packet to the host, from the link.
	Inject(packet []byte) error
	// Do makes a system call: call makes it, perhaps on a thread of its own, and
	// then returned is told when it was over. Do returns when the call has
	// returned, or waits in the host. blocks says that the script expects that.
	Do(call func(Sockets), blocks bool, returned func(at time.Duration))
	// Lacks reports whether the host does not have a feature, by the name that
	// [Problem] gives it: "TCP Fast Open".
	Lacks(feature string) bool
}

// Sent is a packet that a host has sent.
type Sent struct {
	At    time.Duration
	Bytes []byte // to keep
	// Segment is the size of the payloads that a network card would cut the packet
	// into; 0 if it is one on the wire as well.
	Segment int
}

// Sockets are the system calls of a process, as [sockapi.Proc] has them: the
// same arguments, results and errors ([sockapi.Error]).
type Sockets interface {
	Socket(family, typ, proto int) (int, error)
	Bind(fd int, addr netip.AddrPort) error
	Listen(fd, backlog int) error
	Accept(fd int) (int, netip.AddrPort, error)
	Accept4(fd, flags int) (int, netip.AddrPort, error)
	Connect(fd int, addr netip.AddrPort) error
	Close(fd int) error
	Shutdown(fd, how int) error

	Read(fd, n int) ([]byte, error)
	Recv(fd, n, flags int) ([]byte, error)
	RecvInto(fd int, b []byte, flags int) (int, error)
	Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error)
	Recvmsg(fd int, m *sockapi.Msg, flags int) (int, error)
	Readv(fd int, iov [][]byte) (int, error)
	Write(fd int, data []byte) (int, error)
	Send(fd int, data []byte, flags int) (int, error)
	Sendto(fd int, data []byte, flags int, to netip.AddrPort) (int, error)
	Sendmsg(fd int, m *sockapi.Msg, flags int) (int, error)
	Writev(fd int, iov [][]byte) (int, error)
	Sendfile(out, in, offset, n int) (int, error)

	Fcntl(fd, cmd, arg int) (int, error)
	Ioctl(fd, request int) (int, error)
	Getsockopt(fd, level, num int) (any, error)
	Setsockopt(fd, level, num int, v any) error
	Poll(fds []sockapi.PollFD, timeout time.Duration) (int, error)
	EpollCreate(flags int) (int, error)
	EpollCtl(ep, op, fd int, event sockapi.EpollEvent) error
	EpollWait(ep, most int, timeout time.Duration) ([]sockapi.EpollEvent, error)
	MemfdCreate(name string, flags int) (int, error)
	Lseek(fd, offset, whence int) (int, error)
}

// NativeSockets are [Sockets] of a host that has also what netstack lacks. The
// values of options and control messages that sockapi has no type for are
// []byte, as in the kernel's headers.
type NativeSockets interface {
	Sockets
	// Null makes a call whose data is at the address 0: n bytes to move, a socket
	// address of n bytes, or a message.
	Null(call string, fd, n, flags int, to netip.AddrPort) (int, error)
	// NullOption is Null of getsockopt and setsockopt.
	NullOption(call string, fd, level, num int) error
	Pipe() (r, w int, err error)
	Splice(in, out, n, flags int) (int, error)
	// Zero is the time in seconds and nanoseconds that the host's clock had at
	// time 0, from which the times in control messages count.
	Zero() time.Duration
}

// Timestamps are the data of SCM_TIMESTAMPING: software, (unused), hardware, by
// the host's clock.
type Timestamps [3]time.Duration

// Info are the fields of struct tcp_info by their names, without "tcpi_".
type Info map[string]int64
