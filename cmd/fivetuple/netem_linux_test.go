package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadNetem(t *testing.T) {
	for _, tc := range []struct{ text, out, in, wrong string }{
		{"", "", "", ""},
		{"delay 40ms loss 1%", "delay 40ms loss 1%", "delay 40ms loss 1%", ""},
		{"out rate 10mbit, in delay 5ms", "rate 10mbit", "delay 5ms", ""},
		{"in delay 5ms", "", "delay 5ms", ""},
		{"delay 40", "", "", "unit"},
		{"out delay 5ms, both loss 1%", "", "", "each part begins with out or in"},
	} {
		out, in, err := readNetem(tc.text)
		if tc.wrong != "" {
			require.ErrorContains(t, err, tc.wrong, tc.text)
			continue
		}
		require.NoError(t, err, tc.text)
		require.Equal(t, []string{tc.out, tc.in}, []string{out, in}, tc.text)
	}
}
