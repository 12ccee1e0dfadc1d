// Package spell finds the name that a person probably meant.
package spell

import (
	"fmt"
	"strings"
)

// Nearest returns the candidate that is nearest to name, the first of equals.
// It returns "" if none is near: if more than half of name would have to change.
// The case of letters does not count.
func Nearest(name string, candidates []string) string {
	name = strings.ToLower(name)
	best, least := "", len(name)/2+1
	for _, c := range candidates {
		if d := Distance(name, strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// Hint is what an error says after a name that is not known: " (did you mean
// client?)", or "" if no candidate is near.
func Hint(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" {
		return fmt.Sprintf(" (did you mean %s?)", n)
	}
	return ""
}

// Distance is how many letters must be inserted, deleted or replaced to make b
// of a (Levenshtein).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
