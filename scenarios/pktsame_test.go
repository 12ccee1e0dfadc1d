package scenarios_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// TestPktSame runs each script many times: the bytes of its trace, and what came
// of it, are the same each time. Go's maps have another order in each run, so
// that ten runs show what depends on one. FIVETUPLE_PKT_RUNS is how many,
// FIVETUPLE_PKT_DIR a folder of other scripts too, FIVETUPLE_PKT_DEFINES words
// for those: "CODE=host_unreachable".
func TestPktSame(t *testing.T) {
	runs := 10
	if v := os.Getenv("FIVETUPLE_PKT_RUNS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		runs = n
	}
	all := make(map[string][]byte)
	for _, name := range scenarios.PktNames() {
		src, err := scenarios.PktSource(name)
		require.NoError(t, err)
		all[name] = src
	}
	if dir := os.Getenv("FIVETUPLE_PKT_DIR"); dir != "" {
		addFolder(t, dir, all)
	}
	defines := make(map[string]string)
	for _, d := range strings.Fields(os.Getenv("FIVETUPLE_PKT_DEFINES")) {
		word, text, _ := strings.Cut(d, "=")
		defines[word] = text
	}
	for name, src := range all {
		first := hashPkt(t, name, src, defines)
		for range runs - 1 {
			require.Equal(t, first, hashPkt(t, name, src, defines), name)
		}
	}
	t.Logf("%d scripts, %d runs each: one trace each", len(all), runs)
}

func addFolder(t *testing.T, dir string, all map[string][]byte) {
	t.Helper()
	before := len(all)
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".pkt" {
			return err
		}
		src, err := os.ReadFile(path)
		all[path] = src
		return err
	}))
	require.Greater(t, len(all), before, "%s has no scripts", dir)
}

// hashPkt is a run: the hash of its trace, and its outcome.
func hashPkt(t *testing.T, name string, src []byte, defines map[string]string) string {
	t.Helper()
	s, err := packetdrill.Parse(name, src, defines)
	if err != nil {
		return err.Error()
	}
	h := sha256.New()
	sink := jsonl.New(h, jsonl.Config{Scenario: name, Seed: goldenSeed, Epoch: stack.Epoch})
	r := packetdrill.Run(context.Background(), s, packetdrill.Config{Seed: goldenSeed, Sinks: []trace.Sink{sink}})
	outcome := string(r.Verdict)
	if r.Problem != nil {
		outcome += " " + r.Problem.Error()
	}
	if r.World != nil {
		defer r.World.Close()
		require.NoError(t, r.World.Bus().Close())
	}
	return hex.EncodeToString(h.Sum(nil)) + " " + outcome
}
