package sockapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// kernel is what a row of a table is run on: a simulated process, or Linux.
type kernel interface {
	Socket(family, typ, proto int) (int, error)
	Bind(fd int, addr netip.AddrPort) error
	Listen(fd, backlog int) error
	Accept4(fd, flags int) (int, netip.AddrPort, error)
	Connect(fd int, addr netip.AddrPort) error
	Shutdown(fd, how int) error
	Close(fd int) error
	Dup(fd int) (int, error)
	Fcntl(fd, cmd, arg int) (int, error)
	Getsockname(fd int) (netip.AddrPort, error)
	Getpeername(fd int) (netip.AddrPort, error)
	Read(fd, n int) ([]byte, error)
	Write(fd int, data []byte) (int, error)
	Send(fd int, data []byte, flags int) (int, error)
	Sendto(fd int, data []byte, flags int, to netip.AddrPort) (int, error)
	Recv(fd, n, flags int) ([]byte, error)
	Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error)
	RecvInto(fd int, buf []byte, flags int) (int, error)
	Poll(fds []sockapi.PollFD, timeout time.Duration) (int, error)
	Setsockopt(fd, level, num int, value any) error
	Getsockopt(fd, level, num int) (any, error)
	Sleep(d time.Duration)
}

var _ kernel = (*sockapi.Proc)(nil)

// row is one behaviour: what run does and what it says about it. It is run on
// a simulated host that has nothing but lo, and on Linux's loopback.
type row struct {
	name string
	run  func(*kit)
	want string
	// linux is what Linux says where netstack differs: each is in
	// docs/limits.md. Empty means the same as want.
	linux string
}

// kit is a kernel with a notebook.
type kit struct {
	kernel
	t     testing.TB
	notes []string
	fds   []int
	real  bool // it is Linux
}

var (
	lo4 = netip.MustParseAddr("127.0.0.1")
	lo6 = netip.MustParseAddr("::1")
)

const (
	inet, inet6   = sockapi.AF_INET, sockapi.AF_INET6
	stream, dgram = sockapi.SOCK_STREAM, sockapi.SOCK_DGRAM
	nonblock      = sockapi.SOCK_NONBLOCK
	dontwait      = sockapi.MSG_DONTWAIT
	ms            = time.Millisecond
)

// note writes one line of the notebook. An error is written as its errno.
func (k *kit) note(what string, values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			what += " ok"
		case error:
			what += " " + errnoName(v)
		case []byte:
			what += fmt.Sprintf(" %q", v)
		default:
			what += fmt.Sprintf(" %v", v)
		}
	}
	k.notes = append(k.notes, what)
}

// data notes what a receiving call returned.
func (k *kit) data(what string, b []byte, err error) {
	if err != nil {
		k.note(what, err)
		return
	}
	k.note(what, b)
}

// count notes what a sending call returned.
func (k *kit) count(what string, n int, err error) {
	if err != nil {
		k.note(what, err)
		return
	}
	k.note(what, n)
}

func errnoName(err error) string {
	var e sockapi.Errno
	if errors.As(err, &e) {
		return e.Name()
	}
	return hostErrno(err)
}

func (k *kit) must(err error) {
	k.t.Helper()
	require.NoError(k.t, err)
}

// settle gives the network time: a millisecond is a thousand times lo's delay.
// On Linux, loopback delivers before send returns.
func (k *kit) settle() { k.Sleep(ms) }

func (k *kit) socket(family, typ int) int {
	k.t.Helper()
	fd, err := k.Socket(family, typ, 0)
	k.must(err)
	k.fds = append(k.fds, fd)
	return fd
}

func (k *kit) tcp() int { return k.socket(inet, stream) }
func (k *kit) udp() int { return k.socket(inet, dgram) }

// bound is a socket on a free port of the loopback address.
func (k *kit) bound(family, typ int) (int, netip.AddrPort) {
	k.t.Helper()
	fd, a := k.socket(family, typ), lo4
	if family == inet6 {
		a = lo6
	}
	k.must(k.Bind(fd, netip.AddrPortFrom(a, 0)))
	return fd, k.name(fd)
}

