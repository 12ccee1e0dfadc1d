package stack_test

import (
	"net/netip"
	"testing"
	"time"

	"fivetuple/stack"

	"github.com/stretchr/testify/require"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// still is a clock that does not move.
type still struct{}

func (still) Now() time.Duration                                   { return 0 }
func (still) AfterFunc(time.Duration, *stack.Callback) stack.Timer { return still{} }
func (still) Stop() bool                                           { return true }
func (still) Reset(time.Duration)                                  {}

func newStack(t *testing.T, cfg stack.Config) *stack.Stack {
	t.Helper()
	cfg.Clock = still{}
	s, err := stack.New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestConfigErrors(t *testing.T) {
	tcp := func(c stack.TCPConfig) stack.Config { return stack.Config{Name: "h", Clock: still{}, TCP: c} }
	for _, tc := range []struct {
		name string
		cfg  stack.Config
		want string
	}{
		{"no clock", stack.Config{Name: "h"}, "stack: Config.Clock is required"},
		{"congestion control", tcp(stack.TCPConfig{Congestion: "bbr"}), `host h: congestion control "bbr": netstack has cubic and reno`},
		{"receive buffer", tcp(stack.TCPConfig{RcvBuf: stack.BufferRange{Min: 10, Default: 5, Max: 20}}), "host h: receive buffer 10/5/20: need 0 < min ≤ default ≤ max"},
		{"send buffer", tcp(stack.TCPConfig{SndBuf: stack.BufferRange{Default: 5, Max: 5}}), "host h: send buffer 0/5/5: need 0 < min ≤ default ≤ max"},
		{"RTO bounds", tcp(stack.TCPConfig{MinRTO: 2, MaxRTO: 1}), "host h: RTO bounds 2ns to 1ns: need 0 ≤ min ≤ max"},
		{"negative RTO", tcp(stack.TCPConfig{MinRTO: -1}), "host h: RTO bounds -1ns to 0s: need 0 ≤ min ≤ max"},
		{"negative time", tcp(stack.TCPConfig{TimeWait: -1}), "host h: time-wait and fin-timeout cannot be negative"},
		{"SYN retries", tcp(stack.TCPConfig{SynRetries: 7}), "host h: SYN retries 7: netstack gives up after 6"},
		{"ephemeral ports", stack.Config{Name: "h", Clock: still{}, EphemeralFirst: 9, EphemeralLast: 8}, "host h: ephemeral ports 9 to 8: need 0 < first ≤ last"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := stack.New(tc.cfg)
			require.EqualError(t, err, tc.want)
		})
	}
}

// TestCloseAndSettle: both may be called at any time and any number of times.
// A Settle with nothing to do must not wake the worker: it would if it were
// not a no-op, and a closed stack has none, so it would block for ever.
func TestCloseAndSettle(t *testing.T) {
	s := newStack(t, stack.Config{Name: "h"})
	settled := 0
	stop := s.Watch(func() { settled++ })
	s.Settle()
	require.Zero(t, settled, "clean: nothing was run")
	s.Touch()
	s.Settle()
	s.Settle()
	require.Equal(t, 1, settled, "touched once")
	stop()
	s.Touch()
	s.Settle()
	require.Equal(t, 1, settled)
	s.Close()
	s.Close()
	s.Touch()
	s.Settle()
}

// TestRoutes asks where packets for an address go: the longest prefix wins,
// whatever the order in which the routes were added.
func TestRoutes(t *testing.T) {
	s := newStack(t, stack.Config{Name: "h"})
	var ifaces []*stack.Interface
	for _, cfg := range []stack.InterfaceConfig{
		{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("fd00::1/64")}},
		{Name: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/16")}},
	} {
		cfg.Output = func(p stack.Packet) { p.Release() }
		i, err := s.AddInterface(cfg)
		require.NoError(t, err)
		ifaces = append(ifaces, i)
	}
	route := func(dst string, i int, gateway string) {
		gw := netip.Addr{}
		if gateway != "" {
			gw = netip.MustParseAddr(gateway)
		}
		require.NoError(t, s.AddRoute(netip.MustParsePrefix(dst), ifaces[i], gw))
	}
	route("0.0.0.0/0", 0, "10.0.0.254")
	route("10.1.2.3/32", 0, "")
	route("::/0", 1, "")
	for _, tc := range []struct{ dst, iface, next string }{
		{"10.9.9.9", "eth0", ""},
		{"10.1.9.9", "eth1", ""},
		{"10.1.2.3", "eth0", ""},
		{"192.0.2.1", "eth0", "10.0.0.254"},
		{"fd00::2", "eth0", ""},
	} {
		dst := netip.MustParseAddr(tc.dst)
		proto := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
		if dst.Is6() {
			proto = ipv6.ProtocolNumber
		}
		r, err := s.Netstack().FindRoute(0, tcpip.Address{}, stack.Address(dst), proto, false)
		require.Nil(t, err, tc.dst)
		require.Equal(t, tc.iface, s.Netstack().FindNICNameFromID(r.NICID()), tc.dst)
		next := ""
		if hop := stack.Addr(r.NextHop()); hop.IsValid() && hop != dst {
			next = hop.String()
		}
		require.Equal(t, tc.next, next, tc.dst)
		r.Release()
	}
	err := s.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ifaces[0], netip.MustParseAddr("fd00::9"))
	require.EqualError(t, err, "route 0.0.0.0/0 via fd00::9: the gateway is of another address family")
}

