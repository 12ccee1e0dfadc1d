package scenarios_test

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/trace/ladder"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden ladders in testdata/ladders")

// goldenSeed is the seed that `fivetuple run` takes by default.
const goldenSeed = 1

// TestLadders compares every scenario's ladder with testdata/ladders/NAME.txt:
// a change of what goes over the wire, or of how it is drawn, shows as a diff.
func TestLadders(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			got := ladderOf(t, name)
			path := filepath.Join("testdata", "ladders", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s has no golden ladder yet: run `go test ./scenarios -update`, and read what it wrote", name)
			}
			require.NoError(t, err)
			require.Equal(t, string(want), got, "if the change is meant, run `go test ./scenarios -update`")
		})
	}
}

// TestNoStrayLadders finds golden ladders whose scenario is gone.
func TestNoStrayLadders(t *testing.T) {
	files, err := filepath.Glob("testdata/ladders/*.txt")
	require.NoError(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		require.Contains(t, scenarios.Names(), name, "%s has no scenario: delete it", f)
	}
}

// ladderOf runs a scenario and draws it as `fivetuple run` does.
func ladderOf(t *testing.T, name string) string {
	t.Helper()
	file, src, err := scenarios.Source(name)
	require.NoError(t, err)
	s, err := star.Parse(file, src)
	require.NoError(t, err)
	var out strings.Builder
	r, err := s.Run(context.Background(), star.Config{Seed: goldenSeed, Started: func(w *sim.World) {
		cfg := ladder.Config{Title: s.Name, Claim: s.Claim, Seed: goldenSeed}
		for _, h := range w.Hosts() {
			lane := ladder.Host{Name: h.Name()}
			for _, a := range h.Addrs() {
				lane.Addrs = append(lane.Addrs, a.Addr())
			}
			cfg.Hosts = append(cfg.Hosts, lane)
		}
		w.Bus().Attach(ladder.New(&out, cfg))
	}})
	require.NoError(t, err)
	defer r.World.Close()
	require.NoError(t, r.World.Bus().Close())
	return out.String()
}
