package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportLive: what curl does with the stack on a TUN device becomes a
// script for the stack's end, which it fulfils again in virtual time. Linux's
// end becomes one too: there the stack differs from Linux in ways that are known.
func TestImportLive(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	tool(t, nil, "curl", "-sSf", "--max-time", "60", "http://"+lab4+"/")
	tool(t, nil, "curl", "-sSf", "--max-time", "60", "http://["+lab6+"]/")
	tool(t, bytes.NewReader(make([]byte, 20_000)), "nc", "-N", lab4, "9")
	p.stop()
	require.Equal(t, 3, streams(t, dir, "s.pcapng"))
	for n, says := range []string{"listen(3, 1) = 0", "--ip_version=ipv6", "read(4, ..., "} {
		script := importPasses(t, dir, "s.pcapng", n, "auto")
		require.Contains(t, script, "The host under test is the server: the host on which the capture was taken.")
		require.Contains(t, script, says)
	}
	// One request and one answer: nothing of Linux's end is beyond netstack,
	// which may acknowledge sooner.
	for n := range 2 {
		importFor(t, dir, n, "--lenient")
		p := start(t, dir, "fivetuple", "pkt", "linux.pkt")
		require.Zero(t, p.wait(), "%s\n%s", p.stdout(), read(t, dir, "linux.pkt"))
	}
	// Bulk data: Linux fills its segments, netstack keeps room for SACK blocks
	// (docs/packetdrill.md, "Differences that can be allowed").
	importFor(t, dir, 2)
	bulk := start(t, dir, "fivetuple", "pkt", "linux.pkt")
	require.Equal(t, 1, bulk.wait(), bulk.stdout())
	require.Contains(t, bulk.stdout(), "payload: expected 1448, got 1420", read(t, dir, "linux.pkt"))
}

// importFor imports a connection for Linux's end.
func importFor(t *testing.T, dir string, stream int, more ...string) {
	t.Helper()
	args := append([]string{"import", "s.pcapng", "--stream", string(rune('0' + stream)), "--side", "client", "-o", "linux.pkt"}, more...)
	require.Empty(t, strings.TrimSpace(command(t, dir, args...)))
}
