package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestUpControl drives a live session through its control socket, as another
// process does: what a command shows is the running stack, and what it changes
// takes effect there.
func TestUpControl(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := up(t, dir, "--control", socket)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	ask := func(args ...string) string {
		t.Helper()
		return tool(t, nil, "fivetuple", append([]string{args[0], "@" + socket}, args[1:]...)...)
	}
	tail := start(t, dir, "fivetuple", "trace", "@"+socket)

	require.Contains(t, ask("ss", "-tln", "sport = :80"), "LISTEN 0      4096               *:80")
	require.Contains(t, ask("fds", "--process", "http"), "SO_REUSEADDR=1")
	require.Contains(t, ask("lookup", "tcp", host4+":5000", lab4+":80"), "wildcard")
	require.Equal(t, "ft0 ab: delay 20ms\nft0 ba: delay 20ms\n", ask("link", "set", "delay", "20ms"))
	require.Empty(t, ask("mark", "half", "a", "second", "later"))
	tail.awaitOutput("mark: half a second later")
	tool(t, nil, "curl", "-s", "http://"+lab4+"/")
	tail.awaitOutput("S   seq 0")
	require.Equal(t, "ft0 ab: none\nft0 ba: none\n", ask("link", "set", "none"))
	require.Contains(t, ask("stats"), "link ft0 ab: ")

	for _, tc := range []struct {
		want string
		args []string
	}{
		{`unknown unit "%x"`, []string{"link", "@" + socket, "set", "loss", "1%x"}},
		{"which impairments?", []string{"link", "@" + socket, "set", "ab"}},
		{"looked at now", []string{"ss", "@" + socket, "--at", "5ms"}},
		{"no session answers", []string{"ss", "@" + filepath.Join(dir, "none.sock")}},
		{"works on a live session", []string{"stats"}},
		{`stop takes @NAME alone, and not "later"`, []string{"stop", "@" + socket, "later"}},
		{`stats takes @NAME alone, and not "x"`, []string{"stats", "@" + socket, "x"}},
		{`trace takes @NAME alone, and not "x"`, []string{"trace", "@" + socket, "x"}},
		{"--format x: it is ladder, jsonl or pcapng", []string{"trace", "@" + socket, "--format", "x"}},
		{"--follow=false: a trace begins now", []string{"trace", "@" + socket, "--follow=false"}},
	} {
		bad := start(t, dir, "fivetuple", tc.args...)
		require.Equal(t, exitUsage, bad.wait(), "%s", tc.args)
		require.Contains(t, bad.stderr(), tc.want)
	}
	second := start(t, dir, "fivetuple", upArgs("--tun", "ft1", "-q", "--control", socket)...)
	require.Equal(t, exitUsage, second.wait(), "the name is taken")

	ask("stop")
	require.Zero(t, p.wait(), p.stderr())
	require.Zero(t, tail.wait(), "it ends with the session")
	_, err = os.Stat(socket)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestUpControlFlood: many clients at once, some of which say nothing or leave
// in the middle, and one that follows the trace and never reads. The session
// goes on, and answers the next one.
func TestUpControlFlood(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := up(t, dir, "--control", socket)
	stuck, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Connect(stuck, &unix.SockaddrUnix{Name: socket}))
	_, err = unix.Write(stuck, []byte(`["trace","@x","--format","jsonl"]`+"\n"))
	require.NoError(t, err)
	for i := range 100 {
		s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Connect(s, &unix.SockaddrUnix{Name: socket}))
		_, err = unix.Write(s, []byte([]string{"", "x\n", `["stats","@x"]` + "\n", strings.Repeat("y", 70000)}[i%4]))
		if err != nil {
			require.ErrorIs(t, err, unix.EPIPE) // it has been sent away already
		}
		require.NoError(t, unix.Close(s))
	}
	blob := strings.Repeat("x", 100_000)
	require.Equal(t, blob, tool(t, strings.NewReader(blob), "nc", "-N", lab4, "7"))
	require.Contains(t, tool(t, nil, "fivetuple", "stats", "@"+socket), "host lab")
	require.NoError(t, unix.Close(stuck))
	p.stop()
}

// TestSessionHint: of the control sockets in the folder, those are named behind which
// somebody listens; a session that was killed has left its file.
func TestSessionHint(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	require.NoError(t, os.Mkdir(controlDir(), 0o700))
	socket := func(name string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: controlPath(name), Net: "unix"})
		require.NoError(t, err)
		l.SetUnlinkOnClose(false)
		t.Cleanup(func() { l.Close() })
		return l
	}
	require.NoError(t, socket("killed").Close())
	require.Contains(t, sessionHint(), "no session of this user runs")
	socket("ft0")
	socket("ft1")
	require.Equal(t, "; there are @ft0, @ft1", sessionHint())
}
