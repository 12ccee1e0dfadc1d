package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestLoopback: a host reaches itself by every address it has, over lo and
// never over a link, with a link and without.
func TestLoopback(t *testing.T) {
	for _, linked := range []bool{false, true} {
		for _, addr := range []string{"127.0.0.1:7", "[::1]:7", "10.0.0.1:7", "[fd00::1]:7", "127.1.2.3:7"} {
			t.Run(fmt.Sprintf("%s linked %v", addr, linked), func(t *testing.T) {
				l := newLab(t, sim.Config{})
				h := l.host("h", "10.0.0.1/24", "fd00::1/64")
				if linked {
					l.connect(h, l.host("other", "10.0.0.2/24", "fd00::2/64"), sim.LinkConfig{})
				}
				serve(h, "echo", echo(t, addr))
				h.Spawn("ask", ask(t, addr, "hello"))
				l.run()
				sent := l.trace.packets(trace.Sent)
				require.NotEmpty(t, sent)
				for _, p := range sent {
					require.Equal(t, "lo", p.Link)
				}
			})
		}
	}
}

// TestIPv6 runs a connection over IPv6, on a point-to-point link, where no
// neighbor needs to be found, and on Ethernet, where each end is.
func TestIPv6(t *testing.T) {
	for _, ethernet := range []bool{false, true} {
		t.Run(fmt.Sprintf("ethernet %v", ethernet), func(t *testing.T) {
			l := newLab(t, sim.Config{Seed: 7})
			a, b := l.host("a", "fd00::1/64"), l.host("b", "fd00::2/64")
			l.connect(a, b, sim.LinkConfig{Both: netem.Config{Delay: 10 * ms}, Ethernet: ethernet})
			serve(b, "echo", echo(t, "[fd00::2]:7"))
			a.Spawn("ask", ask(t, "[fd00::2]:7", "hello"))
			l.run()
			kinds := map[string]int{}
			for _, p := range l.trace.packets(trace.Sent) {
				kinds[p.Summary.Text]++
				require.Equal(t, ethernet, p.Ethernet)
			}
			if !ethernet {
				require.Equal(t, map[string]int{"": len(l.trace.packets(trace.Sent))}, kinds, "TCP and nothing else")
				return
			}
			require.GreaterOrEqual(t, kinds["neighbor solicitation"], 1)
			require.Equal(t, kinds["neighbor solicitation"], kinds["neighbor advertisement"], "every question was answered")
		})
	}
}

// station puts n hosts on one switch: 10.0.0.1, 10.0.0.2, ...
func station(t *testing.T, n int) (*lab, []*sim.Host) {
	t.Helper()
	l := newLab(t, sim.Config{Seed: 7})
	sw := l.AddSwitch("sw")
	var hosts []*sim.Host
	for i := 1; i <= n; i++ {
		h := l.host(fmt.Sprintf("h%d", i), fmt.Sprintf("10.0.0.%d/24", i))
		_, err := sw.Attach(h, delay(ms))
		require.NoError(t, err)
		hosts = append(hosts, h)
	}
	return l, hosts
}

// TestSwitch: the ARP request is flooded to every port but its own. From then
// on the switch knows the asker's port, and, from its answer, the owner's:
// the third host sees the request and nothing more.
func TestSwitch(t *testing.T) {
	l, hosts := station(t, 3)
	serve(hosts[1], "echo", echo(t, "10.0.0.2:7"))
	hosts[0].Spawn("ask", ask(t, "10.0.0.2:7", "hello"))
	l.run()
	seen := map[string][]string{}
	for _, p := range l.trace.packets(trace.Delivered) {
		seen[p.host] = append(seen[p.host], p.Summary.Proto)
	}
	require.Equal(t, []string{"arp"}, seen["h3"])
	require.Equal(t, "arp", seen["h1"][0])
	require.Contains(t, seen["h2"], "tcp")
	forwarded := 0
	for _, p := range l.trace.packets(trace.Sent) {
		require.Equal(t, p.host == "sw", p.Forwarded, "what a switch sends, another has sent before")
		if p.Forwarded {
			forwarded++
		}
	}
	require.Equal(t, len(l.trace.packets(trace.Sent))-forwarded+1, forwarded, "every frame passed on once, the flooded one twice")
}

