package star_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// TestDeterminism runs every scenario twice in one process: the same seed gives
// the same events, byte for byte, whatever ran before.
func TestDeterminism(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			_, src, err := scenarios.Source(name)
			require.NoError(t, err)
			first := events(t, name, string(src), 7)
			require.NotEmpty(t, first)
			require.True(t, first == events(t, name, string(src), 7), "the second run differs")
		})
	}
}

// TestEverySeed runs every scenario with some more seeds: what it claims does
// not depend on luck. Ports and initial sequence numbers do.
func TestEverySeed(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			_, src, err := scenarios.Source(name)
			require.NoError(t, err)
			for seed := range uint64(5) {
				events(t, name, string(src), seed)
			}
		})
	}
}

const lossy = `"""Each packet may be lost."""
client = host("client", "10.0.0.1/24")
server = host("server", "10.0.0.2/24")
link(client, server, delay = "10ms", loss = "30%")

def flood(p):
    s = p.socket(AF_INET, SOCK_DGRAM)
    p.bind(s, ("10.0.0.1", 4000))
    for _ in range(50):
        p.sendto(s, "hello", ("10.0.0.2", 9))
        p.sleep("1ms")

client.spawn("flood", flood)
run()
`

// TestSeed varies nothing but the seed of a scenario whose ports are fixed and
// whose loss is random: other packets are lost.
func TestSeed(t *testing.T) {
	lost := func(seed uint64) string {
		var kept []string
		for _, l := range strings.Split(events(t, "lossy", lossy, seed), "\n") {
			if strings.Contains(l, `"what":"dropped"`) {
				kept = append(kept, l)
			}
		}
		require.NotEmpty(t, kept)
		return strings.Join(kept, "\n")
	}
	require.Equal(t, lost(7), lost(7))
	require.NotEqual(t, lost(7), lost(8))
}

// events runs a script and returns its event log.
func events(t *testing.T, name, src string, seed uint64) string {
	t.Helper()
	s, err := star.Parse(name+".star", []byte(src))
	require.NoError(t, err)
	var out bytes.Buffer
	log := jsonl.New(&out, jsonl.Config{Scenario: name, Seed: seed})
	r, err := s.Run(context.Background(), star.Config{Seed: seed, Sinks: []trace.Sink{log}})
	require.NoError(t, err, "seed %d", seed)
	defer r.World.Close()
	require.NoError(t, r.World.Bus().Close())
	return out.String()
}
