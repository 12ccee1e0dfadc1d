package spell_test

import (
	"testing"

	"fivetuple/internal/spell"

	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"reset", "reset", 0},
		{"rest", "reset", 1},
		{"resset", "reset", 1},
		{"resat", "reset", 1},
		{"kitten", "sitting", 3},
		{"clinet", "client", 2}, // two letters that changed places count twice
		{"flaw", "lawn", 2},
	} {
		require.Equal(t, tt.want, spell.Distance(tt.a, tt.b), "%q to %q", tt.a, tt.b)
		require.Equal(t, tt.want, spell.Distance(tt.b, tt.a), "%q to %q", tt.b, tt.a)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"client", "server", "ECONNREFUSED", "udp", "ups"}
	for _, tt := range []struct{ name, want string }{
		{"clinet", "client"},
		{"serv", "server"},
		{"ECONREFUSED", "ECONNREFUSED"},
		{"UDP", "udp"}, // case does not count
		{"uds", "udp"}, // as near as ups: the first wins
		{"router", ""}, // five of six letters differ
		{"x", ""},
		{"", ""},
	} {
		require.Equal(t, tt.want, spell.Nearest(tt.name, names), "%q", tt.name)
	}
	require.Equal(t, " (did you mean client?)", spell.Hint("clinet", names))
	require.Empty(t, spell.Hint("router", names))
}
