package stack_test

import (
	"net/netip"
	"testing"

	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestInternals reads netstack's own variables of a connection with data in
// flight, and checks each against what the scenario makes it: an upgrade of
// gVisor that moves or renames one fails here.
func TestInternals(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	l.b.Spawn("server", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, server))
		require.NoError(t, p.Listen(s, 4))
		p.Sleep(1000 * ms)
		return nil
	})
	l.a.Spawn("client", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Connect(s, server))
		_, err = p.Send(s, make([]byte, 3000), 0)
		require.NoError(t, err)
		k := p.FDs()[0].Socket
		require.Equal(t, 3000, k.SendQ, "nothing is acknowledged yet")
		require.Equal(t, 1420, k.Info.MSS, "1460, less 40 bytes kept for options")
		require.Equal(t, 3, k.Info.Unacked, "1420 + 1420 + 160 bytes")
		require.Equal(t, 20*ms, k.Info.SRTT)
		require.True(t, k.Info.Timestamps)
		require.True(t, k.Info.SACK)
		require.EqualValues(t, 7, k.Info.SndWScale)
		require.EqualValues(t, 7, k.Info.RcvWScale)
		require.Positive(t, k.Info.SndWnd)
		require.Positive(t, k.Info.RcvWnd)
		p.Sleep(100 * ms)
		k = p.FDs()[0].Socket
		require.Zero(t, k.SendQ)
		require.Zero(t, k.Info.Unacked)
		require.InDelta(t, float64(20*ms), float64(k.Info.MinRTT), 1000, "less the ticks: docs/adr/0003-ticks.md")
		for _, s := range l.b.Sockets() {
			if s.State == trace.Listen {
				require.Equal(t, 1, s.RecvQ, "one connection waits to be accepted")
			}
		}
		return nil
	})
	l.run()
}

// TestLookup: the demultiplexer's decisions, from the most specific to none.
func TestLookup(t *testing.T) {
	l := newLab(t, stack.TCPConfig{})
	from := netip.MustParseAddrPort("10.0.0.1:5000")
	at := netip.MustParseAddrPort
	l.b.Spawn("server", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, server))
		require.NoError(t, p.Listen(s, 4))
		u, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(u, at("0.0.0.0:53")))
		_, _, err = p.Accept(s)
		require.NoError(t, err)
		for _, row := range []struct {
			name, proto string
			src, dst    netip.AddrPort
			match       stack.Match
			answer      string
		}{
			{"connection", "tcp", from, server, stack.MatchExact, ""},
			{"listener", "tcp", at("10.0.0.1:5001"), server, stack.MatchAddress, ""},
			{"closed tcp port", "tcp", from, at("10.0.0.2:81"), stack.MatchNone, "RST"},
			{"wildcard", "udp", from, at("10.0.0.2:53"), stack.MatchWildcard, ""},
			{"wildcard on lo", "udp", at("127.0.0.1:9"), at("127.0.0.1:53"), stack.MatchWildcard, ""},
			{"closed udp port", "udp", from, server, stack.MatchNone, "ICMP port unreachable"},
			{"another host's address", "tcp", from, at("10.0.0.3:80"), stack.MatchNone, ""},
		} {
			d := l.b.Stack().Lookup(row.proto, row.src, row.dst)
			require.Equal(t, row.match, d.Match, row.name)
			require.Equal(t, row.answer, d.Answer, row.name)
		}
		return nil
	})
	l.a.Spawn("client", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, from))
		require.NoError(t, p.Connect(s, server))
		p.Sleep(100 * ms)
		return nil
	})
	l.run()
}
