package sim_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestHangup: a world that hangs up says good-bye. Both processes are blocked
// in a call on the connection when it happens, which must not keep it open:
// each side's FIN is on the wire at that instant, and the connection ends.
func TestHangup(t *testing.T) {
	l, a, b, _ := pair(t, delay(10*ms))
	addr := netip.MustParseAddrPort("10.0.0.2:80")
	b.Spawn("server", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Bind(s, addr))
		require.NoError(t, p.Listen(s, 1))
		c, _, err := p.Accept(s)
		require.NoError(t, err)
		_, err = p.Recv(c, 9, 0)
		return err
	})
	a.Spawn("client", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Connect(s, addr))
		_, err := p.Recv(s, 9, 0)
		return err
	})
	require.NoError(t, l.Run(context.Background(), sim.Until(100*ms)))
	l.Hangup()
	require.Equal(t, 100*ms, l.Now())
	require.Empty(t, a.Processes())
	require.Empty(t, b.Processes())
	fins := 0
	for _, p := range l.trace.packets(trace.Sent) {
		if p.Summary.Flags == "F." {
			fins++
		}
	}
	require.Equal(t, 2, fins, "one from each side, now")
	l.run() // no deadlock: nobody waits any more
	require.Empty(t, a.Sockets())
	require.Empty(t, b.Sockets())
}

// TestHangupPort: what a world says when it hangs up leaves by its port, too,
// although nothing else happens at that instant.
func TestHangupPort(t *testing.T) {
	got := -1
	o := newOtherSide(t, func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Connect(s, labAddr))
		b, err := p.Recv(s, 9, 0)
		got = len(b)
		return err
	})
	w, _ := observedWorld(t, new(bytes.Buffer), o)
	require.NoError(t, w.RunPaced(t.Context(), sim.Until(20*ms)))
	require.Equal(t, -1, got, "the client waits")
	w.Hangup()
	require.Zero(t, got, "it has come to the end of the stream")
}

// TestHangupTimers: those who have been ended wait for nothing: a world that
// runs on comes to rest when its packets have.
func TestHangupTimers(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("h", "10.0.0.1/24")
	for _, at := range []time.Duration{0, 3 * time.Hour} {
		h.SpawnConfig(sim.SpawnConfig{Name: "sleeper", At: at}, func(p *sockapi.Proc) error { p.Sleep(time.Hour); return nil })
	}
	require.NoError(t, l.Run(context.Background(), sim.Until(time.Second)))
	l.Hangup()
	l.run()
	require.Equal(t, time.Second, l.Now())
}
