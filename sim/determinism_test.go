package sim_test

import (
	"runtime"
	"sync"
	"testing"

	"fivetuple/sim"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestDeterminism: one seed gives one trace, byte for byte, on one processor
// and on eight, and while other worlds run beside it. busy has every source of
// chance that a link has, and losses long enough to need every timer of TCP:
// one number drawn, or one timer armed, in another order would show.
func TestDeterminism(t *testing.T) {
	run := func() string {
		l := busy(t, 11)
		l.run()
		return l.trace.jsonl(t)
	}
	want := run()
	for _, procs := range []int{1, 8} {
		old := runtime.GOMAXPROCS(procs)
		got := run()
		runtime.GOMAXPROCS(old)
		require.Equal(t, want, got, "GOMAXPROCS %d", procs)
	}
	const worlds = 8
	got := make([]string, worlds)
	var wg sync.WaitGroup
	for n := range worlds {
		wg.Go(func() { got[n] = run() })
	}
	wg.Wait()
	for n := range worlds {
		require.Equal(t, want, got[n], "world %d of %d at once", n, worlds)
	}
}

func TestSeeds(t *testing.T) {
	run := func(seed uint64) string {
		l := busy(t, seed)
		l.run()
		return l.trace.jsonl(t)
	}
	require.NotEqual(t, run(1), run(2))
	require.Equal(t, run(0), run(0), "zero is a seed like any other, not a random one")
}

// TestLuckIsNamed: a host's and a link's luck depend on the seed and on their
// names. Another host and link beside them change nothing in the packets of
// the first two.
func TestLuckIsNamed(t *testing.T) {
	run := func(more bool) (sent [][]byte) {
		l, a, b, _ := pair(t, sim.LinkConfig{})
		if more {
			l.connect(b, l.host("c", "10.0.9.1/24"), sim.LinkConfig{AddrsA: prefixes("10.0.9.2/24")})
			l.connect(l.host("d", "10.0.8.1/24"), l.host("e", "10.0.8.2/24"), sim.LinkConfig{})
		}
		serve(b, "echo", echo(t, "10.0.0.2:7"))
		a.Spawn("ask", ask(t, "10.0.0.2:7", "hello"))
		l.run()
		for _, p := range l.trace.packets(trace.Sent) {
			sent = append(sent, p.Data)
		}
		return sent
	}
	require.Equal(t, run(false), run(true))
}

// TestObservingChangesNothing: with and without a trace, a world does the same.
func TestObservingChangesNothing(t *testing.T) {
	seen := busy(t, 5)
	seen.run()
	blind := &lab{World: sim.New(sim.Config{Seed: 5}), t: t}
	defer blind.Close()
	blind.fill()
	blind.run()
	require.Equal(t, seen.Now(), blind.Now())
	require.Equal(t, seen.Packets(), blind.Packets())
	require.Equal(t, seen.Links()[0].Stats(sim.AB), blind.Links()[0].Stats(sim.AB))
	require.Equal(t, seen.Links()[0].Stats(sim.BA), blind.Links()[0].Stats(sim.BA))
}