// TestSwitchIsolates: frames for an address behind the port they came from go
// nowhere, and frames for other hosts are not taken.
func TestSwitchIsolates(t *testing.T) {
	l, hosts := station(t, 4)
	var got []string
	for _, h := range hosts[1:] {
		serve(h, "sink", sink(t, "0.0.0.0:9", &got))
	}
	hosts[0].Spawn("shoot", shoot(t, "10.0.0.3:9", 10*ms, letters(3)...))
	l.run()
	require.Equal(t, letters(3), got, "one of the three receivers")
}

// routed is a client and a server in two subnets with a router between them.
func routed(t *testing.T, ethernet bool) (l *lab, client, router, server *sim.Host) {
	t.Helper()
	l = newLab(t, sim.Config{Seed: 7})
	client, server = l.host("client", "10.0.1.2/24"), l.host("server", "10.0.2.2/24")
	router, err := l.AddHost(sim.HostConfig{Name: "router", Forwarding: true, Addrs: prefixes("10.0.1.1/24", "10.0.2.1/24")})
	require.NoError(t, err)
	l.connect(client, router, sim.LinkConfig{Both: netem.Config{Delay: 5 * ms}, Ethernet: ethernet, AddrsB: prefixes("10.0.1.1/24")})
	l.connect(router, server, sim.LinkConfig{Both: netem.Config{Delay: 5 * ms}, Ethernet: ethernet, AddrsA: prefixes("10.0.2.1/24")})
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	require.NoError(t, client.AddRoute(everywhere, netip.MustParseAddr("10.0.1.1")))
	require.NoError(t, server.AddRoute(everywhere, netip.MustParseAddr("10.0.2.1")))
	return l, client, router, server
}

// TestRouter: packets cross the router with one hop less to live and are
// marked as forwarded on their second link, where their sender is the router.
func TestRouter(t *testing.T) {
	for _, ethernet := range []bool{false, true} {
		t.Run(fmt.Sprintf("ethernet %v", ethernet), func(t *testing.T) {
			l, client, _, server := routed(t, ethernet)
			serve(server, "echo", echo(t, "10.0.2.2:7"))
			client.Spawn("ask", ask(t, "10.0.2.2:7", "hello"))
			l.run()
			ttl := map[string]map[byte]bool{}
			for _, p := range l.trace.packets(trace.Sent) {
				if p.Summary.Proto != "tcp" {
					continue
				}
				ip := p.Data
				if ethernet {
					ip = ip[14:]
				}
				if ttl[p.host] == nil {
					ttl[p.host] = map[byte]bool{}
				}
				ttl[p.host][ip[8]] = true
				require.Equal(t, p.host == "router", p.Forwarded)
			}
			require.Equal(t, map[string]map[byte]bool{"client": {64: true}, "router": {63: true}, "server": {64: true}}, ttl)
		})
	}
}

// TestHopLimit: a router tells the sender of a packet that has no hops left:
// the router at which the limit would become 0. In IPv4 it is netstack's second
// one that would, without stack.Interface's correction.
func TestHopLimit(t *testing.T) {
	for _, tc := range []struct {
		name                string
		net                 string // what the addresses begin with
		bits, level, option int
		want                string
		who                 string
	}{
		{"IPv4", "10.0.%d.%d", 24, sockapi.IPPROTO_IP, sockapi.IP_TTL, "time exceeded", "r1"},
		{"IPv6", "fd00:%d::%d", 64, sockapi.IPPROTO_IPV6, sockapi.IPV6_UNICAST_HOPS, "hop limit exceeded", "r1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t, sim.Config{Seed: 7})
			addr := func(net, host int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(tc.net, net, host)) }
			on := func(net, host int) []netip.Prefix { return []netip.Prefix{netip.PrefixFrom(addr(net, host), tc.bits)} }
			var hosts []*sim.Host
			for n, name := range []string{"client", "r1", "r2", "server"} {
				h, err := l.AddHost(sim.HostConfig{Name: name, Forwarding: n == 1 || n == 2})
				require.NoError(t, err)
				hosts = append(hosts, h)
			}
			for n := range 3 { // link n is subnet n: its ends are .1 and .2
				l.connect(hosts[n], hosts[n+1], sim.LinkConfig{AddrsA: on(n, 1), AddrsB: on(n, 2)})
			}
			far, near := on(2, 0)[0].Masked(), on(0, 0)[0].Masked()
			require.NoError(t, hosts[0].AddRoute(far, addr(0, 2)))
			require.NoError(t, hosts[1].AddRoute(far, addr(1, 2)))
			require.NoError(t, hosts[2].AddRoute(near, addr(1, 1)))
			hosts[0].Spawn("probe", func(p *sockapi.Proc) error {
				to := netip.AddrPortFrom(addr(2, 2), 9)
				s := must(t)(p.Socket(family(to), sockapi.SOCK_DGRAM, 0))
				require.NoError(t, p.Setsockopt(s, tc.level, tc.option, 1))
				must(t)(p.Sendto(s, []byte("x"), 0, to))
				return nil
			})
			l.run()
			var answers []string
			for _, p := range l.trace.packets(trace.Sent) {
				if p.Summary.Proto != "udp" && !p.Forwarded {
					answers = append(answers, p.host+": "+p.Summary.Text)
				}
				require.NotEqual(t, "server", p.Peer, "it never arrives")
			}
			require.Equal(t, []string{tc.who + ": " + tc.want}, answers)
		})
	}
}

