//go:build !race

package sim_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector has allocations of its own.

// TestEchoAllocates: a round trip takes no memory that it does not give back, in
// netstack, sockapi and the engine alike. The runtime's own few allocations are less
// than one for each hundred round trips; anything of ours would be one for each.
func TestEchoAllocates(t *testing.T) {
	const rounds = 10_000
	var before, after runtime.MemStats
	roundTrips(t, rounds, func() { runtime.ReadMemStats(&before) }, func() { runtime.ReadMemStats(&after) })
	require.Less(t, after.Mallocs-before.Mallocs, uint64(rounds/100))
}