func (k *kit) name(fd int) netip.AddrPort {
	k.t.Helper()
	addr, err := k.Getsockname(fd)
	k.must(err)
	return addr
}

// closedPort is an address at which nobody listens.
func (k *kit) closedPort() netip.AddrPort {
	_, addr := k.bound(inet, stream)
	return addr
}

func (k *kit) listener(backlog int) (int, netip.AddrPort) {
	k.t.Helper()
	fd, addr := k.bound(inet, stream)
	k.must(k.Listen(fd, backlog))
	return fd, addr
}

func (k *kit) accept(l int) int {
	k.t.Helper()
	fd, _, err := k.Accept4(l, 0)
	k.must(err)
	k.fds = append(k.fds, fd)
	return fd
}

// pair is a connection: both its ends.
func (k *kit) pair() (client, server int) {
	k.t.Helper()
	l, addr := k.listener(4)
	client = k.tcp()
	k.must(k.Connect(client, addr))
	server = k.accept(l)
	k.must(k.Close(l))
	return client, server
}

// reset makes the peer of the other end send a reset.
func (k *kit) reset(fd int) {
	k.t.Helper()
	k.must(k.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true}))
	k.must(k.Close(fd))
	k.settle()
}

func (k *kit) send(fd int, s string) {
	k.t.Helper()
	n, err := k.Send(fd, []byte(s), 0)
	k.must(err)
	require.Equal(k.t, len(s), n)
	k.settle()
}

// poll notes every event that holds.
func (k *kit) poll(what string, fd int) {
	fds := []sockapi.PollFD{{FD: fd, Events: sockapi.POLLIN | sockapi.POLLPRI | sockapi.POLLOUT | sockapi.POLLRDHUP}}
	_, err := k.Poll(fds, 0)
	k.must(err)
	k.note(what, sockapi.PollString(fds[0].Revents))
}

func (k *kit) soError(fd int) {
	v, err := k.Getsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_ERROR)
	k.must(err)
	n := "0"
	if v != 0 {
		n = sockapi.Errno(v.(int)).Name()
	}
	k.note("SO_ERROR", n)
}

func (k *kit) done() string { return strings.Join(k.notes, "; ") }

// runRows runs a table in a simulated world and on Linux.
func runRows(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var got string
			inWorld(t, func(p *sockapi.Proc) {
				k := &kit{kernel: p, t: t}
				r.run(k)
				got = k.done()
			})
			require.Equal(t, r.want, got)
		})
		t.Run(r.name+"/linux", func(t *testing.T) {
			k := hostKit(t)
			r.run(k)
			want := r.want
			if r.linux != "" {
				want = r.linux
			}
			require.Equal(t, want, k.done(), "this is what Linux does")
		})
	}
}

// inWorld runs fn as a process of a host that has lo and no link.
func inWorld(t testing.TB, fn func(*sockapi.Proc)) *collector {
	t.Helper()
	w := sim.New(sim.Config{Seed: 1})
	t.Cleanup(w.Close)
	c := &collector{}
	w.Bus().Attach(c)
	h, err := w.AddHost(sim.HostConfig{Name: "h"})
	require.NoError(t, err)
	h.Spawn("test", func(p *sockapi.Proc) error { fn(p); return nil })
	require.NoError(t, w.Run(context.Background(), sim.UntilQuiet))
	return c
}

// collector is a sink that keeps every event.
type collector struct{ events []*trace.Event }

func (c *collector) Event(e *trace.Event) error { c.events = append(c.events, e); return nil }
func (c *collector) Close() error               { return nil }

// bodies returns the bodies of one type.
func bodies[T trace.Body](c *collector) []T {
	var out []T
	for _, e := range c.events {
		if b, ok := e.Body.(T); ok {
			out = append(out, b)
		}
	}
	return out
}
