package stack_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// at runs the world up to t and lists a host's sockets.
func (l *lab) at(t time.Duration, h *sim.Host) []trace.Socket {
	l.t.Helper()
	require.NoError(l.t, l.Run(context.Background(), sim.Until(t)))
	return h.Sockets()
}

// TestListener: Recv-Q is the connections that wait to be accepted, Send-Q the
// backlog, as in ss(8).
func TestListener(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	l.accept(5, nil)
	for range 3 {
		l.client(func(p *sockapi.Proc, _ int) { p.Sleep(time.Second) })
	}
	rows := l.at(100*ms, l.b)
	require.Len(t, rows, 4)
	listener := rows[0]
	require.Equal(t, trace.Listen, listener.State)
	require.Equal(t, []int{3, 5}, []int{listener.RecvQ, listener.SendQ})
	require.Equal(t, server, listener.Local)
	require.False(t, listener.Remote.IsValid())
	require.Len(t, listener.Holders, 1)
	require.Equal(t, "server", listener.Holders[0].Proc)
	for _, k := range rows[1:] {
		require.Equal(t, trace.Established, k.State)
		require.Empty(t, k.Holders, "nobody has accepted it")
		require.Equal(t, netip.MustParseAddr("10.0.0.1"), k.Remote.Addr())
	}
}

// TestBacklog: a listener with a backlog of n holds n + 1 connections, as in
// Linux; the next one's handshake is not completed until there is room.
func TestBacklog(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	l.accept(2, nil)
	for range 5 {
		l.client(func(p *sockapi.Proc, _ int) { p.Sleep(time.Minute) })
	}
	rows := l.at(500*ms, l.b)
	require.Equal(t, 3, rows[0].RecvQ)
}

func TestQueues(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	l.accept(1, func(p *sockapi.Proc, _ int) { p.Sleep(time.Hour) })
	l.client(func(p *sockapi.Proc, fd int) {
		p.Sleep(80 * ms)
		_, err := p.Send(fd, make([]byte, 700), 0)
		require.NoError(t, err)
		p.Sleep(time.Hour)
	})
	a := l.at(105*ms, l.a)
	require.Len(t, a, 1)
	require.Equal(t, 700, a[0].SendQ, "sent at 100 ms, not acknowledged before 120 ms")
	require.Equal(t, []int{0, 0}, []int{l.at(200*ms, l.a)[0].SendQ, l.a.Sockets()[0].RecvQ})
	b := l.b.Sockets()
	require.Equal(t, 700, b[1].RecvQ, "nobody reads it")
	require.Equal(t, a[0].Local, b[1].Remote)
	require.NotZero(t, a[0].Info.Cwnd)
	require.Equal(t, 20*ms, a[0].Info.SRTT)
	require.Equal(t, "server", b[1].Holders[0].Proc)
	require.Equal(t, 4, b[1].Holders[0].FD)
}

// TestRows: every kind of end point has its row, in the order of protocol and
// addresses; a connection in TIME-WAIT has one that nobody holds.
func TestRows(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	l.accept(1, drain(t))
	l.client(func(p *sockapi.Proc, fd int) {
		require.NoError(t, p.Close(fd))
		for _, open := range []struct {
			family, typ   int
			local, remote string
		}{
			{sockapi.AF_INET, sockapi.SOCK_DGRAM, "0.0.0.0:53", ""},
			{sockapi.AF_INET, sockapi.SOCK_DGRAM, "10.0.0.1:54", "10.0.0.2:9"},
			{sockapi.AF_INET6, sockapi.SOCK_DGRAM, "[::]:55", ""},
			{sockapi.AF_INET, sockapi.SOCK_STREAM, "10.0.0.1:22", ""},
			{sockapi.AF_INET, sockapi.SOCK_STREAM, "", ""},
		} {
			s, err := p.Socket(open.family, open.typ, 0)
			require.NoError(t, err)
			if open.local != "" {
				require.NoError(t, p.Bind(s, netip.MustParseAddrPort(open.local)))
			}
			if open.remote != "" {
				require.NoError(t, p.Connect(s, netip.MustParseAddrPort(open.remote)))
			}
		}
		p.Sleep(time.Second)
	})
	var got []string
	for _, k := range l.at(200*ms, l.a) {
		row := k.Proto + " " + string(k.State) + " " + k.Local.String()
		if k.Remote.IsValid() {
			row += " " + k.Remote.String()
		}
		if k.State == trace.TimeWait {
			row = k.Proto + " TIME-WAIT " + k.Remote.String()
			require.Empty(t, k.Holders)
		} else {
			require.Len(t, k.Holders, 1)
		}
		got = append(got, row)
	}
	require.Equal(t, []string{
		"tcp TIME-WAIT 10.0.0.2:80",
		"udp CLOSED 0.0.0.0:53",
		"udp ESTABLISHED 10.0.0.1:54 10.0.0.2:9",
		"udp CLOSED [::]:55",
	}, got)
	require.True(t, l.a.Sockets()[3].V6)
	require.NotEmpty(t, l.at(59*time.Second, l.a))
	require.Empty(t, l.at(61*time.Second, l.a), "the process has ended, and so has TIME-WAIT")
}
