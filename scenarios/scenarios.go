// Package scenarios holds the built-in scenarios: scripts that each prove one
// claim about sockets and TCP. They are embedded in the program and found by
// name; docs/scenarios.md describes the language they are written in.
package scenarios

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed corpus/*.star
var corpus embed.FS

// Names lists the built-in scenarios by name.
func Names() []string {
	entries, err := corpus.ReadDir("corpus")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

// Source returns a built-in scenario: its file name, for messages, and its
// text. The error for an unknown name suggests the nearest one.
func Source(name string) (file string, src []byte, err error) {
	file = name + ".star"
	src, err = corpus.ReadFile("corpus/" + file)
	if err != nil {
		return "", nil, fmt.Errorf("no scenario is called %q%s; `fivetuple list` shows them all", name, suggest(name))
	}
	return file, src, nil
}

// suggest names the nearest scenario, if one is near.
func suggest(name string) string {
	best, least := "", len(name)/2+1
	for _, n := range Names() {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is how many letters must be inserted, deleted or replaced to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		prev := row[0]
		row[0] = i + 1
		for j := range b {
			cost := prev
			if a[i] != b[j] {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
