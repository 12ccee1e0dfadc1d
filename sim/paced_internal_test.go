package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUntilNextKeepsTime: an event that became due just now is not passed by
// the clock, or it would run in the past.
func TestUntilNextKeepsTime(t *testing.T) {
	w := New(Config{})
	w.At(time.Second, func() {})
	start := time.Now().Add(-time.Hour)
	for _, limit := range []Limit{Forever, Until(time.Minute)} {
		require.Zero(t, w.untilNext(start, limit))
		require.Zero(t, w.loop.now)
	}
	require.Zero(t, w.untilNext(start, Until(time.Millisecond)))
	require.Equal(t, time.Millisecond, w.loop.now, "nothing is due before the limit")
}
