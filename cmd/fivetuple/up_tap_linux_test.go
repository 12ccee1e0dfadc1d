package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpTap: on a TAP device Linux finds the stack by ARP and by neighbor discovery, and the stack finds Linux; data
// passes unchanged with each way to drive the device; the capture has Ethernet frames, whose checksums tshark
// verifies; the recording replays. An address that nobody has is not answered for.
func TestUpTap(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "ip")
	for _, mode := range []string{"offload", "raw", "water"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			p := up(t, dir, "--tap", "tap0", "--device", mode, "--record", "s.ft")
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
			for _, addr := range []string{lab4, lab6} {
				require.Equal(t, string(data), tool(t, bytes.NewReader(data), "nc", "-N", addr, "7"))
				require.Contains(t, tool(t, nil, "ip", "neigh", "show", addr), "lladdr 02:00:00:00:01:01")
			}
			nobody := start(t, dir, "ping", "-c", "1", "-W", "1", "10.77.0.77")
			require.NotZero(t, nobody.wait())
			require.Contains(t, tool(t, nil, "ip", "neigh", "show", "10.77.0.77"), "INCOMPLETE")
			p.stop()
			require.NotEmpty(t, tshark(t, dir+"/s.pcapng", "-Y", "arp.opcode == 2 && eth.src == 02:00:00:00:01:01"))
			require.NotEmpty(t, tshark(t, dir+"/s.pcapng", "-Y", "icmpv6.type == 136 && eth.src == 02:00:00:00:01:01"))
			requireValid(t, dir)
			require.Contains(t, read(t, dir, "s.txt"), "FIN-WAIT-1", "Linux's state is asked for")
			r := start(t, dir, "fivetuple", "replay", "s.ft", "--check")
			require.Zero(t, r.wait(), r.stderr())
		})
	}
}

// TestUpTapRefused: what a TAP device does not have is refused before one is made.
func TestUpTapRefused(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, tc := range []struct{ arg, want string }{
		{"--tun=ft0", "fivetuple: --tun and --tap: the device is one of the two\n"},
	} {
		p := start(t, t.TempDir(), "fivetuple", upArgs("--tap", "tap0", tc.arg)...)
		require.Equal(t, exitUsage, p.wait())
		require.Equal(t, tc.want, p.stderr())
	}
}
