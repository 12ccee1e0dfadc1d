package trace

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFlowsForget: after very many connections the memory of their numbers is
// bounded, and one that goes on meanwhile is remembered.
func TestFlowsForget(t *testing.T) {
	var f Flows
	server := netip.MustParseAddrPort("10.0.0.2:80")
	client := func(n uint32) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 24), byte(n >> 16)}), uint16(n))
	}
	note := func(from, to netip.AddrPort, seq uint32, syn bool) *Summary {
		s := &Summary{Proto: "tcp", Src: from, Dst: to, rawSeq: seq, syn: syn}
		f.Note(s)
		return s
	}
	note(client(0), server, 1000, true)
	for n := uint32(1); n < 3*recentMost; n++ {
		note(client(n), server, n, true)
		if n%(recentMost/2) == 0 {
			s := note(client(0), server, 1001+n, false)
			require.True(t, s.Rel)
			require.Equal(t, 1+n, s.Seq)
		}
	}
	require.LessOrEqual(t, len(f.sides.young)+len(f.sides.old), 2*recentMost)
	require.False(t, note(client(1), server, 2, false).Rel, "it is forgotten")
}
