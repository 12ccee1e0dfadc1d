package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpUser: after its start the session holds no capability, cannot get one
// back, and serves all the same; its control socket belongs to the new user.
func TestUpUser(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	// The user has to reach its socket, and no more.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	run := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(run, 0o700))
	require.NoError(t, os.Chown(run, 65534, 65534))
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "http", "--user", "65534", "--control", filepath.Join(run, "s.sock"))...)
	p.await("up: ")
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	status := string(text)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		require.Regexp(t, set+`:\t0{16}\n`, status)
	}
	require.Regexp(t, `Uid:\t65534\t65534\t65534\t65534\n`, status)
	require.Regexp(t, `Gid:\t65534\t65534\t65534\t65534\n`, status)
	require.Regexp(t, regexp.MustCompile(`Groups:\t65534 ?\n`), status)
	tool(t, nil, "curl", "-sf", "http://"+lab4+"/")
	require.Contains(t, tool(t, nil, "fivetuple", "ss", "@"+filepath.Join(run, "s.sock"), "-tln"), "LISTEN") // root may look
	p.stop()

	bad := start(t, dir, "fivetuple", upArgs("--user", "nonesuch")...)
	require.Equal(t, exitUsage, bad.wait())
	require.Contains(t, bad.stderr(), `--user "nonesuch": no such user on this machine`)
}

// TestUpUserRuntimeDir: the old user's XDG_RUNTIME_DIR is not where the new one's
// control socket goes, and captures are made while that is still allowed.
func TestUpUserRuntimeDir(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "root"))
	t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) { // the user has to get to its socket
		require.NoError(t, os.Chmod(d, 0o755))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "root"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(dir, "tmp"), 0o1777))
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "echo", "--user", "65534", "--pcap-dir", "caps")...)
	socket := filepath.Join(dir, "tmp", "fivetuple-65534", "ft0.sock")
	p.await("session @" + socket)
	c := dial(t, "tcp", lab4, "7")
	defer c.Close()
	roundTrip(t, c)
	require.Contains(t, tool(t, nil, "fivetuple", "stats", "@"+socket), "host lab")
	p.stop()
	for _, name := range []string{"lab.pcapng", "linux.pcapng"} {
		require.Contains(t, tshark(t, filepath.Join(dir, "caps", name)), "TCP")
	}
}
