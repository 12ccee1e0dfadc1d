package scenarios_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// TestPkt runs the packetdrill scripts in each IP version: what comes of them
// is in their profile, and a second run gives the same bytes.
func TestPkt(t *testing.T) {
	src, err := scenarios.PktSource("netstack.profile")
	require.NoError(t, err)
	profile, err := packetdrill.ParseProfile("netstack.profile", src)
	require.NoError(t, err)
	for _, name := range scenarios.PktNames() {
		t.Run(name, func(t *testing.T) {
			for _, v := range []packetdrill.IPVersion{packetdrill.IPv4, packetdrill.IPv6, packetdrill.Mapped} {
				verdict, why, events := runPkt(t, name, v)
				require.Empty(t, profile.Expects(name, verdict, why), "%s: %s: %v", v, verdict, why)
				_, _, again := runPkt(t, name, v)
				require.Equal(t, events, again)
			}
		})
	}
}

func runPkt(t *testing.T, name string, v packetdrill.IPVersion) (packetdrill.Verdict, *packetdrill.Problem, string) {
	t.Helper()
	src, err := scenarios.PktSource(name)
	require.NoError(t, err)
	s, err := packetdrill.Parse(name, src, nil)
	require.NoError(t, err)
	again, err := packetdrill.Parse(name, []byte(packetdrill.Format(s)), nil)
	require.NoError(t, err)
	require.Equal(t, packetdrill.Format(s), packetdrill.Format(again))
	var b bytes.Buffer
	sink := jsonl.New(&b, jsonl.Config{Scenario: name, Seed: goldenSeed, Epoch: stack.Epoch})
	r := packetdrill.Run(context.Background(), s, packetdrill.Config{
		Seed: goldenSeed, Settings: packetdrill.Settings{IPVersion: v}, Sinks: []trace.Sink{sink},
	})
	require.NotNil(t, r.World)
	defer r.World.Close()
	require.NoError(t, r.World.Bus().Close())
	return r.Verdict, r.Problem, b.String()
}

// TestPktManual: a script says what it shows, and where that is written.
func TestPktManual(t *testing.T) {
	files, err := filepath.Glob("corpus/pkt/*.pkt")
	require.NoError(t, err)
	require.Len(t, scenarios.PktNames(), len(files))
	for _, name := range scenarios.PktNames() {
		src, err := scenarios.PktSource(name)
		require.NoError(t, err)
		require.Regexp(t, `^// [A-Z]`, string(src), name)
		head, _, _ := strings.Cut(string(src), "\n0 ")
		require.Regexp(t, `(?m)^// RFC \d+`, head, name)
	}
}
