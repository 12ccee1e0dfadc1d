package ladder_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace/ladder"

	"github.com/stretchr/testify/require"
)

func handshake(t *testing.T) *scene {
	s := newScene(t, "handshake", "three segments open a connection; each side knows the other's initial sequence number")
	client, server := s.pair(sim.LinkConfig{})
	server.Spawn("httpd", serve(web, echo))
	client.Spawn("curl", dial(web, hello))
	return s
}

func TestHandshake(t *testing.T) { golden(t, "handshake", handshake(t).run()) }

func TestASCII(t *testing.T) {
	s := handshake(t)
	s.cfg.ASCII = true
	got := s.run()
	for _, r := range got {
		require.Less(t, r, rune(128))
	}
	golden(t, "ascii", got)
}

func TestLoss(t *testing.T) {
	s := newScene(t, "loss", "a lost segment is sent again when its timer expires")
	client, server := s.pair(sim.LinkConfig{AB: dropNth(1, 4), BA: dropNth(1)})
	server.Spawn("httpd", serve(web, echo))
	client.Spawn("curl", dial(web, hello))
	golden(t, "loss", s.run())
}

func TestFastRetransmit(t *testing.T) {
	s := newScene(t, "fast retransmit", "SACK blocks tell the sender which segment is missing")
	client, server := s.pair(sim.LinkConfig{AB: dropNth(5)})
	server.Spawn("sink", serve(web, drain))
	client.Spawn("source", dial(web, func(p *sockapi.Proc, c int) error {
		_, err := p.Send(c, make([]byte, 9000), 0)
		return err
	}))
	golden(t, "fastretransmit", s.run())
}

func TestRefused(t *testing.T) {
	s := newScene(t, "refused", "nobody listens, so the server's stack answers with a reset")
	client, _ := s.pair(sim.LinkConfig{})
	client.Spawn("curl", dial(web, hello))
	golden(t, "refused", s.run())
}

func TestUDP(t *testing.T) {
	s := newScene(t, "udp", "a datagram is delivered or not; a closed port answers with ICMP")
	client, server := s.pair(sim.LinkConfig{Ethernet: true})
	dns := netip.MustParseAddrPort("10.0.0.2:53")
	server.Spawn("dnsd", func(p *sockapi.Proc) error {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		if err := errors.Join(err, p.Bind(fd, dns)); err != nil {
			return err
		}
		b, from, err := p.Recvfrom(fd, 1500, 0)
		if err != nil {
			return err
		}
		_, err = p.Sendto(fd, b, 0, from)
		return errors.Join(err, p.Close(fd))
	})
	client.Spawn("dig", func(p *sockapi.Proc) error {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		if err := errors.Join(err, p.Connect(fd, dns)); err != nil {
			return err
		}
		if _, err := p.Send(fd, []byte("hello"), 0); err != nil {
			return err
		}
		if _, _, err := p.Recvfrom(fd, 1500, 0); err != nil {
			return err
		}
		if _, err := p.Send(fd, []byte("again"), 0); err != nil {
			return err
		}
		_, _ = p.Recv(fd, 1500, 0)
		return p.Close(fd)
	})
	golden(t, "udp", s.run())
}

func TestFork(t *testing.T) {
	s := newScene(t, "fork", "a connection is closed with its last descriptor, the child's")
	client, server := s.pair(sim.LinkConfig{})
	server.Spawn("httpd", func(p *sockapi.Proc) error {
		l, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		err = errors.Join(err, p.Setsockopt(l, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1))
		if err := errors.Join(err, p.Bind(l, web), p.Listen(l, 16)); err != nil {
			return err
		}
		c, _, err := p.Accept(l)
		if err != nil {
			return err
		}
		p.Fork(func(p *sockapi.Proc) error {
			return errors.Join(p.Close(l), echo(p, c), p.Close(c))
		})
		p.Mark("the parent keeps the listener only")
		return errors.Join(p.Close(c), p.Close(l))
	})
	client.Spawn("curl", dial(web, hello))
	golden(t, "fork", s.run())
}

func TestBulk(t *testing.T) {
	s := newScene(t, "bulk", "a megabyte, and what matters of it")
	client, server := s.pair(sim.LinkConfig{Both: netem.Config{Delay: 10 * time.Millisecond, Rate: 10_000_000, Limit: 20}})
	server.Spawn("sink", serve(web, drain))
	client.Spawn("source", dial(web, func(p *sockapi.Proc, c int) error {
		_, err := p.Send(c, make([]byte, 200_000), 0)
		return err
	}))
	golden(t, "bulk", s.run())
}

func TestRouter(t *testing.T) {
	s := newScene(t, "router", "a router passes packets on; only the ends have connections")
	client := s.host("client", "10.0.1.1/24")
	r, err := s.w.AddHost(sim.HostConfig{Name: "router", Forwarding: true,
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.254/24")}})
	require.NoError(t, err)
	s.cfg.Hosts = append(s.cfg.Hosts, ladder.Host{Name: "router", Addrs: []netip.Addr{netip.MustParseAddr("10.0.1.254"), netip.MustParseAddr("10.0.2.254")}})
	server := s.host("server", "10.0.2.1/24")
	s.link(client, r, sim.LinkConfig{})
	s.link(r, server, sim.LinkConfig{AB: dropNth(4), AddrsA: []netip.Prefix{netip.MustParsePrefix("10.0.2.254/24")}})
	require.NoError(t, client.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.1.254")))
	require.NoError(t, server.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.2.254")))
	to := netip.MustParseAddrPort("10.0.2.1:80")
	server.Spawn("httpd", serve(to, echo))
	client.Spawn("curl", dial(to, hello))
	golden(t, "router", s.run())
}

func TestThreeHosts(t *testing.T) {
	s := newScene(t, "three hosts", "one listener, two connections, told apart by their five-tuples")
	server := s.host("server", "10.0.0.2/24")
	a, b := s.host("anna", "10.0.0.11/24"), s.host("bert", "10.0.0.12/24")
	s.link(a, server, sim.LinkConfig{AddrsB: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	s.link(b, server, sim.LinkConfig{AddrsB: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	server.Spawn("httpd", serveTwo)
	a.Spawn("curl", dial(web, hello))
	b.Spawn("wget", dial(web, hello))
	golden(t, "threehosts", s.run())
}

func TestLoopback(t *testing.T) {
	s := newScene(t, "loopback", "a host talks to itself over lo")
	h := s.host("alone", "10.0.0.1/24")
	lo := netip.MustParseAddrPort("127.0.0.1:80")
	h.Spawn("httpd", serve(lo, echo))
	h.Spawn("curl", dial(lo, hello))
	golden(t, "loopback", s.run())
}
