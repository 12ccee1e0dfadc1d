package ladder_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/trace"
	"fivetuple/trace/ladder"

	"github.com/stretchr/testify/require"
)

// TestKernelStates: a state that is seen after a packet stands at that packet's
// arrow in a live ladder: at the end where it was sent, or where it has arrived in
// the same instant. What arrives later, or without a packet, has a line of its own.
func TestKernelStates(t *testing.T) {
	var out strings.Builder
	l := ladder.New(&out, ladder.Config{Hosts: twoHosts, Paced: true})
	b := newBus(l)
	kernel, peer := trace.Origin{Host: "server"}, trace.Origin{Host: "client"}
	client, server := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:5000")
	num := uint64(0)
	sent := func(from, to trace.Origin, src, dst netip.AddrPort, flags string) trace.ID {
		num++
		return b.EmitCaused(0, from, &trace.Packet{What: trace.Sent, Num: num, Link: "ft0", Peer: to.Host,
			Summary: trace.Summary{Proto: "tcp", Src: src, Dst: dst, Flags: flags}})
	}
	arrives := func(at, from trace.Origin, src, dst netip.AddrPort, flags string) trace.ID {
		return b.EmitCaused(0, at, &trace.Packet{What: trace.Delivered, Num: num, Link: "ft0", Peer: from.Host,
			Summary: trace.Summary{Proto: "tcp", Src: src, Dst: dst, Flags: flags}})
	}
	state := func(cause trace.ID, from, to trace.TCPState) {
		b.EmitCaused(cause, kernel, &trace.State{FiveTuple: trace.FiveTuple{Proto: "tcp", Local: server, Remote: client}, From: from, To: to})
	}
	b.now = time.Millisecond
	state(sent(kernel, peer, server, client, "S"), trace.Closed, trace.SynSent)
	sent(peer, kernel, client, server, "S.")
	state(arrives(kernel, peer, client, server, "S."), trace.SynSent, trace.Established)
	b.now = 2 * time.Millisecond
	sent(peer, kernel, client, server, "F.")
	b.now = 5 * time.Millisecond
	fin := arrives(kernel, peer, client, server, "F.")
	state(fin, trace.Established, trace.CloseWait)
	b.now = 9 * time.Millisecond
	state(fin, trace.CloseWait, trace.Closed)
	require.NoError(t, b.Close())
	require.Equal(t, ` time (ms)  client 10.0.0.1                             server 10.0.0.2
     1.000                    80 ◀──────────────────────────────── S   seq 0 ── 5000  SYN-SENT
     1.000                    80 ── S.  seq 0 ────────────────────────────────▶ 5000  ESTAB
     2.000                    80 ── F.  seq 0  win 0 ─────────────────────────▶ 5000
     5.000                    80                                  F.  seq 0 ┄┄▶ 5000  CLOSE-WAIT
     9.000                                              5000 ↔ 80  CLOSE-WAIT → CLOSED
`, out.String())
}
