package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"

	"github.com/stretchr/testify/require"
)

// TestUpControlPath: a control socket that cannot be made ends the command, and
// replaces no file but the socket of a session that was killed.
func TestUpControlPath(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	write(t, dir, "notes.txt", "precious\n")
	long := filepath.Join(dir, strings.Repeat("x", 108))
	for _, tc := range []struct{ path, want string }{
		{"./notes.txt", "fivetuple: --control ./notes.txt: that is a file, and no socket: choose another name\n"},
		{"no/s.sock", "fivetuple: --control no/s.sock: no such file or directory: create its folder first\n"},
		{long, fmt.Sprintf("fivetuple: --control: the path of a socket has 107 bytes at most, and %s has %d: choose a shorter one\n", long, len(long))},
	} {
		p := start(t, dir, "fivetuple", upArgs("-q", "--duration", "1s", "--control", tc.path)...)
		require.Equal(t, exitUsage, p.wait(), tc.path)
		require.Equal(t, tc.want, p.stderr())
	}
	require.Equal(t, "precious\n", read(t, dir, "notes.txt"))

	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s.sock"), Net: "unix"})
	require.NoError(t, err)
	killed.SetUnlinkOnClose(false)
	require.NoError(t, killed.Close())
	p := start(t, dir, "fivetuple", upArgs("-q", "--control", "./s.sock")...)
	p.await("session @./s.sock")
	p.stop()
}

// ask sends a command to a session and leaves the answer for later.
func ask(t *testing.T, socket string, args ...string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, json.NewEncoder(c).Encode(args))
	return c
}

// TestUpControlUnread: a table that is longer than what a socket holds waits for
// the client that asked, and nobody else does.
func TestUpControlUnread(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "echo", "--control", socket)...)
	p.await("up: ")
	const many = 1000 // of some 700 bytes each; a socket holds 208 KiB
	var cs []net.Conn
	for range many {
		c := dial(t, "tcp", lab4, "7")
		defer c.Close()
		cs = append(cs, c)
	}
	for _, c := range cs {
		roundTrip(t, c)
	}
	unread := ask(t, socket, "ss", "@x", "-ta", "--json")
	defer unread.Close()
	in := bufio.NewReader(unread)
	_, err := in.Peek(1) // the answer has begun
	require.NoError(t, err)
	for _, c := range cs[:10] {
		roundTrip(t, c)
	}
	var f frame
	require.NoError(t, json.NewDecoder(in).Decode(&f))
	require.Greater(t, len(f.Out), many*300)
	p.stop()
}

// TestTraceSlow: who follows the trace and reads too slowly is told what it has
// missed while the session goes on, and hears all that waits when it ends.
func TestTraceSlow(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "echo", "--control", socket)...)
	p.await("up: ")
	c := dial(t, "udp", lab4, "7")
	defer c.Close()
	for i, events := range []int{10 * followed, followed / 2} {
		slow := ask(t, socket, "trace", "@x", "--format", "jsonl")
		in := json.NewDecoder(slow)
		var f frame
		require.NoError(t, in.Decode(&f), "it follows")
		for range events / 6 { // at least 2 packets that are sent and delivered, and 2 calls
			roundTrip(t, c)
		}
		lost := 0
		if i == 0 {
			for f.Err == "" {
				f = frame{}
				require.NoError(t, in.Decode(&f))
				require.Nil(t, f.Status)
			}
			_, err := fmt.Sscanf(f.Err, "note: %d pieces of the trace were lost: the reader was too slow", &lost)
			require.NoError(t, err, f.Err)
			require.Positive(t, lost)
			require.NoError(t, slow.Close())
			continue
		}
		tool(t, nil, "fivetuple", "mark", "@"+socket, "the last")
		stop := start(t, dir, "fivetuple", "stop", "@"+socket) // meanwhile it reads: the session waits for a second
		var all strings.Builder
		for f.Status == nil {
			f = frame{}
			require.NoError(t, in.Decode(&f))
			require.Empty(t, f.Err)
			all.Write(f.Out)
		}
		require.Zero(t, *f.Status)
		require.Contains(t, all.String(), `"text":"the last"`)
		require.Zero(t, stop.wait(), stop.stderr())
		require.NoError(t, slow.Close())
	}
	require.Zero(t, p.wait(), p.stderr())
}

// TestDoAfterEnd: what a client asks when nobody takes it any more has an answer,
// also when there is no room for the question.
func TestDoAfterEnd(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	for room := true; room; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		room = w.Look(ctx, func() {})
		cancel()
	}
	end := make(chan struct{})
	close(end)
	s := &liveSession{world: w, end: end}
	require.ErrorIs(t, s.do(context.WithoutCancel(t.Context()), func() error { return nil }), errSessionEnded)
}
