package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command runs the command in dir, which must succeed, and returns its output.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	p := start(t, dir, "fivetuple", args...)
	require.Zero(t, p.wait(), "fivetuple %s\n%s%s", strings.Join(args, " "), p.stdout(), p.stderr())
	return p.stdout()
}

// importPasses imports a connection for a side, runs the script, and requires
// that all that it expects happens. It returns the script.
func importPasses(t *testing.T, dir, capture string, stream int, side string) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d-%s.pkt", strings.TrimSuffix(filepath.Base(capture), ".pcapng"), stream, side)
	command(t, dir, "import", capture, "--stream", fmt.Sprint(stream), "--side", side, "-o", name)
	p := start(t, dir, "fivetuple", "pkt", name)
	require.Zero(t, p.wait(), "%s%s\n%s", p.stdout(), p.stderr(), read(t, dir, name))
	return read(t, dir, name)
}

// TestImportScenarios: a connection of two netstacks, captured where each of
// them is, or by each side's own clock in one file, becomes a script that
// netstack fulfils: for both sides, with losses, timers, closed windows, resets.
func TestImportScenarios(t *testing.T) {
	for _, tt := range []struct {
		scenario string
		hosts    [2]string
		says     string // in the script of one of the hosts at least
		ownOnly  bool   // a capture at one end does not tell what the other one saw
	}{
		{"handshake", [2]string{"client", "server"}, "accept(3, ..., ...) = 4", false},
		{"retransmission", [2]string{"client", "server"}, "sent 1 segment again", true},
		{"lost-synack", [2]string{"client", "server"}, "\n+1 > S. 0:0(0) ack 1", true},
		{"teardown-client", [2]string{"client", "server"}, "close(3) = 0", false},
		{"teardown-server", [2]string{"client", "server"}, "close(4) = 0", false},
		{"half-close", [2]string{"client", "server"}, "shutdown(3, SHUT_WR) = 0", false},
		{"simultaneous-close", [2]string{"client", "server"}, "> F. ", false},
		{"linger-reset", [2]string{"client", "server"}, "SO_LINGER, {onoff=1, linger=0}, 8) = 0", false},
		{"reset", [2]string{"client", "server"}, "> R", false},
		{"zero-window", [2]string{"client", "server"}, `tcp_rmem="4096 8192 8192"`, false},
		{"keepalive", [2]string{"client", "server"}, "TCP_KEEPINTVL, [2], 4) = 0", true},
		{"nagle", [2]string{"client", "server"}, "TCP_NODELAY, [1], 4) = 0", false},
		{"cork", [2]string{"client", "server"}, "+0.2 write", false},
		{"syn-timeout", [2]string{"client", ""}, "+32 > S 0:0(0)", true},
		{"refused", [2]string{"client", "server"}, "\n+0 > 80 > 53864 R. 0:0(0) ack 1", false},
		{"ipv6", [2]string{"client", "server"}, "--ip_version=ipv6\n--mtu=1500\n", false},
		{"simultaneous-open", [2]string{"left", "right"}, "\n+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 110 ", true},
	} {
		t.Run(tt.scenario, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			command(t, dir, "run", tt.scenario, "-q", "--pcap-dir", ".", "--pcap", "all.pcapng")
			all := ""
			for i, host := range tt.hosts {
				if host == "" {
					continue
				}
				for n := range streams(t, dir, host+".pcapng") {
					all += importPasses(t, dir, host+".pcapng", n, "auto")
					if !tt.ownOnly {
						other := []string{"server", "client"}[i]
						all += importPasses(t, dir, host+".pcapng", n, other)
						all += importPasses(t, dir, "all.pcapng", n, other)
					}
				}
			}
			require.Contains(t, all, tt.says)
		})
	}
}

// streams is how many connections a capture has.
func streams(t *testing.T, dir, capture string) int {
	t.Helper()
	n := strings.Count(command(t, dir, "import", capture, "--json"), "\n")
	require.Positive(t, n)
	return n
}

// TestImportAgain: a script that was made of a capture, run with --pcap, gives
// a capture of which the same script is made: nothing of it got lost.
func TestImportAgain(t *testing.T) {
	dir := t.TempDir()
	command(t, dir, "run", "retransmission", "-q", "--pcap-dir", ".")
	first := importPasses(t, dir, "client.pcapng", 0, "client")
	command(t, dir, "run", "client-0-client.pkt", "-q", "--pcap", "again.pcapng")
	second := importPasses(t, dir, "again.pcapng", 0, "auto")
	events := func(s string) string { return s[strings.Index(s, "\n0 socket"):] }
	require.Equal(t, events(first), events(second))
}

// TestImportStreams: connections have the numbers that Wireshark gives them,
// and as many packets.
func TestImportStreams(t *testing.T) {
	requireTool(t, "tshark")
	dir := t.TempDir()
	for _, scenario := range []string{"ephemeral-ports", "time-wait-reuse", "backlog-overflow", "refused"} {
		command(t, dir, "run", scenario, "-q", "--pcap", scenario+".pcapng")
		want := make(map[string]int)
		for line := range strings.Lines(tshark(t, filepath.Join(dir, scenario+".pcapng"), "-Y", "tcp", "-T", "fields", "-e", "tcp.stream")) {
			want[strings.TrimSpace(line)]++
		}
		got := make(map[string]int)
		for line := range strings.Lines(command(t, dir, "import", scenario+".pcapng", "--json")) {
			var l importLine
			require.NoError(t, json.Unmarshal([]byte(line), &l))
			got[fmt.Sprint(l.Stream)] = l.Packets
		}
		require.Equal(t, want, got, scenario)
	}
}
