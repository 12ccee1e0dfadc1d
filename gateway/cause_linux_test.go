package gateway_test

import (
	"net"
	"net/netip"
	"testing"

	"fivetuple/gateway"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// causes keeps all events, to ask why something happened.
type causes map[trace.ID]*trace.Event

func (c causes) Event(ev *trace.Event) error { c[ev.ID] = ev; return nil }
func (c causes) Close() error                { return nil }

// TestCause: what the gateway's thread does for a packet names that packet as its cause,
// not what it has done for it before: each connection is in SYN-RECEIVED because of its
// SYN, the first one too, for which a listener is made.
func TestCause(t *testing.T) {
	l := newLab(t, gateway.Config{})
	seen := make(causes)
	l.w.Bus().Attach(seen)
	port := listen(t, "127.0.0.1", func(c net.Conn) { c.Close() })
	l.do(func(p *sockapi.Proc) error {
		for range 3 {
			fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
			require.NoError(t, err)
			require.NoError(t, p.Connect(fd, netip.AddrPortFrom(target4, port)))
			_, err = p.Recv(fd, 1, 0)
			require.NoError(t, err)
			require.NoError(t, p.Close(fd))
		}
		return nil
	})
	found := 0
	for _, ev := range seen {
		s, ok := ev.Body.(*trace.State)
		if !ok || s.To != trace.SynReceived {
			continue
		}
		found++
		why, ok := seen[ev.Cause]
		require.True(t, ok)
		pkt, ok := why.Body.(*trace.Packet)
		require.True(t, ok, "%s", why.Body.Kind())
		require.Equal(t, "S", pkt.Summary.Flags)
		require.Equal(t, s.Remote, pkt.Summary.Src)
	}
	require.Equal(t, 3, found)
}
