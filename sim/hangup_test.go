package sim_test

import (
	"context"
	"net/netip"
	"testing"

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
