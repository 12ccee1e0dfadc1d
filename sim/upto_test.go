package sim_test

import (
	"context"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestRunUpTo stops at an instant, with what happens then, and not at one that
// comes after the end.
func TestRunUpTo(t *testing.T) {
	const ms = time.Millisecond
	for _, row := range []struct {
		name    string
		limit   sim.Limit
		stop    time.Duration
		reached bool
		ticks   int
		now     time.Duration
	}{
		{"between two events", sim.UntilQuiet, 25 * ms, true, 2, 25 * ms},
		{"on an event", sim.UntilQuiet, 20 * ms, true, 2, 20 * ms},
		{"at the start", sim.UntilQuiet, 0, true, 0, 0},
		{"on the last event", sim.UntilQuiet, 30 * ms, false, 3, 30 * ms},
		{"after the end", sim.UntilQuiet, time.Hour, false, 3, 30 * ms},
		{"after the limit", sim.Until(15 * ms), 20 * ms, false, 1, 15 * ms},
		{"on the limit", sim.Until(20 * ms), 20 * ms, false, 2, 20 * ms},
		{"before the limit", sim.Until(time.Hour), 20 * ms, true, 2, 20 * ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := sim.New(sim.Config{})
			t.Cleanup(w.Close)
			h, err := w.AddHost(sim.HostConfig{Name: "h"})
			require.NoError(t, err)
			ticks := 0
			h.Spawn("p", func(p *sockapi.Proc) error {
				for range 3 {
					p.Sleep(10 * ms)
					ticks++
				}
				return nil
			})
			reached, err := w.RunUpTo(context.Background(), row.limit, row.stop)
			require.NoError(t, err)
			require.Equal(t, row.reached, reached)
			require.Equal(t, row.ticks, ticks)
			require.Equal(t, row.now, w.Now())
		})
	}
}
