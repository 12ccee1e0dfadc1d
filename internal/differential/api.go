package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fivetuple/sockapi"
)

// api is the socket calls that both sides make. Errors are errnos: unix.Errno
// or a *sockapi.Error.
type api interface {
	more
	Socket(family, typ, proto int) (int, error)
	Bind(fd int, a netip.AddrPort) error
	Listen(fd, backlog int) error
	Accept(fd int) (int, netip.AddrPort, error)
	Connect(fd int, a netip.AddrPort) error
	Sendto(fd int, b []byte, flags int, to netip.AddrPort) (int, error)
	Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error)
	Shutdown(fd, how int) error
	Close(fd int) error
	Dup(fd int) (int, error)
	Getsockname(fd int) (netip.AddrPort, error)
	Getpeername(fd int) (netip.AddrPort, error)
	SetInt(fd, level, opt, v int) error
	GetInt(fd, level, opt int) (int, error)
	SetLinger(fd int, on bool, seconds int) error
	SetTimeout(fd, opt int, d time.Duration) error
	SetNonblock(fd int, on bool) error
	Poll(fd, events int, timeout time.Duration) (int, error)
	Ioctl(fd, request int) (int, error)
	// Settle waits until what was sent has arrived. On Linux, loopback delivers
	// before the call returns.
	Settle()
	// Name is the errno's name.
	Name(err error) string
}

// run is one program in progress: an api that writes down what each call
// returned. Descriptors are written as s1, s2, ... in order of creation, since
// the two sides number them differently.
type run struct {
	api
	log   []string
	names map[int]string
}

func newRun(a api) *run { return &run{api: a, names: make(map[int]string)} }

func (r *run) name(fd int) string {
	if n, ok := r.names[fd]; ok {
		return n
	}
	return fmt.Sprint(fd)
}

func (r *run) created(fd int) string {
	r.names[fd] = fmt.Sprintf("s%d", len(r.names)+1)
	return r.names[fd]
}

func (r *run) add(err error, result, format string, args ...any) {
	if err != nil {
		result = r.Name(err)
	}
	r.log = append(r.log, fmt.Sprintf(format, args...)+" = "+result)
}

// firstEphemeral is above every port that the programs name.
const firstEphemeral = 10000

// addr writes an address with ephemeral ports made alike.
func addr(a netip.AddrPort) string {
	if !a.IsValid() {
		return "none"
	}
	if a.Port() >= firstEphemeral {
		return a.Addr().String() + " ephemeral"
	}
	return a.String()
}

// The methods below are the calls that programs make.

func (r *run) socket(family, typ int) int {
	fd, err := r.Socket(family, typ, 0)
	if err != nil {
		r.add(err, "", "socket(%d, %d)", family, typ)
		return -1
	}
	r.add(nil, r.created(fd), "socket(%d, %d)", family, typ)
	return fd
}

func (r *run) bind(fd int, a string) error {
	err := r.Bind(fd, netip.MustParseAddrPort(a))
	r.add(err, "0", "bind(%s, %s)", r.name(fd), a)
	return err
}

func (r *run) listen(fd, backlog int) {
	r.add(r.Listen(fd, backlog), "0", "listen(%s, %d)", r.name(fd), backlog)
}

func (r *run) accept(fd int) int {
	n, peer, err := r.Accept(fd)
	if err != nil {
		r.add(err, "", "accept(%s)", r.name(fd))
		return -1
	}
	r.add(nil, r.created(n)+" "+addr(peer), "accept(%s)", r.name(fd))
	return n
}

func (r *run) connect(fd int, a string) {
	to := netip.AddrPort{}
	if a != "" {
		to = netip.MustParseAddrPort(a)
	}
	r.add(r.Connect(fd, to), "0", "connect(%s, %s)", r.name(fd), a)
	r.Settle()
}

func (r *run) send(fd int, data string, flags int) { r.sendto(fd, data, flags, "") }

func (r *run) sendto(fd int, data string, flags int, to string) {
	a := netip.AddrPort{}
	if to != "" {
		a = netip.MustParseAddrPort(to)
	}
	n, err := r.Sendto(fd, []byte(data), flags|sockapi.MSG_NOSIGNAL, a)
	r.add(err, fmt.Sprint(n), "sendto(%s, %d bytes, %#x, %s)", r.name(fd), len(data), flags, to)
	r.Settle()
}

func (r *run) recv(fd, n, flags int) {
	b, from, err := r.Recvfrom(fd, n, flags)
	result := fmt.Sprintf("%d %q", len(b), short(string(b)))
	if from.IsValid() {
		result += " from " + addr(from)
	}
	r.add(err, result, "recvfrom(%s, %d, %#x)", r.name(fd), n, flags)
}

func short(s string) string {
	if len(s) > 20 {
		return s[:20] + "..."
	}
	return s
}

func (r *run) shutdown(fd, how int) {
	r.add(r.Shutdown(fd, how), "0", "shutdown(%s, %d)", r.name(fd), how)
	r.Settle()
}

func (r *run) close(fd int) {
	r.add(r.Close(fd), "0", "close(%s)", r.name(fd))
	r.Settle()
}

func (r *run) dup(fd int) int {
	n, err := r.Dup(fd)
	if err != nil {
		r.add(err, "", "dup(%s)", r.name(fd))
		return -1
	}
	r.add(nil, r.created(n), "dup(%s)", r.name(fd))
	return n
}

func (r *run) sockname(fd int) {
	a, err := r.Getsockname(fd)
	r.add(err, addr(a), "getsockname(%s)", r.name(fd))
}

func (r *run) peername(fd int) {
	a, err := r.Getpeername(fd)
	r.add(err, addr(a), "getpeername(%s)", r.name(fd))
}

func (r *run) set(fd, level, opt, v int) {
	r.add(r.SetInt(fd, level, opt, v), "0", "setsockopt(%s, %d, %d, %d)", r.name(fd), level, opt, v)
}

func (r *run) get(fd, level, opt int) {
	v, err := r.GetInt(fd, level, opt)
	r.add(err, fmt.Sprint(v), "getsockopt(%s, %d, %d)", r.name(fd), level, opt)
}

// soError reads SO_ERROR and writes the errno's number.
func (r *run) soError(fd int) { r.get(fd, sockapi.SOL_SOCKET, sockapi.SO_ERROR) }

func (r *run) linger(fd int, on bool, seconds int) {
	r.add(r.SetLinger(fd, on, seconds), "0", "setsockopt(%s, SO_LINGER, %v %d)", r.name(fd), on, seconds)
}

func (r *run) timeout(fd, opt int, d time.Duration) {
	r.add(r.SetTimeout(fd, opt, d), "0", "setsockopt(%s, timeout %d, %v)", r.name(fd), opt, d)
}

func (r *run) nonblock(fd int) {
	r.add(r.SetNonblock(fd, true), "0", "fcntl(%s, O_NONBLOCK)", r.name(fd))
}

// pollAll is what programs poll for.
const pollAll = sockapi.POLLIN | sockapi.POLLOUT | sockapi.POLLPRI | sockapi.POLLRDHUP

func (r *run) poll(fd int) {
	got, err := r.Poll(fd, pollAll, 0)
	r.add(err, sockapi.PollString(got), "poll(%s)", r.name(fd))
}

func (r *run) ioctl(fd, request int) {
	n, err := r.Ioctl(fd, request)
	r.add(err, fmt.Sprint(n), "ioctl(%s, %#x)", r.name(fd), request)
}

func (r *run) transcript() string { return strings.Join(r.log, "\n") }
