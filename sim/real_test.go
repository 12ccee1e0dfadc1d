package sim_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"fivetuple/sim"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// realStation puts h1 to h3 on a switch, of which h2 is real: 10.0.0.2. taken are
// the frames that it is given.
func realStation(t *testing.T) (l *lab, hosts []*sim.Host, real *sim.RealHost) {
	t.Helper()
	l = newLab(t, sim.Config{Seed: 7})
	sw := l.AddSwitch("sw")
	h1 := l.host("h1", "10.0.0.1/24")
	real, err := l.AddRealHost(sim.HostConfig{Name: "h2", Addrs: prefixes("10.0.0.2/24")})
	require.NoError(t, err)
	h3 := l.host("h3", "10.0.0.3/24")
	for _, n := range []sim.Node{h1, real, h3} {
		_, err := sw.Attach(n, sim.LinkConfig{MTU: 9000})
		require.NoError(t, err)
	}
	return l, []*sim.Host{h1, h3}, real
}

// TestSwitchRealHost: a real host has the MAC address that it would have if it were
// simulated, is found by ARP, and is given frames and nothing of what is for others.
func TestSwitchRealHost(t *testing.T) {
	l, hosts, real := realStation(t)
	i := real.Interfaces()[0]
	mac := func(host byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, host, 1} }
	require.Equal(t, mac(2), i.MAC())
	require.Equal(t, 9000, i.MTU())
	for n, h := range hosts {
		require.Equal(t, mac(byte(2*n+1)), h.Stack().InterfaceNamed("eth0").MAC())
	}
	var taken []trace.Summary
	var dev *sim.Device
	dev = i.Open(func(frame []byte) error {
		s := trace.Decode(frame, true)
		to := net.HardwareAddr(slices.Clone(frame[:6]))
		if s.Proto == "arp" {
			require.Equal(t, "ff:ff:ff:ff:ff:ff", to.String())
			answer := slices.Clone(frame) // who has 10.0.0.2? It is at h2's
			copy(answer[0:], frame[6:12])
			copy(answer[6:], mac(2))
			answer[21] = 2
			copy(answer[32:], frame[22:32])
			copy(answer[22:], mac(2))
			copy(answer[28:], []byte{10, 0, 0, 2})
			l.At(l.Now(), func() { dev.Inject(answer) })
		} else {
			require.Equal(t, mac(2), to)
		}
		taken = append(taken, s)
		return nil
	})
	var got []string
	serve(hosts[1], "sink", sink(t, "0.0.0.0:9", &got))
	hosts[0].Spawn("toReal", shoot(t, "10.0.0.2:9", ms, "one", "two"))
	hosts[0].Spawn("toOther", shoot(t, "10.0.0.3:9", ms, "three"))
	l.run()
	require.Equal(t, []string{"three"}, got)
	kinds := map[string]int{}
	for _, s := range taken {
		kinds[s.Proto]++
	}
	require.Equal(t, map[string]int{"arp": 2, "udp": 2}, kinds, "both questions are flooded")
	require.Empty(t, warnings(l))
}

// TestRealHostAbsent: before its program is there, what is for it is lost, and said;
// what is for others is nobody's loss.
func TestRealHostAbsent(t *testing.T) {
	l, hosts, real := realStation(t)
	var got []string
	serve(hosts[1], "sink", sink(t, "0.0.0.0:9", &got))
	hosts[0].Spawn("toOther", shoot(t, "10.0.0.3:9", ms, "three"))
	l.run()
	require.Equal(t, []string{"three"}, got)
	require.Empty(t, warnings(l), "an ARP question")

	frame := make([]byte, 60)
	copy(frame, real.Interfaces()[0].MAC())
	frame[6] = 2
	l.At(l.Now(), func() { hosts[0].Stack().InterfaceNamed("eth0").Transmit(frame) })
	l.run()
	require.Equal(t, []string{"device eth0: packet lost: no program runs there yet"}, warnings(l))
}

func warnings(l *lab) (out []string) {
	for _, e := range l.trace.events {
		if w, ok := e.Body.(*trace.Warning); ok {
			out = append(out, w.Text)
		}
	}
	return out
}

// TestRealHostRoutes: on Ethernet a route has a router's address; on a
// point-to-point link it needs none.
func TestRealHostRoutes(t *testing.T) {
	l, _, real := realStation(t)
	other := l.host("other", "192.0.2.1/24")
	_, err := l.Connect(real, other, sim.LinkConfig{AddrsA: prefixes("198.51.100.1/32")})
	require.NoError(t, err)
	all, gw := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.0.1")
	require.NoError(t, real.AddRoute(all, gw))
	require.NoError(t, real.AddRoute(netip.MustParsePrefix("203.0.113.9/24"), netip.MustParseAddr("192.0.2.1")))
	ifaces := real.Interfaces()
	require.Equal(t, []sim.RealRoute{{Dst: all, Via: gw}}, ifaces[0].Routes())
	require.Nil(t, ifaces[1].MAC())
	require.Equal(t, []sim.RealRoute{{Dst: netip.MustParsePrefix("192.0.2.1/32")}, {Dst: netip.MustParsePrefix("203.0.113.0/24")}}, ifaces[1].Routes())
	require.EqualError(t, real.AddRoute(netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("10.8.0.1")),
		"host h2: no link leads to the gateway 10.8.0.1")
}
