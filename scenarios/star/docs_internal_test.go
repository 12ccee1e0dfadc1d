package star

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

const docsPath = "../../docs/scenarios.md"

// TestDocsNameEverything holds docs/scenarios.md to the language: every name
// that a script can use is in it.
func TestDocsNameEverything(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	require.NoError(t, err)
	words := map[string]bool{}
	for _, w := range regexp.MustCompile(`\w+`).FindAllString(string(text), -1) {
		words[w] = true
	}
	for _, o := range sockapi.Options() {
		words[o.Name] = true // docs/socket-options.md is printed from the table
	}
	for _, name := range languageNames(t) {
		if _, errno := sockapi.Errnos()[name]; !errno { // as a class
			require.True(t, words[name], "docs/scenarios.md does not mention %s", name)
		}
	}
}

// languageNames lists the globals and what their values offer.
func languageNames(t *testing.T) []string {
	w := sim.New(sim.Config{})
	t.Cleanup(w.Close)
	r := &runner{world: w, result: &Result{World: w}}
	h, err := w.AddHost(sim.HostConfig{Name: "h"})
	require.NoError(t, err)
	var names []string
	for name := range r.globals() {
		names = append(names, name)
	}
	names = append(names, r.expectValue().(*expectObject).AttrNames()...)
	names = append(names, r.hostValue(h).AttrNames()...)
	h.Spawn("p", func(p *sockapi.Proc) error {
		names = append(names, r.procValue(p).AttrNames()...)
		return nil
	})
	require.NoError(t, w.Run(context.Background(), sim.UntilQuiet))
	var imp impairments
	for i, p := range imp.pairs() {
		if i%2 == 0 {
			names = append(names, strings.TrimSuffix(p.(string), "?"))
		}
	}
	return names
}

// TestDocsExample runs the first example of docs/scenarios.md.
func TestDocsExample(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "```python\n")
	require.True(t, ok)
	src, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	s, err := Parse("echo.star", []byte(src))
	require.NoError(t, err)
	r, err := s.Run(context.Background(), Config{Seed: 1})
	require.NoError(t, err)
	defer r.World.Close()
	require.Positive(t, r.Met)
}
