package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const viewsPage = "../../docs/views.md"

// TestViewsPage runs every command of docs/views.md: its output is what the page
// shows below it.
func TestViewsPage(t *testing.T) {
	page, err := os.ReadFile(viewsPage)
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```\n(\\$ fivetuple [^\n]+)\n.*?```\n")
	n := 0
	got := block.ReplaceAllStringFunc(string(page), func(b string) string {
		n++
		line := block.FindStringSubmatch(b)[1]
		var out bytes.Buffer
		cmd := root()
		cmd.SetOut(&out)
		cmd.SetArgs(shellWords(strings.TrimPrefix(line, "$ fivetuple ")))
		require.NoError(t, cmd.Execute(), line)
		return "```\n" + line + "\n" + out.String() + "```\n"
	})
	require.Greater(t, n, 8, "are the blocks still found?")
	if *update {
		require.NoError(t, os.WriteFile(viewsPage, []byte(got), 0o644))
		return
	}
	require.Equal(t, string(page), got, "run with -update")
}

// shellWords splits at blanks that are not within single quotes.
func shellWords(s string) []string {
	var words []string
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}
