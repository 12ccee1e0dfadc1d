package stack_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

var server = netip.MustParseAddrPort("10.0.0.2:80")

// lab is a client a, 10.0.0.1, and a server b, 10.0.0.2, 10 ms apart.
type lab struct {
	*sim.World
	t      testing.TB
	a, b   *sim.Host
	link   *sim.Link
	events []*trace.Event
}

func (l *lab) Event(e *trace.Event) error { l.events = append(l.events, e); return nil }

// sink hides that the lab is one: Close is the world's.
type sink struct{ *lab }

func (sink) Close() error { return nil }

// newLab gives both hosts the same settings.
func newLab(t testing.TB, tcp stack.TCPConfig, rules ...netem.Model) *lab {
	t.Helper()
	l := &lab{World: sim.New(sim.Config{Seed: 7}), t: t}
	t.Cleanup(l.World.Close)
	l.Bus().Attach(sink{l})
	add := func(name, addr string) *sim.Host {
		h, err := l.AddHost(sim.HostConfig{Name: name, TCP: tcp, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		require.NoError(t, err)
		return h
	}
	l.a, l.b = add("a", "10.0.0.1/24"), add("b", "10.0.0.2/24")
	link, err := l.Connect(l.a, l.b, sim.LinkConfig{Both: netem.Config{Delay: 10 * ms}, RulesAB: rules})
	require.NoError(t, err)
	l.link = link
	return l
}

func (l *lab) run() {
	l.t.Helper()
	require.NoError(l.t, l.Run(context.Background(), sim.UntilQuiet))
}

// accept is a server that accepts and hands each connection to fn.
func (l *lab) accept(backlog int, fn func(p *sockapi.Proc, fd int)) {
	l.b.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(l.t, err)
		require.NoError(l.t, p.Bind(s, server))
		require.NoError(l.t, p.Listen(s, backlog))
		for fn != nil {
			fd, _, err := p.Accept(s)
			require.NoError(l.t, err)
			fn(p, fd)
		}
		p.Sleep(24 * time.Hour)
		return nil
	})
}

// client connects and calls fn.
func (l *lab) client(fn func(p *sockapi.Proc, fd int)) {
	l.a.Spawn("client", func(p *sockapi.Proc) error {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(l.t, err)
		require.NoError(l.t, p.Connect(fd, server))
		fn(p, fd)
		return nil
	})
}

// drain reads until the peer has closed, and closes.
func drain(t testing.TB) func(*sockapi.Proc, int) {
	return func(p *sockapi.Proc, fd int) {
		for {
			b, err := p.Recv(fd, 64<<10, 0)
			require.NoError(t, err)
			if len(b) == 0 {
				require.NoError(t, p.Close(fd))
				return
			}
		}
	}
}

type segment struct {
	*trace.Packet
	at   time.Duration
	host string
}

// segments lists the TCP segments that ok takes, sent or dropped.
func (l *lab) segments(ok func(segment) bool) []segment {
	var out []segment
	for _, e := range l.events {
		p, is := e.Body.(*trace.Packet)
		if !is || p.What == trace.Delivered || p.Summary.Proto != "tcp" {
			continue
		}
		if s := (segment{p, e.At, e.Host}); ok(s) {
			out = append(out, s)
		}
	}
	return out
}

// changes lists when a host's connections changed to a state.
func (l *lab) changes(host string, to trace.TCPState) []time.Duration {
	var out []time.Duration
	for _, e := range l.events {
		if s, ok := e.Body.(*trace.State); ok && e.Host == host && s.To == to {
			out = append(out, e.At)
		}
	}
	return out
}

// after drops everything from a to b that is sent later than t.
func after(t time.Duration) netem.Model {
	return netem.ModelFunc(func(now time.Duration, _ *netem.Packet, _ *rand.Rand) netem.Verdict {
		if now > t {
			return netem.Verdict{Drop: "cut"}
		}
		return netem.Verdict{}
	})
}
