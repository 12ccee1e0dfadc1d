package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fivetuple/sim/record"

	"github.com/stretchr/testify/require"
)

// datagrams is a scenario of which TestReplayDiffers changes one number.
const datagrams = `"""Two datagrams arrive."""
a, b = host("a", "10.0.0.1/24"), host("b", "10.0.0.2/24")
link(a, b, delay = "5ms")
def send(p):
    s = p.socket(AF_INET, SOCK_DGRAM)
    p.sendto(s, "first", ("10.0.0.2", 7))
    p.sleep("5ms")
    p.sendto(s, "second", ("10.0.0.2", 7))
a.spawn("send", send)
run()
`

// edit copies a recording with another header: all records number themselves,
// so the others stay as they are.
func edit(t *testing.T, path string, change func(*record.Header, *runConfig)) {
	t.Helper()
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := record.NewReader(bytes.NewReader(old))
	require.NoError(t, err)
	begins := func(h record.Header) []byte {
		var b bytes.Buffer
		_, err := record.NewWriter(&b, h)
		require.NoError(t, err)
		return b.Bytes()
	}
	rest := old[len(begins(r.Header)):]
	h := r.Header
	var c runConfig
	require.NoError(t, json.Unmarshal(h.Config, &c))
	change(&h, &c)
	h.Config, err = json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(begins(h), rest...), 0o644))
}

// TestReplayDiffers: a replay that does something else, here because the script
// in the recording is another one, shows the first event that differs. Another
// version of netstack is said.
func TestReplayDiffers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "s.star", datagrams)
	r := start(t, dir, "fivetuple", "run", "s.star", "-q", "--record", "s.ft", "--jsonl", "s.jsonl")
	require.Zero(t, r.wait(), r.stderr())
	edit(t, filepath.Join(dir, "s.ft"), func(h *record.Header, c *runConfig) {
		h.GVisor = "v0.0.0-another"
		c.Script.Text = bytes.Replace(c.Script.Text, []byte(`p.sleep("5ms")`), []byte(`p.sleep("6ms")`), 1)
	})
	r = start(t, dir, "fivetuple", "replay", "s.ft", "-q", "--jsonl", "again.jsonl")
	require.Equal(t, exitFailed, r.wait())
	live, again := strings.Split(read(t, dir, "s.jsonl"), "\n"), strings.Split(read(t, dir, "again.jsonl"), "\n")
	n := 0
	for live[n] == again[n] {
		n++
	}
	require.Greater(t, n, 5, "something is the same")
	require.Contains(t, again[n], "6ms", "the call that sleeps, or what follows from it")
	require.Regexp(t, `^note: recorded with netstack v0\.0\.0-another, replayed with v\S+: the trace may differ\n`, r.stderr())
	require.Contains(t, r.stderr(), "\nfivetuple: s.ft: the trace differs, after "+fmt.Sprint(n-1)+" events that are the same; the next one is here\n  "+again[n]+"\n")
}

// TestReplayOfRunCut: a run that was killed leaves a recording that runs to its
// end; as much is compared as is there.
func TestReplayOfRunCut(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, "fivetuple", "run", "loss-burst", "-q", "--record", "s.ft")
	require.Zero(t, r.wait(), r.stderr())
	whole := read(t, dir, "s.ft")
	write(t, dir, "s.ft", whole[:len(whole)-10])
	r = start(t, dir, "fivetuple", "replay", "s.ft", "--check")
	require.Zero(t, r.wait(), r.stderr())
	require.Regexp(t, `^replay: s\.ft: (\d+) events up to 1m0\.\d+s, of which (\d+) could be compared and are the same; the recording ends here`, r.stderr())
	require.NotContains(t, r.stderr(), "of which 0")
}
