package scenarios_test

import (
	"path/filepath"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"

	"github.com/stretchr/testify/require"
)

// TestNames holds the embedded corpus against the folder: nothing is missing.
func TestNames(t *testing.T) {
	files, err := filepath.Glob("corpus/*.star")
	require.NoError(t, err)
	require.Len(t, scenarios.Names(), len(files))
	require.Contains(t, scenarios.Names(), "handshake")
}

func TestSource(t *testing.T) {
	file, src, err := scenarios.Source("handshake")
	require.NoError(t, err)
	require.Equal(t, "handshake.star", file)
	require.Contains(t, string(src), `"""Three segments`)
}

func TestSourceSuggests(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"handshak", `no scenario is called "handshak": did you mean "handshake"?; ` + "`fivetuple list` shows them all"},
		{"hnadshake", `no scenario is called "hnadshake": did you mean "handshake"?; ` + "`fivetuple list` shows them all"},
		{"HANDSHAKE", `no scenario is called "HANDSHAKE": did you mean "handshake"?; ` + "`fivetuple list` shows them all"},
		{"zzz", `no scenario is called "zzz"; ` + "`fivetuple list` shows them all"},
		{"", `no scenario is called ""; ` + "`fivetuple list` shows them all"},
	} {
		_, _, err := scenarios.Source(tt.name)
		require.EqualError(t, err, tt.want)
	}
}

// TestManual holds the corpus to what makes it the manual of the product: a
// scenario fits on a screen, and its claim on a line.
func TestManual(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			file, src, err := scenarios.Source(name)
			require.NoError(t, err)
			s, err := star.Parse(file, src)
			require.NoError(t, err)
			require.Equal(t, name, s.Name)
			require.LessOrEqual(t, len([]rune(s.Claim)), 100, "the claim: %s", s.Claim)
			require.Regexp(t, `\.$`, s.Claim, "the claim is a sentence")
			require.NotEqual(t, s.Claim, s.Doc, "the claim is explained")
		})
	}
}