// TestNoForwarding: a host that is no router passes nothing on.
func TestNoForwarding(t *testing.T) {
	l, client, _, _ := routed(t, false)
	plain := l.host("plain", "10.0.1.3/24")
	l.connect(client, plain, sim.LinkConfig{})
	require.NoError(t, client.AddRoute(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParseAddr("10.0.1.3")))
	client.Spawn("shoot", shoot(t, "192.0.2.1:9", 0, "x"))
	l.run()
	require.Len(t, l.trace.packets(trace.Sent), 1)
	require.Equal(t, "plain", l.trace.packets(trace.Delivered)[0].host)
}

// TestThreeLinks: a server with three point-to-point links answers each client
// on the link it came by.
func TestThreeLinks(t *testing.T) {
	l := newLab(t, sim.Config{Seed: 7})
	server := l.host("server", "10.0.0.1/24")
	for i := 2; i <= 4; i++ {
		c := l.host(fmt.Sprintf("client%d", i), fmt.Sprintf("10.0.0.%d/24", i))
		l.connect(c, server, delay(time.Duration(i)*ms))
		c.Spawn("ask", ask(t, "10.0.0.1:7", fmt.Sprint("hello from ", i)))
	}
	serve(server, "echo", echo(t, "10.0.0.1:7"))
	l.run()
	for _, p := range l.trace.packets(trace.Sent) {
		client := p.host
		if client == "server" {
			client = p.Peer
		}
		require.Equal(t, client+"-server", p.Link)
		require.Contains(t, []netip.Addr{p.Summary.Src.Addr(), p.Summary.Dst.Addr()}, netip.MustParseAddr("10.0.0."+client[6:]))
	}
}

// TestMTU: a link's MTU bounds the segments of both sides and what one
// datagram's fragment holds.
func TestMTU(t *testing.T) {
	l, a, b, _ := pair(t, sim.LinkConfig{MTU: 600})
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("ask", ask(t, "10.0.0.2:7", string(make([]byte, 5000))))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", 0, string(make([]byte, 1900))))
	l.run()
	require.Len(t, got, 1)
	require.Len(t, got[0], 1900, "the fragments were put together again")
	largest := 0
	for _, p := range l.trace.packets(trace.Sent) {
		require.Equal(t, len(p.Data), int(binary.BigEndian.Uint16(p.Data[2:])))
		largest = max(largest, len(p.Data))
		if p.Summary.Flags == "S" || p.Summary.Flags == "S." {
			require.Contains(t, p.Summary.Opts, "mss 560")
		}
	}
	require.LessOrEqual(t, largest, 600)
	require.Greater(t, largest, 550, "and it was used")
}

// TestHostWithoutLinks: nothing is reachable from it, and it says so at once.
func TestHostWithoutLinks(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("alone", "10.0.0.1/24")
	h.Spawn("p", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.ErrorIs(t, p.Connect(s, bEcho), sockapi.ENETUNREACH)
		return nil
	})
	require.NoError(t, l.Run(context.Background(), sim.UntilQuiet))
	require.Zero(t, l.Packets())
}
