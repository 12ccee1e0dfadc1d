package sim_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// lab is a world with a trace.
type lab struct {
	*sim.World
	t     testing.TB
	trace *collector
}

func newLab(t testing.TB, cfg sim.Config) *lab {
	t.Helper()
	l := &lab{World: sim.New(cfg), t: t, trace: &collector{}}
	t.Cleanup(l.Close)
	l.Bus().Attach(l.trace)
	return l
}

func prefixes(addrs ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		out = append(out, netip.MustParsePrefix(a))
	}
	return out
}

func (l *lab) host(name string, addrs ...string) *sim.Host {
	l.t.Helper()
	h, err := l.AddHost(sim.HostConfig{Name: name, Addrs: prefixes(addrs...)})
	require.NoError(l.t, err)
	return h
}

func (l *lab) connect(a, b *sim.Host, cfg sim.LinkConfig) *sim.Link {
	l.t.Helper()
	link, err := l.Connect(a, b, cfg)
	require.NoError(l.t, err)
	return link
}

// pair is a world of two hosts, a at 10.0.0.1 and b at 10.0.0.2.
func pair(t testing.TB, cfg sim.LinkConfig) (l *lab, a, b *sim.Host, link *sim.Link) {
	t.Helper()
	l = newLab(t, sim.Config{Seed: 7})
	a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
	return l, a, b, l.connect(a, b, cfg)
}

func (l *lab) run() {
	l.t.Helper()
	require.NoError(l.t, l.Run(context.Background(), sim.UntilQuiet))
}

func delay(d time.Duration) sim.LinkConfig { return sim.LinkConfig{Both: netem.Config{Delay: d}} }

// collector is a sink that keeps every event.
type collector struct{ events []*trace.Event }

func (c *collector) Event(e *trace.Event) error { c.events = append(c.events, e); return nil }
func (c *collector) Close() error               { return nil }

// packet is one packet event, for comparing.
type packet struct {
	*trace.Packet
	at    time.Duration
	host  string
	id    trace.ID
	cause trace.ID
}

// packets lists the packet events of one kind.
func (c *collector) packets(what trace.PacketWhat) []packet {
	var out []packet
	for _, e := range c.events {
		if p, ok := e.Body.(*trace.Packet); ok && p.What == what {
			out = append(out, packet{p, e.At, e.Host, e.ID, e.Cause})
		}
	}
	return out
}

// reasons lists why packets were dropped or discarded.
func (c *collector) reasons(what trace.PacketWhat) []string {
	var out []string
	for _, p := range c.packets(what) {
		out = append(out, p.Reason)
	}
	return out
}

// jsonl is the trace as a file.
func (c *collector) jsonl(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	w := jsonl.New(&b, jsonl.Config{Data: true})
	for _, e := range c.events {
		require.NoError(t, w.Event(e))
	}
	require.NoError(t, w.Close())
	return b.String()
}

// Processes.

func must(t testing.TB) func(fd int, err error) int {
	return func(fd int, err error) int {
		t.Helper()
		require.NoError(t, err)
		return fd
	}
}

func family(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return sockapi.AF_INET
	}
	return sockapi.AF_INET6
}

// echo serves connections one after the other: it sends back what it gets.
func echo(t testing.TB, addr string) func(*sockapi.Proc) error {
	at := netip.MustParseAddrPort(addr)
	return func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(family(at), sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Bind(s, at))
		require.NoError(t, p.Listen(s, 16))
		for {
			c, _, err := p.Accept(s)
			require.NoError(t, err)
			for {
				b, err := p.Recv(c, 64<<10, 0)
				require.NoError(t, err)
				if len(b) == 0 {
					break
				}
				must(t)(p.Send(c, b, 0))
			}
			require.NoError(t, p.Close(c))
		}
	}
}

// ask sends text to an echo server and requires it back.
func ask(t testing.TB, addr, text string) func(*sockapi.Proc) error {
	at := netip.MustParseAddrPort(addr)
	return func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(family(at), sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Connect(s, at))
		must(t)(p.Send(s, []byte(text), 0))
		require.NoError(t, p.Shutdown(s, sockapi.SHUT_WR))
		var got strings.Builder
		for {
			b, err := p.Recv(s, 64<<10, 0)
			require.NoError(t, err)
			if len(b) == 0 {
				break
			}
			got.Write(b)
		}
		require.Equal(t, text, got.String())
		return p.Close(s)
	}
}

// sink receives datagrams at addr for ever; got counts them.
func sink(t testing.TB, addr string, got *[]string) func(*sockapi.Proc) error {
	at := netip.MustParseAddrPort(addr)
	return func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(family(at), sockapi.SOCK_DGRAM, 0))
		require.NoError(t, p.Bind(s, at))
		for {
			b, err := p.Recv(s, 2000, 0)
			require.NoError(t, err)
			*got = append(*got, string(b))
		}
	}
}

// shoot sends datagrams to addr, gap apart.
func shoot(t testing.TB, addr string, gap time.Duration, texts ...string) func(*sockapi.Proc) error {
	at := netip.MustParseAddrPort(addr)
	return func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(family(at), sockapi.SOCK_DGRAM, 0))
		for _, text := range texts {
			must(t)(p.Sendto(s, []byte(text), 0, at))
			if gap > 0 {
				p.Sleep(gap)
			}
		}
		return nil
	}
}

// serve starts a daemon.
func serve(h *sim.Host, name string, fn func(*sockapi.Proc) error) {
	h.SpawnConfig(sim.SpawnConfig{Name: name, Daemon: true}, fn)
}
