package stack_test

import (
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// tcpSocket makes a socket with an address; options of SOL_SOCKET are set to 1.
func tcpSocket(t *testing.T, p *sockapi.Proc, local netip.AddrPort, options ...int) int {
	t.Helper()
	s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
	require.NoError(t, err)
	for _, o := range options {
		require.NoError(t, p.Setsockopt(s, sockapi.SOL_SOCKET, o, 1))
	}
	require.NoError(t, p.Bind(s, local))
	return s
}

// timerOf is the timer of the host's one TCP socket that does not listen.
func timerOf(t *testing.T, h *sim.Host) trace.SocketTimer {
	t.Helper()
	var found []trace.SocketTimer
	for _, k := range h.Sockets() {
		if k.State != trace.Listen {
			found = append(found, k.Timer)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

// TestTimers reads each kind of timer at a known distance from its start: an
// upgrade of gVisor that changes one fails here.
func TestTimers(t *testing.T) {
	t.Run("handshake", func(t *testing.T) {
		l := newLab(t, stack.TCPConfig{}, after(-1))
		l.a.SpawnConfig(sim.SpawnConfig{Name: "client", Daemon: true}, func(p *sockapi.Proc) error {
			_ = p.Connect(tcpSocket(t, p, netip.MustParseAddrPort("10.0.0.1:5000")), server)
			return nil
		})
		require.NoError(t, l.Run(t.Context(), sim.Until(3500*ms)))
		require.Equal(t, trace.SocketTimer{Kind: "on", Left: 3500 * ms, Retrans: 2}, timerOf(t, l.a), "sent at 0, 1 and 3 s; next at 7 s")
	})
	t.Run("keepalive, then retransmission", func(t *testing.T) {
		l := newLab(t, stack.TCPConfig{}, after(500*ms))
		l.accept(4, nil)
		l.a.SpawnConfig(sim.SpawnConfig{Name: "client", Daemon: true}, func(p *sockapi.Proc) error {
			s := tcpSocket(t, p, netip.MustParseAddrPort("10.0.0.1:5000"))
			require.NoError(t, p.Setsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_KEEPIDLE, 10))
			require.NoError(t, p.Connect(s, server))
			require.NoError(t, p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1))
			p.Sleep(980 * ms)
			require.Equal(t, trace.SocketTimer{Kind: "keepalive", Left: 9020 * ms}, timerOf(t, l.a))
			_, err := p.Send(s, []byte("lost"), 0)
			require.NoError(t, err)
			p.Sleep(time.Hour)
			return nil
		})
		require.NoError(t, l.Run(t.Context(), sim.Until(1000*ms)))
		require.Equal(t, "on", timerOf(t, l.a).Kind)
		require.Zero(t, timerOf(t, l.a).Retrans)
		require.NoError(t, l.Run(t.Context(), sim.Until(2000*ms)))
		require.Equal(t, "on", timerOf(t, l.a).Kind)
		require.Positive(t, timerOf(t, l.a).Retrans)
	})
	t.Run("time-wait", func(t *testing.T) {
		l := newLab(t, stack.TCPConfig{TimeWait: 10 * time.Second})
		l.accept(4, drain(t))
		l.client(func(p *sockapi.Proc, fd int) { require.NoError(t, p.Close(fd)) })
		require.NoError(t, l.Run(t.Context(), sim.Until(1040*ms)))
		require.Equal(t, trace.SocketTimer{Kind: "timewait", Left: 9 * time.Second}, timerOf(t, l.a), "since 40 ms: two round trips")
	})
	t.Run("fin-wait-2 of an orphan", func(t *testing.T) {
		l := newLab(t, stack.TCPConfig{FinTimeout: 10 * time.Second})
		l.accept(4, func(p *sockapi.Proc, fd int) { p.Sleep(time.Hour) })
		l.client(func(p *sockapi.Proc, fd int) { require.NoError(t, p.Close(fd)) })
		require.NoError(t, l.Run(t.Context(), sim.Until(1020*ms)))
		require.Equal(t, "timewait", timerOf(t, l.a).Kind, "as Linux calls it")
		require.InDelta(t, float64(9*time.Second), float64(timerOf(t, l.a).Left), float64(50*ms))
		require.True(t, l.a.Sockets()[0].Orphan)
	})
	t.Run("persist", func(t *testing.T) {
		l := newLab(t, stack.TCPConfig{RcvBuf: stack.BufferRange{Min: 4096, Default: 4096, Max: 4096}})
		l.accept(4, func(p *sockapi.Proc, fd int) { p.Sleep(time.Hour) })
		l.client(func(p *sockapi.Proc, fd int) {
			_, err := p.Send(fd, make([]byte, 20000), 0)
			require.NoError(t, err)
			p.Sleep(time.Hour)
		})
		require.NoError(t, l.Run(t.Context(), sim.Until(2000*ms)))
		require.Equal(t, "persist", timerOf(t, l.a).Kind)
		k := l.a.Sockets()[0]
		require.Equal(t, k.SendQ, k.Mem.Queued)
		require.Positive(t, k.Mem.Queued)
		require.Positive(t, k.Mem.SndBuf)
	})
}

// TestPorts: what binds, listens or is connected has its row; sockets that share
// a port share one. netstack's own reservations agree.
func TestPorts(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	at := netip.MustParseAddrPort
	l.b.Spawn("server", func(p *sockapi.Proc) error {
		tcpSocket(t, p, at("10.0.0.2:9000"))
		for range 2 {
			require.NoError(t, p.Listen(tcpSocket(t, p, at("0.0.0.0:80"), sockapi.SO_REUSEPORT), 4))
		}
		u, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		require.NoError(t, err)
		_, err = p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0) // without an address
		require.NoError(t, err)
		require.NoError(t, p.Bind(u, at("10.0.0.2:80")))
		p.Sleep(time.Second)
		return nil
	})
	l.a.Spawn("client", func(p *sockapi.Proc) error {
		require.NoError(t, p.Connect(tcpSocket(t, p, at("10.0.0.1:5000"), sockapi.SO_REUSEADDR), server))
		p.Sleep(time.Second)
		return nil
	})
	require.NoError(t, l.Run(t.Context(), sim.Until(100*ms)))

	type row struct {
		proto, local string
		use          trace.PortUse
		sockets      int
		addr, port   int
		fds          []int
	}
	rows := func(h *sim.Host) (out []row) {
		for _, p := range h.Stack().Ports() {
			var fds []int
			for _, o := range p.Owners {
				fds = append(fds, o.FD)
			}
			out = append(out, row{p.Proto, p.Local.String(), p.Use, p.Sockets, p.ReuseAddr, p.ReusePort, fds})
		}
		return out
	}
	require.Equal(t, []row{{"tcp", "10.0.0.1:5000", trace.PortConnected, 1, 1, 0, []int{3}}}, rows(l.a))
	require.Equal(t, []row{
		{"tcp", "0.0.0.0:80", trace.PortListening, 2, 0, 2, []int{4, 5}},
		{"tcp", "10.0.0.2:80", trace.PortConnected, 1, 0, 0, nil}, // it waits to be accepted
		{"tcp", "10.0.0.2:9000", trace.PortBound, 1, 0, 0, []int{3}},
		{"udp", "10.0.0.2:80", trace.PortBound, 1, 0, 0, []int{6}},
	}, rows(l.b))
	require.Len(t, l.b.Sockets(), 4, "the demultiplexer does not know the one that is bound, and the one without an address")
	require.Len(t, l.b.Stack().AllSockets(), 6)

	l.b.Spawn("late", func(p *sockapi.Proc) error {
		for _, port := range rows(l.b) {
			typ := sockapi.SOCK_STREAM
			if port.proto == "udp" {
				typ = sockapi.SOCK_DGRAM
			}
			s, err := p.Socket(sockapi.AF_INET, typ, 0)
			require.NoError(t, err)
			require.ErrorIs(t, p.Bind(s, at(port.local)), sockapi.EADDRINUSE, port.local)
		}
		return nil
	})
	require.NoError(t, l.Run(t.Context(), sim.Until(200*ms)))
}

// TestExplain: the winner, and for each of the others why it lost.
func TestExplain(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	at := netip.MustParseAddrPort
	l.b.Spawn("server", func(p *sockapi.Proc) error {
		require.NoError(t, p.Listen(tcpSocket(t, p, at("10.0.0.2:80"), sockapi.SO_REUSEPORT), 4))
		require.NoError(t, p.Listen(tcpSocket(t, p, at("10.0.0.2:80"), sockapi.SO_REUSEPORT), 4))
		require.NoError(t, p.Listen(tcpSocket(t, p, at("0.0.0.0:80"), sockapi.SO_REUSEPORT), 4))
		require.NoError(t, p.Listen(tcpSocket(t, p, at("127.0.0.1:80"), sockapi.SO_REUSEPORT), 4))
		tcpSocket(t, p, at("10.0.0.2:81"))
		p.Sleep(time.Second)
		return nil
	})
	l.a.Spawn("client", func(p *sockapi.Proc) error {
		require.NoError(t, p.Connect(tcpSocket(t, p, at("10.0.0.1:5000")), server))
		p.Sleep(time.Second)
		return nil
	})
	require.NoError(t, l.Run(t.Context(), sim.Until(100*ms)))
	why := func(src, dst string) (m stack.Match, out []string) {
		x := l.b.Stack().Explain("tcp", at(src), at(dst))
		for _, c := range x.Others {
			out = append(out, string(c.Match)+": "+c.Why)
		}
		return x.Match, out
	}
	const exactWins, other = "but the exact match wins", "none: it is bound to another address"

	m, lost := why("10.0.0.1:5000", "10.0.0.2:80")
	require.Equal(t, stack.MatchExact, m)
	require.Equal(t, []string{"address: it would match by address, " + exactWins, "address: it would match by address, " + exactWins,
		"wildcard: it would match by port, " + exactWins, other}, lost)

	m, lost = why("10.0.0.1:5001", "10.0.0.2:80")
	require.Equal(t, stack.MatchAddress, m)
	require.Equal(t, []string{"address: it shares the port with SO_REUSEPORT, and the hash of the addresses chose the other",
		"wildcard: it would match by port, but the address match wins", "none: it is connected to another peer", other}, lost[:4])

	m, lost = why("10.0.0.1:5001", "10.0.0.2:81")
	require.Equal(t, stack.MatchNone, m)
	require.Equal(t, []string{"none: it is bound, but does not listen"}, lost)

	m, lost = why("10.0.0.1:5001", "10.0.0.9:80")
	require.Equal(t, stack.MatchNone, m)
	require.Contains(t, lost, "wildcard: 10.0.0.9 is not an address of this host")
}
