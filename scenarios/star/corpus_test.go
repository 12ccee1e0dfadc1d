package star_test

import (
	"context"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"

	"github.com/stretchr/testify/require"
)

// TestCorpus runs every built-in scenario: each states what it expects.
func TestCorpus(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			file, src, err := scenarios.Source(name)
			require.NoError(t, err)
			s, err := star.Parse(file, src)
			require.NoError(t, err)
			r, err := s.Run(context.Background(), star.Config{Seed: 1})
			require.NoError(t, err)
			defer r.World.Close()
			require.Positive(t, r.Met, "a scenario expects something")
		})
	}
}
