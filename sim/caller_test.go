package sim_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestCaller: calls from outside the world return, or block a thread of their
// own while others are made.
func TestCaller(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	h, err := w.AddHost(sim.HostConfig{Name: "h", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	require.NoError(t, err)
	require.NoError(t, w.Run(context.Background(), sim.Until(0)))
	c := h.SpawnCaller("app")
	addr := netip.MustParseAddrPort("127.0.0.1:80")

	fd := -1
	c.Do(func(p *sockapi.Proc) {
		fd, _ = p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, p.Bind(fd, addr))
		require.NoError(t, p.Listen(fd, 1))
	})
	require.Equal(t, 3, fd)

	accepted := -1
	c.Do(func(p *sockapi.Proc) { accepted, _, _ = p.Accept(fd) })
	require.Equal(t, -1, accepted, "accept blocks")
	connected := false
	c.Do(func(p *sockapi.Proc) {
		s, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		connected = p.Connect(s, addr) == nil
	})
	require.False(t, connected, "the handshake takes time")
	at, ok := w.NextEvent()
	require.True(t, ok)
	require.Greater(t, at, w.Now())
	require.NoError(t, w.Run(context.Background(), sim.Until(time.Second)))
	require.True(t, connected)
	require.Equal(t, 5, accepted)
}

func TestNextEventOfAnEmptyWorld(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	_, ok := w.NextEvent()
	require.False(t, ok)
}
