package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// legalStates are the transitions of RFC 9293, 3.3.2, and those to CLOSED by a
// reset or a timeout.
var legalStates = map[trace.TCPState][]trace.TCPState{
	trace.Closed:      {trace.SynSent, trace.SynReceived},
	trace.SynSent:     {trace.SynReceived, trace.Established, trace.Closed},
	trace.SynReceived: {trace.Established, trace.FinWait1, trace.Closed},
	trace.Established: {trace.FinWait1, trace.CloseWait, trace.Closed},
	trace.FinWait1:    {trace.FinWait2, trace.Closing, trace.TimeWait, trace.Closed},
	trace.FinWait2:    {trace.TimeWait, trace.Closed},
	trace.Closing:     {trace.TimeWait, trace.Closed},
	trace.CloseWait:   {trace.LastAck, trace.Closed},
	trace.LastAck:     {trace.Closed},
	trace.TimeWait:    {trace.Closed},
}

// leads reports whether legal transitions lead from one state to another, without
// a new connection on the way.
func leads(from, to trace.TCPState) bool {
	for _, next := range legalStates[from] {
		if next == to || next != trace.Closed && leads(next, to) {
			return true
		}
	}
	return false
}

// kernelStates reads the states of a host's connections, by five-tuple. Each has
// a packet as its cause, and begins where the one before has ended. Left out is a
// connection that is older than the session: the namespace's kernel still sends
// the FIN of one that an earlier session did not acknowledge at its end.
func kernelStates(t *testing.T, file, host string) map[string][]trace.TCPState {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	packets, older := make(map[trace.ID]bool), make(map[string]bool)
	states := make(map[string][]trace.TCPState)
	for e, err := range jsonl.Read(f) {
		require.NoError(t, err)
		packets[e.ID] = e.Kind == "packet"
		if e.Host != host || e.Kind != "state" {
			continue
		}
		require.True(t, packets[e.Cause], "event %d is caused by %d", e.ID, e.Cause)
		name, from, to := e.Local+" "+e.Remote, trace.TCPState(e.From), trace.TCPState(e.To)
		if from == "" {
			older[name] = true
		}
		if older[name] {
			continue
		}
		if n := len(states[name]); n > 0 {
			require.Equal(t, states[name][n-1], from)
		} else {
			require.Equal(t, trace.Closed, from)
		}
		require.True(t, leads(from, to), "%s: %s to %s", name, from, to)
		states[name] = append(states[name], to)
	}
	return states
}

// TestUpDiag: in a live session with each kind of device, the states of Linux's
// end of each connection are in the trace, whoever opens and closes it; the
// recording replays to the byte.
func TestUpDiag(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, mode := range []string{"offload", "raw", "water"} {
		for _, lab := range labs {
			t.Run(mode+" "+lab.name, func(t *testing.T) { upDiag(t, mode, lab.addr) })
		}
	}
}

func upDiag(t *testing.T, mode, addr string) {
	dir := t.TempDir()
	p := up(t, dir, "--device", mode, "--record", "live.ft")
	c := dial(t, "tcp", addr, "7")
	roundTrip(t, c)
	roundTrip(t, c)
	require.NoError(t, c.(*net.TCPConn).CloseWrite()) // Linux closes first
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, c.Close())
	echo := c.LocalAddr().String() + " " + c.RemoteAddr().String()

	c = dial(t, "tcp", addr, "13") // the lab closes first
	_, err = io.ReadAll(c)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	daytime := c.LocalAddr().String() + " " + c.RemoteAddr().String()
	p.stop()

	states := kernelStates(t, filepath.Join(dir, "s.jsonl"), "linux")
	require.Len(t, states, 2)
	require.Contains(t, states[echo], trace.SynSent)
	require.Contains(t, states[echo], trace.Established, "it rests there for two round trips")
	require.Equal(t, trace.TimeWait, states[echo][len(states[echo])-1], "it stays there for a minute")
	require.Contains(t, states[daytime], trace.SynSent)
	require.NotContains(t, states[daytime], trace.TimeWait, "that is the other side's")
	ladder := read(t, dir, "s.txt")
	require.Regexp(t, `── \d+ +SYN-SENT\n`, ladder, "beside the segment that Linux has sent")
	require.Contains(t, ladder, "TIME-WAIT")

	r := start(t, dir, "fivetuple", "replay", "live.ft", "--check")
	require.Zero(t, r.wait(), r.stderr())
	require.Contains(t, r.stderr(), "the same, ")
	r = start(t, dir, "fivetuple", "replay", "live.ft", "-q", "--jsonl", "again.jsonl")
	require.Zero(t, r.wait(), r.stderr())
	require.Equal(t, states, kernelStates(t, filepath.Join(dir, "again.jsonl"), "linux"))
}

