package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpRecord: a live session with real clients, whose link is impaired on the
// way, is recorded with each kind of device; its replay has the same trace on
// any number of processors. A recording that was changed is found out; one that
// was cut off, as by a kill, is replayed up to there.
func TestUpRecord(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, mode := range []string{"offload", "raw", "water"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			socket := filepath.Join(dir, "s.sock")
			p := up(t, dir, "--device", mode, "--control", socket, "--record", "live.ft")
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
			require.Equal(t, string(data), tool(t, bytes.NewReader(data), "nc", "-N", lab4, "7"))
			tool(t, nil, "fivetuple", "link", "@"+socket, "set", "delay", "2ms", "loss", "2%")
			tool(t, nil, "fivetuple", "ss", "@"+socket, "-tan") // looking leaves no mark
			for range 5 {
				tool(t, nil, "curl", "-s", "http://["+lab6+"]/")
			}
			tool(t, nil, "fivetuple", "mark", "@"+socket, "the end")
			p.stop()
			for _, procs := range []string{"1", "2", "8"} {
				r := start(t, dir, "env", "GOMAXPROCS="+procs, "fivetuple", "replay", "live.ft", "--check")
				require.Zero(t, r.wait(), r.stderr())
				require.Contains(t, r.stderr(), "the same, ")
			}
			live, err := os.ReadFile(filepath.Join(dir, "s.jsonl"))
			require.NoError(t, err)
			r := start(t, dir, "fivetuple", "replay", "live.ft", "-q", "--jsonl", "again.jsonl")
			require.Zero(t, r.wait(), r.stderr())
			again, err := os.ReadFile(filepath.Join(dir, "again.jsonl"))
			require.NoError(t, err)
			require.Equal(t, events(live), events(again), "all but the header, to the byte")
			damage(t, dir)
		})
	}
}

// events is a JSONL trace without its header.
func events(jsonl []byte) string {
	_, rest, _ := strings.Cut(string(jsonl), "\n")
	return rest
}

// damage changes and cuts the recording.
func damage(t *testing.T, dir string) {
	good, err := os.ReadFile(filepath.Join(dir, "live.ft"))
	require.NoError(t, err)
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.ft"), bad, 0o644))
	r := start(t, dir, "fivetuple", "replay", "bad.ft", "--check")
	require.Equal(t, exitUsage, r.wait())
	require.Contains(t, r.stderr(), "the file was changed")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cut.ft"), good[:len(good)*2/3], 0o644))
	r = start(t, dir, "fivetuple", "replay", "cut.ft", "--check")
	require.Zero(t, r.wait(), r.stderr())
	require.Contains(t, r.stderr(), "its run was cut off")
}
