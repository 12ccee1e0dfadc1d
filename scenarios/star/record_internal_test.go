package star

import (
	"fmt"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestRecorderForgets: a run that may last for days keeps its latest events and nothing
// else; one whose script goes on keeps its packets and states.
func TestRecorderForgets(t *testing.T) {
	client := trace.Origin{Host: "client"}
	for _, forget := range []bool{false, true} {
		r := recorder{world: sim.New(sim.Config{}), forget: forget}
		defer r.world.Close()
		for i := range 100 {
			p := &trace.Packet{What: trace.Sent, Peer: "server", Summary: trace.Summary{Proto: "tcp", Flags: "P.", Seq: uint32(i), Len: 1}}
			require.NoError(t, r.Event(&trace.Event{At: time.Duration(i) * time.Second, Origin: client, Body: p}))
		}
		require.NoError(t, r.Event(&trace.Event{At: 100 * time.Second, Origin: client, Body: &trace.State{From: trace.Established, To: trace.Closed}}))
		require.Equal(t, map[bool]int{false: 100, true: 0}[forget], len(r.packets))
		require.Equal(t, map[bool]int{false: 1, true: 0}[forget], len(r.states))
		var want []string
		for i := 93; i < 100; i++ {
			want = append(want, fmt.Sprintf("%12.6f  client > server: P. %d:%d(1)", float64(i), i, i+1))
		}
		require.Equal(t, append(want, "  100.000000  client invalid AddrPort: ESTABLISHED → CLOSED"), r.lines())
	}
}
