package sim_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// crossed is a client and a server with a router between them, by IPv4 and IPv6;
// what the client sends is impaired before it comes to the router.
func crossed(t *testing.T, ethernet bool, before netem.Config) (l *lab, client, server *sim.Host) {
	l = newLab(t, sim.Config{Seed: 7})
	client, server = l.host("client", "10.0.1.2/24", "fd01::2/64"), l.host("server", "10.0.2.2/24", "fd02::2/64")
	router, err := l.AddHost(sim.HostConfig{Name: "router", Forwarding: true})
	require.NoError(t, err)
	l.connect(client, router, sim.LinkConfig{AB: &before, Ethernet: ethernet, AddrsB: prefixes("10.0.1.1/24", "fd01::1/64")})
	l.connect(router, server, sim.LinkConfig{Ethernet: ethernet, AddrsA: prefixes("10.0.2.1/24", "fd02::1/64")})
	for _, net := range []string{"10.0.%d.0/24", "fd%02d::/64"} {
		gateway := strings.NewReplacer("0/24", "1", "/64", "1").Replace(net)
		to := func(h *sim.Host, own, other int) {
			require.NoError(t, h.AddRoute(netip.MustParsePrefix(fmt.Sprintf(net, other)), netip.MustParseAddr(fmt.Sprintf(gateway, own))))
		}
		to(client, 1, 2)
		to(server, 2, 1)
	}
	return l, client, server
}

// across calls f for each way of going through a router: IPv4 and IPv6, with
// Ethernet and without.
func across(t *testing.T, f func(t *testing.T, ethernet bool, server string)) {
	for _, ethernet := range []bool{false, true} {
		for _, server := range []string{"10.0.2.2", "[fd02::2]"} {
			t.Run(fmt.Sprintf("%s ethernet %v", server, ethernet), func(t *testing.T) { f(t, ethernet, server) })
		}
	}
}

// TestRouterLeavesChecksums: what was damaged before it came to a router is still
// damaged behind it. A router that computed the checksum of TCP or UDP anew would
// make it look right, and the receiver would take it.
func TestRouterLeavesChecksums(t *testing.T) {
	across(t, func(t *testing.T, ethernet bool, addr string) {
		l, client, server := crossed(t, ethernet, netem.Config{Corrupt: 0.2})
		var got []string
		serve(server, "sink", sink(t, addr+":9", &got))
		serve(server, "echo", echo(t, addr+":7"))
		text := strings.Repeat("0123456789", 100)
		client.Spawn("shoot", shoot(t, addr+":9", ms, strings.Split(strings.Repeat(text+"\n", 99)+text, "\n")...))
		client.Spawn("ask", ask(t, addr+":7", strings.Repeat(text, 50)))
		require.NoError(t, l.Run(t.Context(), sim.Until(10*time.Minute)))
		require.Less(t, len(got), 99, "some are damaged")
		require.Greater(t, len(got), 60, "most are not")
		for _, s := range got {
			require.Equal(t, text, s)
		}
		require.Contains(t, l.trace.reasons(trace.Discarded), "bad checksum")
	})
}

// TestRouterFragments: a datagram in fragments crosses a router: none but the
// last host can compute its checksum.
func TestRouterFragments(t *testing.T) {
	across(t, func(t *testing.T, ethernet bool, addr string) {
		l, client, server := crossed(t, ethernet, netem.Config{})
		var got int
		serve(server, "big", func(p *sockapi.Proc) error {
			a := netip.MustParseAddrPort(addr + ":9")
			s := must(t)(p.Socket(family(a), sockapi.SOCK_DGRAM, 0))
			require.NoError(t, p.Bind(s, a))
			b, _, err := p.Recvfrom(s, 9000, 0)
			got = len(b)
			return err
		})
		client.Spawn("shoot", shoot(t, addr+":9", ms, strings.Repeat("x", 4000)))
		l.run()
		require.Equal(t, 4000, got)
	})
}