// TestUpDiagLooks: the kernel is asked while somebody looks, and never with --diag
// off; what a follower of the trace has seen is in the recording.
func TestUpDiagLooks(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, tt := range []struct {
		diag         string
		quiet, trace bool
		want         bool
	}{
		{diag: "auto", want: true}, {diag: "off"}, {diag: "off", trace: true}, {diag: "on", quiet: true, want: true},
		{diag: "auto", quiet: true}, {diag: "auto", quiet: true, trace: true, want: true},
	} {
		t.Run(strings.TrimSpace(tt.diag), func(t *testing.T) {
			dir := t.TempDir()
			socket := filepath.Join(dir, "s.sock")
			args := upArgs("-q", "--serve", "echo", "--record", "live.ft", "--control", socket, "--diag", tt.diag)
			if !tt.quiet {
				args = append(args, "--jsonl", "s.jsonl")
			}
			p := start(t, dir, "fivetuple", args...)
			p.await("up: ")
			var tail *process
			if tt.trace {
				tail = start(t, dir, "fivetuple", "trace", "@"+socket)
				tail.awaitOutput("time (ms)") // it is attached
			}
			c := dial(t, "tcp", lab4, "7")
			roundTrip(t, c)
			require.NoError(t, c.Close())
			if tt.trace && tt.want {
				tail.awaitOutput("SYN-SENT")
			}
			p.stop()
			r := start(t, dir, "fivetuple", "replay", "live.ft", "-q", "--jsonl", "again.jsonl")
			require.Zero(t, r.wait(), r.stderr())
			require.Contains(t, r.stderr(), "the same, ")
			require.Equal(t, tt.want, len(kernelStates(t, filepath.Join(dir, "again.jsonl"), "linux")) == 1)
		})
	}
}

// TestUpDiagOlder: a connection that is older than the look at it has no state
// before the first that is seen.
func TestUpDiagOlder(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "echo", "--control", socket)...)
	p.await("up: ")
	c := dial(t, "tcp", lab4, "7")
	roundTrip(t, c)
	tail := start(t, dir, "fivetuple", "trace", "@"+socket, "--format", "jsonl")
	tail.awaitOutput("header")
	roundTrip(t, c)
	tail.awaitOutput(`"host":"linux","kind":"state","proto":"tcp","local":"` + c.LocalAddr().String() + `","remote":"` + lab4 + `:7","to":"ESTABLISHED"`)
	p.stop()
}

// TestExecDiag: in a lab of two real programs, the states of both kernels are in
// the trace. Those that are asked for last until a packet has crossed the lab:
// none of them can be missed.
func TestExecDiag(t *testing.T) {
	t.Parallel()
	requireTool(t, "nc")
	run := func(more ...string) string {
		args := append([]string{"--as", "a", "--with", "b=nc -4 -W 1 -l 8080", "--jsonl", "t.jsonl", "--ladder", "t.txt"}, more...)
		p, dir := execLab(t, pairLab, append(args, "--", "sh", "-c", "echo hello | nc -4 b 8080")...)
		require.Zero(t, p.wait(), p.stderr())
		return dir
	}
	dir := run()
	for host, want := range map[string][]trace.TCPState{
		"a": {trace.SynSent, trace.Established}, "b": {trace.SynReceived, trace.Established, trace.FinWait1},
	} {
		got := kernelStates(t, filepath.Join(dir, "t.jsonl"), host)
		require.Len(t, got, 1)
		for _, states := range got {
			require.GreaterOrEqual(t, len(states), len(want))
			require.Equal(t, want, states[:len(want)], host)
		}
	}
	ladder := read(t, dir, "t.txt")
	require.Regexp(t, `SYN-SENT +\d+ ── S `, ladder, "at the left end, where it is sent")
	require.Regexp(t, `┄┄▶ 8080 +SYN-RECEIVED\n`, ladder, "at the right end, where it arrives")

	dir = run("--diag", "off")
	require.Empty(t, kernelStates(t, filepath.Join(dir, "t.jsonl"), "a"))
}

// TestDiagFlag: a word that --diag does not know.
func TestDiagFlag(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "fivetuple", upArgs("--diag", "maybe")...)
	require.Equal(t, exitUsage, p.wait())
	require.Contains(t, p.stderr(), `--diag "maybe": there are auto, on and off`)
}
