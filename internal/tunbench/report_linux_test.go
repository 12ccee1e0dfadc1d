package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func measured(t *testing.T, name string, results map[string][]float64) *server {
	t.Helper()
	v, err := parseVariant(name)
	require.NoError(t, err)
	return &server{variant: v, results: results}
}

// Whoever reads the ratios reads their names: ours over the other's, for the kernel
// with its name last, for peers with it first, gateways against our gateway.
func TestRatios(t *testing.T) {
	got := ratios([]*server{
		measured(t, "veth", map[string][]float64{"in": {10, 30, 20}, "http": {100}}),
		measured(t, "offload", map[string][]float64{"in": {10, 12}, "http": {50}, "rtt": {30}, "conn1": {7}}),
		measured(t, "raw", map[string][]float64{"in": {1}}),
		measured(t, "water", map[string][]float64{"in": {2}, "rtt": {60}, "http": {5}, "conn1": nil}),
		measured(t, "gateway", map[string][]float64{"out": {9}}),
		measured(t, "gateway-65520", map[string][]float64{"out": {12}}),
		measured(t, "pasta-65520", map[string][]float64{"in": {1}, "out": {6}}),
	})
	require.Equal(t, []string{
		"ratio bulk-in-veth 0.55", // 11 of 20
		"ratio http-veth 0.50",
		"ratio water-bulk-in 5.50",
		"ratio water-rtt 0.50",
		"ratio pasta-65520-bulk-out 1.50",
	}, got)
}

func TestReport(t *testing.T) {
	servers := []*server{
		measured(t, "veth", map[string][]float64{"in": {0.0123, 30, 20.04}, "in-cpu": {0.5}, "rtt": {20}}),
		measured(t, "offload", map[string][]float64{"in": {10, 12}}),
		measured(t, "pasta", nil),
	}
	servers[1].fail("rtt", errors.New("nothing came back"))
	servers[2].fail("", errors.New("no such file"))
	var b bytes.Buffer
	report(&b, &options{markdown: true}, servers)
	require.Equal(t, `Bulk transfer, Gbit/s, and the server's CPU seconds per GiB:

|  | in | CPU s/GiB |
|---|---|---|
| veth | 20 (0.0123 to 30) | 0.5 |
| offload | 11 (10 to 12) | - |

Round trips and connections, and the server's CPU time for each:

|  | RTT, µs |
|---|---|
| veth | 20.0 |
| offload | - |

not measured: offload rtt: nothing came back
not measured: pasta: no such file
ratio bulk-in-veth 0.55
`, b.String())

	b.Reset()
	report(&b, &options{}, servers[:1])
	require.Contains(t, b.String(), "      in                 CPU s/GiB\nveth  20 (0.0123 to 30)  0.5\n")
	require.ErrorContains(t, mustFailures(servers), "not all was measured of offload")
	require.NoError(t, mustFailures(servers[2:]), "a peer that fails is reported, and is no failure of ours")
}

// What has failed once is not tried again, nor anything of a server that never came up.
func TestFailed(t *testing.T) {
	s := measured(t, "water", nil)
	s.fail("rtt", errors.New("x"))
	require.True(t, s.failed("rtt"))
	require.False(t, s.failed("in"))
	s.fail("", errors.New("x"))
	require.True(t, s.failed("in"))
}

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct{ name, args, want string }{
		{"no such variant", "-variants veth,fast", "-variants fast: there are veth, offload, no-awake, no-poll, mirror, raw"},
		{"an MTU for a server", "-variants water-9000", "-variants water-9000: there are veth"},
		{"an MTU that IPv6 forbids", "-variants pasta-100", "an MTU is 1280 to 65520 bytes"},
		{"a mirror that works for long", "-variants mirror-2s", "a mirror works for 0s to 1ms"},
		{"an MTU too long", "-variants slirp4netns-65521", "an MTU is 1280 to 65520 bytes"},
		{"no such measurement", "-only in,speed", "-only speed: there are in, out, in4"},
		{"half a name", "-only i", "-only i: there are"},
		{"no rounds", "-rounds 0", "are each more than 0"},
		{"no time", "-bulk 0s", "are each more than 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var o options
			f := flag.NewFlagSet("tunbench", flag.ContinueOnError)
			o.define(f)
			require.NoError(t, f.Parse(strings.Fields(tc.args)))
			require.ErrorContains(t, o.check(), tc.want)
		})
	}
	v, err := parseVariant("gvisor-tap-vsock-4000")
	require.NoError(t, err)
	require.Equal(t, "gvisor-tap-vsock", v.kind.name)
	require.Equal(t, 4000, v.mtu)
}

// What cannot be had is named with its remedy, and is not measured.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // neither go nor pasta
	o := options{binary: "/nonexistent/fivetuple", peers: t.TempDir(), variants: "veth,wireguard,pasta-65520,gateway"}
	var b bytes.Buffer
	require.Equal(t, []string{"veth"}, o.prepare(t.Context(), &b))
	require.Contains(t, b.String(), "missing wireguard: ")
	require.Contains(t, b.String(), "remedy: let `go build -C bench/peers")
	require.Contains(t, b.String(), "missing pasta-65520: no pasta in PATH; remedy: make deps-bench, as root (Debian's package passt)")
	require.Contains(t, b.String(), "missing gateway: /nonexistent/fivetuple up has no --gateway; remedy: ")
}