func TestInterfaceErrors(t *testing.T) {
	s := newStack(t, stack.Config{Name: "h"})
	for _, tc := range []struct {
		name string
		cfg  stack.InterfaceConfig
		want string
	}{
		{"mtu", stack.InterfaceConfig{Name: "eth0", MTU: 67}, "interface eth0: mtu 67 is below IPv4's minimum of 68"},
		{"address", stack.InterfaceConfig{Name: "eth1", Addrs: []netip.Prefix{{}}}, "interface eth1: invalid address"},
		{"address twice", stack.InterfaceConfig{Name: "eth2", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("10.0.0.1/8")}},
			"interface eth2: address 10.0.0.1/8: duplicate address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.AddInterface(tc.cfg)
			require.EqualError(t, err, tc.want)
		})
	}
}

// TestPacket: a packet is its bytes, a clone is its own, and bytes that are no
// IP packet are not taken.
func TestPacket(t *testing.T) {
	data := []byte{1, 2, 3}
	p := stack.NewPacket(data)
	data[0] = 9
	c := p.Clone()
	require.Equal(t, 3, p.Len())
	p.Release()
	require.Equal(t, []byte{1, 2, 3}, c.Bytes(), "neither the caller's bytes nor the other's end touch it")
	require.Equal(t, []byte{0, 1, 2, 3}, c.AppendTo([]byte{0}))

	s := newStack(t, stack.Config{Name: "h"})
	i, err := s.AddInterface(stack.InterfaceConfig{Name: "eth0", Output: func(stack.Packet) {}})
	require.NoError(t, err)
	require.False(t, i.Deliver(c))
	require.False(t, i.Deliver(stack.NewPacket(nil)))
	require.True(t, i.Deliver(stack.NewPacket([]byte{0x45})), "what is wrong with it is IP's affair")
}

// TestStreams: a stream of random numbers depends on all its names and their
// borders, and on nothing else.
func TestStreams(t *testing.T) {
	first := func(seed uint64, names ...string) uint64 { return stack.Stream(seed, names...).Uint64() }
	require.Equal(t, first(1, "a", "b"), first(1, "a", "b"))
	seen := map[uint64]bool{}
	for _, n := range []uint64{first(1, "a", "b"), first(2, "a", "b"), first(1, "ab"), first(1, "ab", ""), first(1, "b", "a"), first(1)} {
		require.False(t, seen[n])
		seen[n] = true
	}
}
