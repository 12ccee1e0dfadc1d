package ladder_test

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"
	"fivetuple/trace/ladder"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file in testdata. No line of a ladder is longer
// than 100 columns.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for line := range strings.SplitSeq(got, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), ladder.DefaultWidth, line)
		require.Equal(t, strings.TrimRight(line, " "), line, "trailing blanks")
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// recorder keeps the events of a run.
type recorder struct{ events []*trace.Event }

func (r *recorder) Event(ev *trace.Event) error {
	c := *ev
	r.events = append(r.events, &c)
	return nil
}

func (r *recorder) Close() error { return nil }

// scene is a world whose ladder is a golden file.
type scene struct {
	t   *testing.T
	w   *sim.World
	rec recorder
	cfg ladder.Config
}

func newScene(t *testing.T, title, claim string) *scene {
	s := &scene{t: t, w: sim.New(sim.Config{Seed: 7}), cfg: ladder.Config{Title: title, Claim: claim, Seed: 7}}
	t.Cleanup(s.w.Close)
	s.w.Bus().Attach(&s.rec)
	return s
}

func (s *scene) host(name, addr string) *sim.Host {
	p := netip.MustParsePrefix(addr)
	h, err := s.w.AddHost(sim.HostConfig{Name: name, Addrs: []netip.Prefix{p}})
	require.NoError(s.t, err)
	s.cfg.Hosts = append(s.cfg.Hosts, ladder.Host{Name: name, Addrs: []netip.Addr{p.Addr()}})
	return h
}

func (s *scene) link(a, b *sim.Host, cfg sim.LinkConfig) {
	if cfg.Both.Delay == 0 {
		cfg.Both.Delay = 10 * time.Millisecond
	}
	_, err := s.w.Connect(a, b, cfg)
	require.NoError(s.t, err)
}

// pair is the usual client and server, 10 ms apart.
func (s *scene) pair(cfg sim.LinkConfig) (client, server *sim.Host) {
	client, server = s.host("client", "10.0.0.1/24"), s.host("server", "10.0.0.2/24")
	s.link(client, server, cfg)
	return client, server
}

// run runs the world and compares its ladder, footer included.
func (s *scene) run() string {
	s.t.Helper()
	if err := s.w.Run(context.Background(), sim.UntilQuiet); err != nil {
		require.ErrorAs(s.t, err, new(*sim.DeadlockError))
	}
	var out strings.Builder
	l := ladder.New(&out, s.cfg)
	for _, ev := range s.rec.events {
		require.NoError(s.t, l.Event(ev))
	}
	require.NoError(s.t, l.Close())
	require.Equal(s.t, out.String(), ladder.Render(s.rec.events, s.cfg))
	for _, width := range []int{80, 132} {
		cfg := s.cfg
		cfg.Width = width
		for line := range strings.SplitSeq(ladder.Render(s.rec.events, cfg), "\n") {
			require.LessOrEqual(s.t, utf8.RuneCountInString(line), width, line)
		}
	}
	return out.String() + "\n" + l.Footer() + "\n"
}

var web = netip.MustParseAddrPort("10.0.0.2:80")

// serve accepts one connection at addr and hands it to fn.
func serve(addr netip.AddrPort, fn func(p *sockapi.Proc, conn int) error) func(*sockapi.Proc) error {
	return func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := errors.Join(err, p.Bind(s, addr), p.Listen(s, 16)); err != nil {
			return err
		}
		c, _, err := p.Accept(s)
		if err != nil {
			return err
		}
		return errors.Join(fn(p, c), p.Close(c), p.Close(s))
	}
}

// serveTwo echoes on two connections at once, with a thread for each.
func serveTwo(p *sockapi.Proc) error {
	l, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
	if err := errors.Join(err, p.Bind(l, web), p.Listen(l, 16)); err != nil {
		return err
	}
	for range 2 {
		c, _, err := p.Accept(l)
		if err != nil {
			return err
		}
		p.Go(func(p *sockapi.Proc) error { return errors.Join(echo(p, c), p.Close(c)) })
	}
	return p.Close(l)
}

// echo sends one message back.
func echo(p *sockapi.Proc, c int) error {
	b, err := p.Recv(c, 100, 0)
	if err != nil {
		return err
	}
	_, err = p.Send(c, b, 0)
	return err
}

// dial connects to addr and hands the connection to fn.
func dial(addr netip.AddrPort, fn func(p *sockapi.Proc, conn int) error) func(*sockapi.Proc) error {
	return func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := p.Connect(s, addr); err != nil {
			return errors.Join(p.Close(s))
		}
		return errors.Join(fn(p, s), p.Close(s))
	}
}

// hello sends a message and reads to the end of the stream.
func hello(p *sockapi.Proc, c int) error {
	if _, err := p.Send(c, []byte("hello"), 0); err != nil {
		return err
	}
	return drain(p, c)
}

func drain(p *sockapi.Proc, c int) error {
	for {
		b, err := p.Recv(c, 65536, 0)
		if err != nil || len(b) == 0 {
			return err
		}
	}
}

func dropNth(n ...uint64) *netem.Config {
	return &netem.Config{Delay: 10 * time.Millisecond, DropNth: n}
}
