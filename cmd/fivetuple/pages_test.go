package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestPages keeps the pages in docs what the tables say.
func TestPages(t *testing.T) {
	for page, print := range map[string]func(io.Writer) error{
		"../../docs/socket-options.md": optionsMarkdown,
		"../../docs/socket-calls.md":   callsMarkdown,
	} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, print(&got))
			if *update {
				require.NoError(t, os.WriteFile(page, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(page)
			require.NoError(t, err, "run with -update")
			require.Equal(t, string(want), got.String(), "run with -update")
		})
	}
}

// TestCallsAreShown checks that the scenario a call names makes the call.
func TestCallsAreShown(t *testing.T) {
	for _, c := range sockapi.Calls() {
		if c.Scenario == "" {
			continue
		}
		_, src, err := scenarios.Source(c.Scenario)
		require.NoError(t, err, c.Name)
		name := strings.TrimSuffix(c.Name, "1") // epoll_create1 is p.epoll_create
		require.Contains(t, string(src), "."+name+"(", "%s is to show %s", c.Scenario, c.Name)
	}
}
