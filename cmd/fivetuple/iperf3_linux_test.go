package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpIperf3: the iperf3 client that people have finds a server, in all the
// ways in which it uses TCP and UDP, one test after the other. Its own report has what
// both ends counted: the receiver no more than the sender, and not nothing.
func TestUpIperf3(t *testing.T) {
	if !isLive(t) {
		return
	}
	p := start(t, t.TempDir(), "fivetuple", upArgs("-q", "--serve", "iperf3")...)
	p.await("up: ")
	for _, tc := range []struct {
		name    string
		args    []string
		streams int
	}{
		{"to the server", nil, 1},
		{"from the server", []string{"-R"}, 1},
		{"in parallel", []string{"-P", "3"}, 3},
		{"both ways", []string{"--bidir"}, 2},
		{"over IPv6", []string{"-6"}, 1},
		{"datagrams to the server", []string{"-u", "-b", "50M"}, 1},
		{"datagrams from the server", []string{"-u", "-b", "50M", "-R"}, 1},
		{"datagrams in parallel", []string{"-u", "-b", "20M", "-P", "3"}, 3},
		{"datagrams both ways", []string{"-u", "-b", "20M", "--bidir"}, 2},
	} {
		host := lab4
		if tc.name == "over IPv6" {
			host = lab6
		}
		var report struct {
			Error string
			End   struct {
				Streams []struct {
					Sender, Receiver struct{ Bytes int64 }
					UDP              struct {
						Packets int64
						Lost    int64 `json:"lost_packets"`
					}
				}
			}
		}
		out := tool(t, nil, "iperf3", append([]string{"-J", "-n", "4M", "-c", host}, tc.args...)...)
		require.NoError(t, json.Unmarshal([]byte(out), &report), out)
		require.Empty(t, report.Error, tc.name)
		require.Len(t, report.End.Streams, tc.streams, tc.name)
		for _, s := range report.End.Streams {
			if slices.Contains(tc.args, "-u") { // the network may lose some, but not all
				require.Positive(t, s.UDP.Packets, tc.name)
				require.Less(t, s.UDP.Lost, s.UDP.Packets, tc.name)
				continue
			}
			require.Positive(t, s.Receiver.Bytes, tc.name)
			require.LessOrEqual(t, s.Receiver.Bytes, s.Sender.Bytes, tc.name)
		}
	}
	p.stop()
}
