package sockapi_test

import (
	"errors"
	"testing"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// brokenPipe returns a socket whose peer is gone: the next send gives EPIPE.
func brokenPipe(t testing.TB, p *sockapi.Proc) int {
	fds, err := p.Socketpair(sockapi.AF_UNIX, stream, 0)
	require.NoError(t, err)
	require.NoError(t, p.Close(fds[1]))
	return fds[0]
}

// TestSIGPIPE: by default nothing happens but the event; with SIG_DFL the
// process ends, its other threads in their calls, and its descriptors with it.
func TestSIGPIPE(t *testing.T) {
	reached := 0
	var listener int
	c := twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, nil, func(p *sockapi.Proc) {
		s := brokenPipe(t, p)
		_, err := p.Send(s, []byte("x"), sockapi.MSG_NOSIGNAL)
		require.ErrorIs(t, err, sockapi.EPIPE)
		_, err = p.Send(s, []byte("x"), 0)
		require.ErrorIs(t, err, sockapi.EPIPE)
		old, err := p.Signal(sockapi.SIGPIPE, sockapi.SIG_DFL)
		require.NoError(t, err)
		require.Equal(t, sockapi.SIG_IGN, old)
		_, err = p.Signal(9, sockapi.SIG_DFL)
		require.ErrorIs(t, err, sockapi.EINVAL)
		listener, err = p.Socket(inet, stream, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(listener, bAddrOf("10.0.0.1:80")))
		require.NoError(t, p.Listen(listener, 1))
		p.Go(func(q *sockapi.Proc) error {
			_, _, err := q.Accept(listener)
			reached++
			return err
		})
		p.Go(func(q *sockapi.Proc) error { q.Sleep(1000 * ms); reached++; return nil })
		p.Sleep(ms)
		_, _ = p.Send(s, []byte("x"), 0)
		reached++
	})
	require.Zero(t, reached, "no thread has gone on")
	var signals []string
	exits := 0
	for _, b := range bodies[*trace.Process](c) {
		switch b.What {
		case "signal":
			signals = append(signals, b.Signal)
		case "exit":
			exits++
		}
	}
	require.Equal(t, []string{"SIGPIPE (ignored)", "SIGPIPE"}, signals, "none with MSG_NOSIGNAL")
	require.Equal(t, 1, exits)
	closed := 0
	for _, b := range bodies[*trace.State](c) {
		if b.From == trace.Listen && b.To == trace.Closed {
			closed++
		}
	}
	require.Equal(t, 1, closed, "the listener was closed although a thread was in accept on it")
}

// TestExec: the descriptors with FD_CLOEXEC are closed, the others stay, the
// name changes, and what the new program returns is the process's end.
func TestExec(t *testing.T) {
	boom := errors.New("boom")
	w := sim.New(sim.Config{})
	t.Cleanup(w.Close)
	h, err := w.AddHost(sim.HostConfig{Name: "h"})
	require.NoError(t, err)
	var fds []int
	name := ""
	h.Spawn("sh", func(p *sockapi.Proc) error {
		_, _ = p.Socket(inet, dgram, 0)
		_, _ = p.Socket(inet, dgram|sockapi.SOCK_CLOEXEC, 0)
		_, _ = p.EpollCreate(sockapi.EPOLL_CLOEXEC)
		_, _ = p.Socket(inet, stream, 0)
		p.Go(func(q *sockapi.Proc) error { q.Sleep(1000 * ms); return errors.New("a thread has outlived exec") })
		p.Exec("httpd", func(p *sockapi.Proc) error {
			name = p.Name
			for _, f := range p.FDs() {
				fds = append(fds, f.Num)
			}
			return boom
		})
		return errors.New("exec has returned")
	})
	err = w.Run(t.Context(), sim.UntilQuiet)
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "httpd on h")
	require.Equal(t, []int{3, 6}, fds)
	require.Equal(t, "httpd", name)
	require.Zero(t, w.Now(), "nobody slept")
}

// TestExecInTheMiddleOfACall: the thread that execs is in no call, but others
// may be in one on a descriptor that is closed by it.
func TestExecInTheMiddleOfACall(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, stream|sockapi.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, bAddrOf("127.0.0.1:80")))
		require.NoError(t, p.Listen(s, 1))
		p.Go(func(q *sockapi.Proc) error { _, _, err := q.Accept(s); return err })
		p.Sleep(ms)
		p.Exec("again", func(p *sockapi.Proc) error {
			s, err := p.Socket(inet, stream, 0)
			require.NoError(t, err)
			return p.Bind(s, bAddrOf("127.0.0.1:80")) // free again
		})
	})
	require.NotEmpty(t, c.events)
}

// TestClosesocket is close under its other name, for sockets alone.
func TestClosesocket(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, stream, 0)
		require.NoError(t, err)
		require.NoError(t, p.Closesocket(s))
		require.ErrorIs(t, p.Closesocket(s), sockapi.EBADF)
		require.ErrorIs(t, p.Closesocket(1), sockapi.ENOTSOCK)
	})
}
