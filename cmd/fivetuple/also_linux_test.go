package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// namespaces makes named network namespaces, which go with this test's mount namespace.
func namespaces(t *testing.T, names ...string) {
	t.Helper()
	requireTool(t, "ip")
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("run", "/run", "tmpfs", 0, ""))
	for _, name := range names {
		tool(t, nil, "ip", "netns", "add", name)
	}
}

// inNetns is a program in a namespace of namespaces.
func inNetns(t *testing.T, netns, name string, args ...string) string {
	t.Helper()
	return tool(t, nil, "ip", append([]string{"netns", "exec", netns, name}, args...)...)
}

// TestUpAlso: a session with two devices, each in a namespace of its own, answers on both and is a router between
// them; each device has its own impairments and losses; the trace has both kernels; the recording replays.
func TestUpAlso(t *testing.T) {
	if !inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN) {
		return
	}
	namespaces(t, "red", "blue")
	for _, mode := range []string{"offload", "raw"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			socket := "@" + filepath.Join(dir, "s.sock")
			p := start(t, dir, "fivetuple", "up", "-q", "--netns", "red", "--addr", "10.77.0.2/24", "--host-addr", "10.77.0.1/24",
				"--also", "ft1@blue=10.78.0.2/24,10.78.0.1/24,fd78::2/64,fd78::1/64", "--forward", "--serve", "http", "--device", mode,
				"--control", strings.TrimPrefix(socket, "@"), "--pcap", "s.pcapng", "--jsonl", "s.jsonl", "--ladder", "s.txt", "--record", "s.ft")
			p.await("up: ")
			const page = "This connection is named by five things"
			require.Contains(t, inNetns(t, "red", "curl", "-s", "http://10.77.0.2/"), page)
			require.Contains(t, inNetns(t, "blue", "curl", "-s", "http://[fd78::2]/"), page)
			server := start(t, dir, "ip", "netns", "exec", "blue", "nc", "-n", "-v", "-l", "8080")
			server.await("Listening")
			inNetns(t, "red", "sh", "-c", "echo hello | nc -N 10.78.0.1 8080")
			require.Zero(t, server.wait())
			require.Equal(t, "hello\n", server.stdout())
			require.Contains(t, inNetns(t, "blue", "ping", "-c", "1", "10.77.0.1"), "ttl=63", "one router on the way")

			tool(t, nil, "fivetuple", "link", socket, "set", "ft1", "loss", "100%")
			nobody := start(t, dir, "ip", "netns", "exec", "blue", "ping", "-c", "1", "-W", "1", "10.77.0.1")
			require.NotZero(t, nobody.wait())
			require.Contains(t, inNetns(t, "red", "curl", "-s", "http://10.77.0.2/"), page, "the other link is as it was")
			tool(t, nil, "fivetuple", "link", socket, "set", "ft1", "none")
			inNetns(t, "blue", "ip", "link", "set", "ft1", "down")
			nobody = start(t, dir, "ip", "netns", "exec", "red", "ping", "-c", "1", "-W", "1", "10.78.0.1")
			require.NotZero(t, nobody.wait())
			p.stop()
			require.Contains(t, p.stderr(), "note: packets are lost: write ft1: the device is down: bring it up: ip link set ft1 up")
			require.Contains(t, p.stderr(), "(1 lost: the device did not take them)")
			requireValid(t, dir)
			require.Regexp(t, `lab +red +blue`, read(t, dir, "s.txt"), "a lane for each")
			// Each kernel is asked before anything follows its SYN, and right after it was given one.
			events := read(t, dir, "s.jsonl")
			require.Regexp(t, `"host":"red","kind":"state",.*"remote":"10.78.0.1:8080","from":"CLOSED","to":"SYN-SENT"`, events)
			require.Regexp(t, `"host":"blue","kind":"state",.*"local":"10.78.0.1:8080",.*"from":"CLOSED","to":"SYN-RECEIVED"`, events)
			r := start(t, dir, "fivetuple", "replay", "s.ft", "--check")
			require.Zero(t, r.wait(), r.stderr())
		})
	}
}

// TestUpAlsoRefused: what makes no sense is refused before a device is made.
func TestUpAlsoRefused(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--also", "ft1"}, `--also "ft1": there is no =; it is written ft1=10.78.0.2/24,10.78.0.1/24 or ft1@NETNS=..., the stack's address before Linux's`},
		{[]string{"--also", "ft1=10.78.0.2/24"}, `--also "ft1=10.78.0.2/24": 1 addresses are no pairs; it is written`},
		{[]string{"--also", "ft1=10.78.0.2/24,10.79.0.1/24"}, "10.78.0.2/24 and 10.79.0.1/24 are not two addresses of one network"},
		{[]string{"--also", "ft0=10.78.0.2/24,10.78.0.1/24"}, "--also ft0: there is a device of that name already"},
		{[]string{"--also", "ft1=10.77.0.4/24,10.77.0.3/24"}, "--also ft1: 10.77.0.4/24 overlaps 10.77.0.2/24, so the stack could not tell where a packet goes"},
		{[]string{"--also", "ft1@=10.78.0.2/24,10.78.0.1/24"}, "no network namespace is named after the @"},
		{[]string{"--also", "ft1=10.78.0.2/24,10.78.0.1/24", "--device", "water"}, "devices of --device water cannot be waited for together"},
		{[]string{"--forward", "--offload", "on"}, "--forward and --offload on: netstack does not divide what it forwards"},
		{[]string{"--also", "ft1=10.78.0.2/32,10.78.0.1/24"}, "10.78.0.2/32 and 10.78.0.1/24 are not two addresses of one network"},
		{[]string{"--forward"}, "--forward: there is one device, and nothing to pass packets on to: add another with --also"},
		{[]string{"--also", "ft1@nosuch=10.78.0.2/24,10.78.0.1/24"}, "make it with: ip netns add NAME"},
		{[]string{"--also", "ft1@4194305=10.78.0.2/24,10.78.0.1/24"}, "no such file or directory: name a process that runs"},
		{[]string{"--also", "ft1@blue=10.78.0.2/24,10.78.0.1/24", "--host", "blue"}, "--host blue: that is the name of who is at the device's other end: choose another"},
	} {
		p := start(t, t.TempDir(), "fivetuple", upArgs(tc.args...)...)
		require.Equal(t, exitUsage, p.wait(), tc.args)
		require.Contains(t, p.stderr(), tc.want)
	}
}
