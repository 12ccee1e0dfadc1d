package tun

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigDefaults(t *testing.T) {
	got, err := Config{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Config{MTU: 1500}, got)
}

func TestConfigLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want string // the error, or "" for none
	}{
		{"smallest MTU", Config{MTU: 576}, ""},
		{"largest MTU", Config{MTU: 65520}, ""},
		{"MTU too small", Config{MTU: 575}, "an MTU of 575 is out of range: use 576 to 65520"},
		{"MTU too large", Config{MTU: 65521}, "an MTU of 65521 is out of range: use 576 to 65520"},
		{"MTU negative", Config{MTU: -1}, "an MTU of -1 is out of range: use 576 to 65520"},
		{"every kind of character", Config{Name: "Az.09_-"}, ""},
		{"longest name", Config{Name: "abcdefghijklmno"}, ""},
		{"name too long", Config{Name: "abcdefghijklmnop"},
			`device name "abcdefghijklmnop" has 16 bytes: use at most 15, the limit of Linux`},
		{"slash", Config{Name: "a/b"}, `device name "a/b" contains '/': use letters, digits, '.', '_' and '-'`},
		{"space", Config{Name: "a b"}, `device name "a b" contains ' ': use letters, digits, '.', '_' and '-'`},
		{"template", Config{Name: "ft%d"}, `device name "ft%d" contains '%': use letters, digits, '.', '_' and '-'`},
		{"NUL", Config{Name: "a\x00"}, `device name "a\x00" contains '\x00': use letters, digits, '.', '_' and '-'`},
		{"not ASCII", Config{Name: "é"}, `device name "é" contains 'é': use letters, digits, '.', '_' and '-'`},
		{"directory", Config{Name: ".."}, `device name ".." is reserved by Linux: choose another`},
		{"sysctl directory", Config{Name: "all"}, `device name "all" is reserved by Linux: choose another`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.cfg.withDefaults()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}
