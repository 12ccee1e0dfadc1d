package sim_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"fivetuple/sim"

	"github.com/stretchr/testify/require"
)

// TestPacedFlood: more packets than a world can take do not stop its clock. Each
// one makes several events of the instant at which the clock waits for those
// that are overdue.
func TestPacedFlood(t *testing.T) {
	w, d := recorded(t, new(bytes.Buffer), false)
	ctx, stop := context.WithCancel(t.Context())
	var posting sync.WaitGroup
	for range 8 {
		posting.Go(func() {
			for p := datagram(1); d.Post(ctx, p); {
			}
		})
	}
	require.NoError(t, w.RunPaced(ctx, sim.Until(50*time.Millisecond)))
	stop()
	posting.Wait()
}
