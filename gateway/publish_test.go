package gateway_test

import (
	"testing"

	"fivetuple/gateway"

	"github.com/stretchr/testify/require"
)

// TestParsePublication: what is left out has its default, and what is written is
// written back in full.
func TestParsePublication(t *testing.T) {
	for text, want := range map[string]string{
		"8080:80":                            "127.0.0.1:8080:invalid AddrPort",
		"8080:10.77.0.1:80":                  "127.0.0.1:8080:10.77.0.1:80",
		"0.0.0.0:8080:10.77.0.1:80/tcp":      "0.0.0.0:8080:10.77.0.1:80",
		"[::1]:5353:[fd77::1]:53/udp":        "[::1]:5353:[fd77::1]:53/udp",
		"[::ffff:127.0.0.1]:1:10.77.0.1:2":   "127.0.0.1:1:10.77.0.1:2",
		"8000-8009:10.77.0.1:9000":           "127.0.0.1:8000-8009:10.77.0.1:9000-9009",
		"8000-8009:10.77.0.1:9000-9009/udp":  "127.0.0.1:8000-8009:10.77.0.1:9000-9009/udp",
		"[10.0.0.1]:65535:[10.77.0.1]:65535": "10.0.0.1:65535:10.77.0.1:65535",
	} {
		p, err := gateway.ParsePublication(text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.String(), text)
		if p.Inside.Addr().IsValid() {
			again, err := gateway.ParsePublication(p.String())
			require.NoError(t, err)
			require.Equal(t, p, again, "what is written back means the same")
		}
	}
}

// TestParsePublicationErrors: an error shows the text, and the part of it that is
// wrong.
func TestParsePublicationErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "there is one port",
		"8080":                    "there is one port",
		"8080:":                   "the inside has no port",
		":80":                     "the machine's side has no port",
		"8080:80/sctp":            `protocol "sctp": there are tcp and udp`,
		"http:80":                 `the machine's side: "http" is no port`,
		"8080:http":               `the inside: "http" is no port`,
		"0:80":                    "the machine's side: there is no port 0",
		"8080:65536":              "the inside: there is no port 65536",
		"-1:80":                   "the machine's side has no port",
		"8080:1.2.3:80":           `the inside: "1.2.3" is no address`,
		"localhost:8080:80":       `the machine's side: "localhost" is no port`,
		"8080:10.77.0.1":          "the inside has no port",
		"::1:8080:80":             "the machine's side has no port",
		"[::1:8080:80":            "a bracket is not closed",
		"[fe80::1%eth0]:8080:80":  "the machine's side: [fe80::1%eth0] is a link-local address",
		"[fe80::1]:8080:80":       "the machine's side: [fe80::1] is a link-local address",
		"8080:[fe80::1]:80":       "the inside: [fe80::1] is a link-local address",
		"[fd77::1%eth0]:8080:80":  "has a zone",
		"224.0.0.1:8080:80":       "is not the address of one host",
		"8080:10.77.0.1:80:90":    `"90" is too much`,
		"8009-8000:80":            "ports 8009-8000 go downwards: write 8000-8009",
		"8000-8009:9000-9008":     "10 ports cannot become 9",
		"8080:9000-9008":          "1 ports cannot become 9",
		"8000-8009:65530":         "10 ports from 65530 on are more than there are",
		"8000-9000:10.77.0.1:0":   "the inside: there is no port 0",
		"127.0.0.1:8000-x:80/udp": `the machine's side: "x" is no port`,
	} {
		_, err := gateway.ParsePublication(text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, `"`+text+`"`)
	}
}

// FuzzParsePublication: nothing panics, and what is accepted is written back as
// something that means the same.
func FuzzParsePublication(f *testing.F) {
	for _, text := range []string{"8080:80", "[::1]:1-2:[fd77::1]:3/udp", "1.2.3.4:5:6"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := gateway.ParsePublication(text)
		if err != nil || !p.Inside.Addr().IsValid() {
			return
		}
		again, err := gateway.ParsePublication(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
