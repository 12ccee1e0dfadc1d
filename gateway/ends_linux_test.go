package gateway_test

import (
	"bytes"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// This file is about ends that come together with something else: each test
// decides when the gateway hears of the machine's sockets.

// hear has the gateway hear of its sockets, and the world move on, until done.
func (l *lab) hear(done func() bool) {
	l.t.Helper()
	for !done() {
		require.NoError(l.t, l.t.Context().Err())
		for l.gate.Ready() {
			l.gate.Take()
		}
		require.NoError(l.t, l.w.Run(l.t.Context(), sim.Until(l.w.Now()+time.Millisecond)))
	}
}

// noFlows reports whether all flows have ended.
func (l *lab) noFlows() bool { return len(l.gate.Flows()) == 0 }

// dialNow connects a client.
func dialNow(t *testing.T, l *lab, client *sim.Caller, to netip.AddrPort) (fd int) {
	t.Helper()
	l.ask(client, func(p *sockapi.Proc) (err error) {
		fd, err = dialIn(p, sockapi.AF_INET, to)
		return err
	})
	return fd
}

// TestTCPBannerAndFIN: a server that accepts, writes and closes before the gateway
// hears that it is connected: epoll says all of it at once, and never again. The
// client gets the bytes and the FIN.
func TestTCPBannerAndFIN(t *testing.T) {
	// A queue of one connection, which is full: the gateway's has to wait for the
	// kernel's next SYN.
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(s)
	require.NoError(t, unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(s, 0))
	name, err := unix.Getsockname(s)
	require.NoError(t, err)
	port := uint16(name.(*unix.SockaddrInet4).Port)
	filler, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
	require.NoError(t, err)
	defer filler.Close()

	l := newLab(t, gateway.Config{})
	client := l.client.SpawnCaller("client")
	var got []byte
	var ended error
	done := false
	client.Do(func(p *sockapi.Proc) {
		defer func() { done = true }()
		fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
		if ended = err; err == nil {
			got, ended = readAll(p, fd)
		}
	})
	l.hear(func() bool { return len(l.gate.Flows()) == 1 && l.gate.Flows()[0].HostFD >= 0 })
	require.Equal(t, "connecting", l.gate.Flows()[0].State)
	first, _, err := unix.Accept(s)
	require.NoError(t, err)
	defer unix.Close(first)
	conn, _, err := unix.Accept(s) // waits for the SYN that comes again
	require.NoError(t, err)
	_, err = unix.Write(conn, []byte("banner"))
	require.NoError(t, err)
	require.NoError(t, unix.Close(conn))
	end := l.w.Now() + 10*time.Second
	l.hear(func() bool { return done || l.w.Now() > end })
	require.True(t, done, "the client waits for the FIN")
	require.NoError(t, ended)
	require.Equal(t, "banner", string(got))
}

// TestTCPBytesBeforeReset: what the server has sent before its RST reaches the
// client, as it does without a gateway: as much as the inside's first window, which
// netstack sends at once, has room for.
func TestTCPBytesBeforeReset(t *testing.T) {
	want := randomBytes(3, 10_000)
	conns := make(chan net.Conn, 1)
	port := listen(t, "127.0.0.1", func(c net.Conn) { conns <- c })
	l := newLab(t, gateway.Config{})
	client := l.client.SpawnCaller("client")
	fd := dialNow(t, l, client, netip.AddrPortFrom(target4, port))
	c := (<-conns).(*net.TCPConn)
	_, err := c.Write(want)
	require.NoError(t, err)
	require.NoError(t, c.SetLinger(0))
	require.NoError(t, c.Close())
	var got []byte
	var ended error
	l.ask(client, func(p *sockapi.Proc) error {
		got, ended = readAll(p, fd)
		return nil
	})
	require.ErrorIs(t, ended, sockapi.ECONNRESET)
	require.True(t, bytes.Equal(want, got), "%d of %d bytes came", len(got), len(want))
}

// TestTCPResetWhileStalled: a client's RST ends its flow although the server reads
// nothing, so that the gateway cannot write.
func TestTCPResetWhileStalled(t *testing.T) {
	conns := make(chan net.Conn, 1)
	port := listen(t, "127.0.0.1", func(c net.Conn) { conns <- c })
	l := newLab(t, gateway.Config{})
	l.quiet()
	client := l.client.SpawnCaller("client")
	fd := dialNow(t, l, client, netip.AddrPortFrom(target4, port))
	c := <-conns
	defer c.Close()
	data := make([]byte, 1<<20)
	for stalled, passed := 0, uint64(0); stalled < 20; stalled++ {
		l.ask(client, func(p *sockapi.Proc) error {
			_, _ = p.Send(fd, data, sockapi.MSG_DONTWAIT)
			return nil
		})
		end := l.w.Now() + 10*time.Millisecond
		l.hear(func() bool { return l.w.Now() > end })
		if now := l.gate.Counts().Sent; now > passed {
			passed, stalled = now, 0
		}
	}
	l.ask(client, func(p *sockapi.Proc) error {
		if err := p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true}); err != nil {
			return err
		}
		return p.Close(fd)
	})
	end := l.w.Now() + 10*time.Second
	l.hear(func() bool { return l.noFlows() || l.w.Now() > end })
	require.Empty(t, l.gate.Flows())
	_, err := c.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestTCPResetBeforeAccept: a client that answers the SYN-ACK with a RST, as one
// that has given up does, is a RST outside too.
func TestTCPResetBeforeAccept(t *testing.T) {
	got := make(chan error, 1)
	port := listen(t, "127.0.0.1", func(c net.Conn) {
		_, err := c.Read(make([]byte, 1))
		got <- err
	})
	l := newLab(t, gateway.Config{})
	client := l.client.SpawnCaller("client")
	l.ask(client, func(p *sockapi.Proc) error {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM|sockapi.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		_ = p.Connect(fd, netip.AddrPortFrom(target4, port)) // EINPROGRESS
		return p.Close(fd)
	})
	end := l.w.Now() + 10*time.Second
	l.hear(func() bool { return len(l.events.marks) > 0 && l.noFlows() || l.w.Now() > end })
	require.Empty(t, l.gate.Flows())
	require.ErrorIs(t, <-got, syscall.ECONNRESET)
}
