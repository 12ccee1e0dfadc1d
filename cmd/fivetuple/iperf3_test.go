package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestIperf3ClientVanishes: a client that falls silent in the middle of a test, with no
// FIN and no RST, keeps the server for a minute and no longer: another one is refused
// after 50 seconds, and served after 70.
func TestIperf3ClientVanishes(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	host := func(name, addr string) *sim.Host {
		h, err := w.AddHost(sim.HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		require.NoError(t, err)
		return h
	}
	gone, server, other := host("gone", "10.0.1.2/24"), host("server", "10.0.0.1/24"), host("other", "10.0.2.2/24")
	link, err := w.Connect(gone, server, sim.LinkConfig{})
	require.NoError(t, err)
	_, err = w.Connect(other, server, sim.LinkConfig{})
	require.NoError(t, err)
	services[slices.IndexFunc(services, func(s service) bool { return s.name == "iperf3" })].spawn(server, w.Epoch())
	// begin is what the server answers to a client's cookie.
	begin := func(p *sockapi.Proc, cookie string) byte {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Connect(fd, netip.MustParseAddrPort("10.0.0.1:5201")))
		_, err = p.Send(fd, []byte(strings.Repeat(cookie, iperfCookie)), 0)
		require.NoError(t, err)
		answer := make([]byte, 1)
		_, err = p.RecvInto(fd, answer, 0)
		require.NoError(t, err)
		return answer[0]
	}
	gone.Spawn("iperf3", func(p *sockapi.Proc) error {
		require.EqualValues(t, iperfParamExchange, begin(p, "a"))
		lose, err := netem.Parse("loss 100%")
		require.NoError(t, err)
		require.NoError(t, link.Impair(sim.AB, lose))
		return nil // it closes, which nobody hears
	})
	other.Spawn("iperf3", func(p *sockapi.Proc) error {
		p.Sleep(50 * time.Second)
		require.EqualValues(t, iperfAccessDenied, begin(p, "b"))
		p.Sleep(20 * time.Second)
		require.EqualValues(t, iperfParamExchange, begin(p, "c"))
		return nil
	})
	require.NoError(t, w.Run(t.Context(), sim.UntilQuiet))
}
