package gateway_test

import (
	"testing"

	"fivetuple/gateway"

	"github.com/stretchr/testify/require"
)

func TestParseMapping(t *testing.T) {
	for _, tt := range []struct{ text, inside, outside string }{
		{"10.77.0.3=127.0.0.1", "10.77.0.3:0", "127.0.0.1:0"},
		{"10.77.0.3:53=127.0.0.53:53", "10.77.0.3:53", "127.0.0.53:53"},
		{"10.77.0.3:80=127.0.0.1", "10.77.0.3:80", "127.0.0.1:0"},
		{"fd77::3=::1", "[fd77::3]:0", "[::1]:0"},
		{"[fd77::3]:80=[::1]:8080", "[fd77::3]:80", "[::1]:8080"},
	} {
		m, err := gateway.ParseMapping(tt.text)
		require.NoError(t, err, tt.text)
		require.Equal(t, tt.inside, m.Inside.String())
		require.Equal(t, tt.outside, m.Outside.String())
	}
	for text, complaint := range map[string]string{
		"10.77.0.3":                   "write ADDRESS=ADDRESS",
		"10.77.0.3=localhost":         `"localhost": an address is written 10.77.0.3`,
		"10.77.0.3=::1":               "both addresses have to be of one family",
		"10.77.0.3=127.0.0.1:80":      "all ports of 10.77.0.3 cannot become port 80",
		"10.77.0.3:0=127.0.0.1":       "there is no port 0",
		"0.0.0.0=127.0.0.1":           "is not the address of one host",
		"10.77.0.3=224.0.0.1":         "is not the address of one host",
		"10.77.0.3:99999=10.0.0.1":    "an address is written",
		"127.0.0.53:53=127.0.0.53:53": "inside, 127.0.0.53 is the program's own loopback",
		"[::1]:53=[::1]:53":           "inside, ::1 is the program's own loopback",
		"fd77::3=fe80::1%lo":          `"fe80::1%lo": has a zone`,
		"fd77::3=fe80::1":             "fe80::1 is a link-local address",
	} {
		_, err := gateway.ParseMapping(text)
		require.ErrorContains(t, err, complaint, text)
	}
}
