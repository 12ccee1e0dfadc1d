package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSame replays a recording on one, two and eight processors.
func requireSame(t *testing.T, dir, recording string) {
	t.Helper()
	for _, procs := range []string{"1", "2", "8"} {
		r := start(t, dir, "env", "GOMAXPROCS="+procs, "fivetuple", "replay", recording, "--check")
		require.Zero(t, r.wait(), r.stderr())
		require.Contains(t, r.stderr(), "the same, ")
		require.NotContains(t, r.stderr(), "the same, 0 events")
	}
}

// someFile writes random bytes.
func someFile(t *testing.T, path string, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{4}).Read(data)
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return data
}

// download starts curl, and returns when n bytes have come; more would not be
// taken from it. kill ends it.
func download(t *testing.T, n int, url string) (kill func()) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "curl", "-s", url)
	cmd.Stdout = w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	_, err = io.ReadFull(r, make([]byte, n))
	require.NoError(t, err)
	return func() {
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait(), "it was killed")
		require.NoError(t, r.Close())
	}
}

// TestUpRecordFiles: what net/http does with the stack is recorded: downloads at
// the same time, a connection that is kept, one that dies in the middle. The
// replay has neither the files nor the server, and the same trace.
func TestUpRecordFiles(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, mode := range []string{"offload", "water"} {
		t.Run(mode, func(t *testing.T) {
			dir, files := t.TempDir(), t.TempDir()
			data := someFile(t, filepath.Join(files, "large"), 3<<20)
			write(t, files, "small", "a small file")
			p := start(t, dir, "fivetuple", upArgs("-q", "--device", mode, "--offload", "off", "--jsonl", "s.jsonl", "--files", files, "--record", "live.ft")...)
			p.await("; files of " + files + " on port 80")
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					out, err := exec.CommandContext(t.Context(), "curl", "-sSf", "http://"+lab4+"/large").Output()
					if err != nil || !bytes.Equal(out, data) {
						t.Errorf("curl got %d bytes: %v", len(out), err)
					}
				})
			}
			all.Wait()
			url := "http://[" + lab6 + "]/"
			require.Equal(t, strings.Repeat("a small file", 3), tool(t, nil, "curl", "-sSfg", url+"small", url+"small", url+"small"))
			download(t, 1000, "http://"+lab4+"/large")()
			require.Equal(t, "small", tool(t, nil, "curl", "-sSfg", "-r", "2-6", url+"small"))
			p.stop()
			require.NoError(t, os.RemoveAll(files))

			requireSame(t, dir, "live.ft")
			r := start(t, dir, "fivetuple", "replay", "live.ft", "--jsonl", "again.jsonl")
			require.Zero(t, r.wait(), r.stderr())
			require.Equal(t, events([]byte(read(t, dir, "s.jsonl"))), events([]byte(read(t, dir, "again.jsonl"))))
			require.Contains(t, r.stdout(), "files", "its calls are in the ladder")
			info, err := os.Stat(filepath.Join(dir, "live.ft"))
			require.NoError(t, err)
			require.Greater(t, info.Size(), int64(3*len(data)), "what was written is in it")
		})
	}
}

// TestUpRecordKilled: a session that is killed while it sends leaves a recording
// of all but the last moment, and the replay is the beginning of what happened.
func TestUpRecordKilled(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir, files := t.TempDir(), t.TempDir()
	someFile(t, filepath.Join(files, "large"), 64<<20)
	p := start(t, dir, "fivetuple", upArgs("-q", "--jsonl", "s.jsonl", "--files", files, "--record", "live.ft")...)
	p.await("; files of ")
	kill := download(t, 8<<20, "http://"+lab4+"/large") // so much has been recorded, and is not held back
	require.NoError(t, p.cmd.Process.Kill())
	require.NotZero(t, p.wait())
	kill()

	r := start(t, dir, "fivetuple", "replay", "live.ft", "-q", "--jsonl", "again.jsonl")
	require.Zero(t, r.wait(), r.stderr())
	require.Contains(t, r.stderr(), "its run was cut off")
	live, again := events([]byte(read(t, dir, "s.jsonl"))), events([]byte(read(t, dir, "again.jsonl")))
	n := min(len(live), len(again))
	require.Greater(t, n, 1<<20, "much happened until then: a segment is more than 100 bytes of JSON")
	require.True(t, live[:n] == again[:n], "one is the beginning of the other")
}

// phases is a scenario that runs its world in steps, serves and connects, and
// looks at what time it is in between.
const phases = `"""A server that is told what time it is."""
lab = host("lab")
def serve(p):
    s = p.socket()
    p.bind(s, ("10.77.0.2", 80))
    p.listen(s)
    print("ready")
    for i in range(3):
        c, _ = p.accept(s)
        p.send(c, "connection %%d at %%s\n" %% (i, now()))
        p.sleep("3ms")
        p.close(c)
lab.spawn("httpd", serve)
run("20ms")
mark("first step over at %%s" %% now())
run("35ms")
mark("second step over at %%s" %% now())
run()
expect(%s)
`

// TestUpRecordScenario: a recording has the scenario, which runs again under the
// recorded packets: to its end, to an expectation that fails, and to a signal.
func TestUpRecordScenario(t *testing.T) {
	if !isLive(t) {
		return
	}
	for name, tt := range map[string]struct {
		claim  string
		peers  int
		sig    syscall.Signal
		status int
		reason string
	}{
		"to its end":  {"True", 3, 0, 0, "it ended: done"},
		"failing":     {"False", 3, 0, 1, "it ended: s.star:19: "},
		"interrupted": {"True", 2, syscall.SIGINT, 130, ": interrupted by SIGINT"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "s.star", fmt.Sprintf(phases, tt.claim))
			p := start(t, dir, "fivetuple", upArgs("-q", "--duration", "1m", "--jsonl", "s.jsonl", "--scenario", "s.star", "--record", "live.ft")...)
			p.await("ready")
			p.await("up: ")
			for range tt.peers {
				require.Contains(t, tool(t, nil, "nc", "-d", lab4, "80"), "connection ")
			}
			if tt.sig != 0 {
				require.NoError(t, p.cmd.Process.Signal(tt.sig))
			}
			require.Equal(t, tt.status, p.wait(), p.stderr())
			require.NoError(t, os.Remove(filepath.Join(dir, "s.star")))
			requireSame(t, dir, "live.ft")
			r := start(t, dir, "fivetuple", "replay", "live.ft", "--jsonl", "again.jsonl")
			require.Zero(t, r.wait(), r.stderr())
			require.Contains(t, r.stderr(), tt.reason)
			require.Contains(t, r.err.text(), "ready\n", "what the script prints")
			require.Contains(t, r.stdout(), "A server that is told what time it is.")
			require.Equal(t, events([]byte(read(t, dir, "s.jsonl"))), events([]byte(read(t, dir, "again.jsonl"))))
		})
	}
}
