// Package scenarios holds the built-in scenarios: scripts that each prove one
// claim about sockets and TCP. They are embedded in the program and found by
// name; docs/scenarios.md describes the language they are written in.
package scenarios

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"fivetuple/internal/spell"
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
	best := spell.Nearest(name, Names())
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}
