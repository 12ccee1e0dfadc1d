package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSSLinux: each connection has both its ends, Linux's as ss(8) shows it; what
// has no other end is said; flags and filters hold for both; the namespace is the
// device's.
func TestSSLinux(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "ss")
	dir := t.TempDir()
	session := "@" + filepath.Join(dir, "s.sock")
	p := start(t, dir, "fivetuple", upArgs("-q", "--serve", "echo,daytime", "--control", session[1:], "--diag", "off")...)
	p.await("up: ")
	ask := func(args ...string) string {
		t.Helper()
		return tool(t, nil, "fivetuple", append([]string{"ss", session, "--linux"}, args...)...)
	}
	var conns []net.Conn
	for _, network := range []string{"tcp", "udp"} {
		for _, addr := range []string{lab4, lab6} {
			c := dial(t, network, addr, "7")
			defer c.Close()
			roundTrip(t, c)
			conns = append(conns, c)
		}
	}
	gone := dial(t, "tcp", lab4, "13") // the stack closes first, and waits; Linux has forgotten it
	for buf := make([]byte, 100); ; {
		if _, err := gone.Read(buf); err != nil {
			break
		}
	}
	require.NoError(t, gone.Close())
	waiting := []string{"-taH", "state", "time-wait", "sport", "=", ":13"}
	for !strings.Contains(ask(waiting...), "linux none") { // until its FIN has arrived, and the answer to that
	}
	nobody, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(nobody)
	require.Equal(t, "ft0 ab: none\nft0 ba: loss 100%\n", tool(t, nil, "fivetuple", "link", session, "set", "ba", "loss", "100%"))
	require.ErrorIs(t, unix.Connect(nobody, &unix.SockaddrInet4{Port: 7, Addr: [4]byte{10, 77, 0, 2}}), unix.EINPROGRESS)

	rows := func(text string) (out [][]string) {
		for line := range strings.Lines(text) {
			if line[0] != '\t' {
				out = append(out, strings.Fields(line))
			}
		}
		return out
	}
	text := ask("-tunpH")
	all := rows(text)
	require.Len(t, all, 2*5, "%s", text)
	for i, c := range conns {
		proto, stack, n := "tcp", "ESTAB", 6+2*i
		if i > 1 {
			proto, stack, n = "udp", "UNCONN", 2*i-4
		}
		require.Equal(t, []string{"lab", proto, stack}, all[n][:3])
		require.Equal(t, []string{"linux", proto, "ESTAB", "0", "0", c.LocalAddr().String(), c.RemoteAddr().String()}, all[n+1][:7])
		require.Contains(t, all[n][7], `users:(("echo`)
		require.Contains(t, all[n+1][7], fmt.Sprintf("pid=%d", os.Getpid()))
	}
	require.Equal(t, []string{"lab", "tcp", "none", "-", "-", lab4 + ":7"}, all[4][:6])
	require.Equal(t, []string{"linux", "tcp", "SYN-SENT"}, all[5][:3], "%s", text)

	// Linux's lines are those of iproute2's ss.
	want := rows(tool(t, nil, "ss", "-tnH", "state", "established", "dst", lab4+":7"))
	got := rows(ask("-tnH", "state", "established", "src", host4))
	require.Len(t, got, 2)
	require.Equal(t, append([]string{"linux", "ESTAB"}, want[0][:4]...), got[1])
	require.Regexp(t, `\n\t .*rto:.* mss:1448 cwnd:\d+ `, ask("-ti4", "state", "established"), "netstack's, and below it Linux's")

	require.Regexp(t, `^lab +TIME-WAIT .*:13 .*\nlinux none +- +- +10\.77\.0\.1:\d+ +10\.77\.0\.2:13\n$`, ask(waiting...))
	require.Empty(t, ask("-tH", "sport", "=", ":13"), "neither end is connected any more")
	require.Equal(t, ask("-tH", "sport", "=", ":7"), ask("-tH", "dport", "=", ":7"), "either end may pass the filter")
	require.Regexp(t, `^lab +LISTEN .*:7 .*\nlab +LISTEN .*:13 .*\n$`, ask("-tlH"), "a listener has no other end")
	var js []struct {
		Host       string
		Socket     struct{ State string }
		Peer       string
		PeerSocket struct {
			State string
			Users []struct{ PID int }
			Info  struct{ Cwnd int }
		} `json:"peer_socket"`
	}
	require.NoError(t, json.Unmarshal([]byte(ask("-t4", "--json", "state", "established")), &js))
	require.Len(t, js, 1)
	require.Equal(t, []string{"lab", "ESTAB", "linux", "ESTAB"}, []string{js[0].Host, js[0].Socket.State, js[0].Peer, js[0].PeerSocket.State})
	require.Equal(t, os.Getpid(), js[0].PeerSocket.Users[0].PID)
	require.NotZero(t, js[0].PeerSocket.Info.Cwnd)

	for _, tc := range []struct {
		want string
		args []string
	}{
		{"the kernel beside the stack is a live session's, @NAME; a scenario has none", []string{"ss", "handshake", "--linux"}},
		{"the counts are those of one stack", []string{"ss", session, "--linux", "-s"}},
	} {
		bad := start(t, dir, "fivetuple", tc.args...)
		require.Equal(t, exitUsage, bad.wait())
		require.Contains(t, bad.stderr(), tc.want)
	}
	p.stop()
}

// TestSSLinuxNamespaces: with devices in several namespaces, each connection's
// other end is that of its own kernel, also when root has become somebody else.
func TestSSLinuxNamespaces(t *testing.T) {
	if !inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN) {
		return
	}
	namespaces(t, "red", "blue")
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // the user has to reach its socket
		require.NoError(t, os.Chmod(d, 0o755))
	}
	run := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(run, 0o700))
	require.NoError(t, os.Chown(run, 65534, 65534))
	session := "@" + filepath.Join(run, "s.sock")
	p := start(t, dir, "fivetuple", "up", "-q", "--netns", "red", "--addr", "10.77.0.2/24", "--host-addr", "10.77.0.1/24",
		"--also", "ft1@blue=10.78.0.2/24,10.78.0.1/24", "--serve", "echo", "--control", session[1:], "--user", "65534")
	p.await("up: ")
	for netns, addr := range map[string]string{"red": "10.77.0.2", "blue": "10.78.0.2"} {
		c := start(t, dir, "ip", "netns", "exec", netns, "nc", "-v", "-n", "-d", addr, "7")
		c.await("succeeded")
		defer c.cmd.Process.Kill() // it does not end by itself
	}
	require.Regexp(t, `^lab +ESTAB .*:7 +10\.77\.0\.1:\d+\nred +ESTAB +0 +0 +10\.77\.0\.1:\d+ +10\.77\.0\.2:7\n`+
		`lab +ESTAB .*:7 +10\.78\.0\.1:\d+\nblue +ESTAB +0 +0 +10\.78\.0\.1:\d+ +10\.78\.0\.2:7\n$`,
		tool(t, nil, "fivetuple", "ss", session, "--linux", "-tH"))
	p.stop()
}

// TestSSLinuxForward: what the stack passes on as a router has a kernel at both ends,
// each with its processes; an end that is missing is none.
func TestSSLinuxForward(t *testing.T) {
	if !inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN) {
		return
	}
	namespaces(t, "red", "blue")
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	p := start(t, dir, "fivetuple", "up", "-q", "--netns", "red", "--addr", "10.77.0.2/24", "--host-addr", "10.77.0.1/24",
		"--also", "ft1@blue=10.78.0.2/24,10.78.0.1/24", "--forward", "--serve", "echo", "--control", socket)
	p.await("up: ")
	server := start(t, dir, "ip", "netns", "exec", "blue", "nc", "-n", "-v", "-l", "8080")
	server.await("Listening")
	client := start(t, dir, "ip", "netns", "exec", "red", "nc", "-v", "-n", "-d", "10.78.0.1", "8080")
	client.await("succeeded")
	server.await("Connection received")
	near := start(t, dir, "ip", "netns", "exec", "red", "nc", "-v", "-n", "-d", "10.77.0.2", "7")
	near.await("succeeded")
	ask := func(args ...string) string {
		return tool(t, nil, "fivetuple", append([]string{"ss", "@" + socket, "--linux"}, args...)...)
	}
	users := func(p *process) string { return fmt.Sprintf(`users:\(\("nc",pid=%d,fd=\d+\)\)`, p.cmd.Process.Pid) }
	require.Regexp(t, `^lab +ESTAB .*:7 +10\.77\.0\.1:\d+ .*\nred +ESTAB .* 10\.77\.0\.2:7 .*`+
		`\nred +ESTAB +0 +0 +10\.77\.0\.1:\d+ +10\.78\.0\.1:8080 +`+users(client)+
		`\nblue +ESTAB +0 +0 +10\.78\.0\.1:8080 +10\.77\.0\.1:\d+ +`+users(server)+`\n$`, ask("-tnpH"))
	require.Contains(t, ask("-tn", "--json"), `"host": "red"`)
	require.NoError(t, server.cmd.Process.Kill())
	server.wait()
	require.NoError(t, near.cmd.Process.Kill())
	require.NotContains(t, ask("-tnH", "dport = :8080"), "blue +ESTAB")
	p.stop()
}

// TestSSLinuxGateway: behind a gateway, the stack's end of a connection has the
// address of a server outside.
func TestSSLinuxGateway(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	dir := t.TempDir()
	s, p := behindGateway(t, dir, "-q")
	c, err := s.dial("tcp", outside4+":7")
	require.NoError(t, err)
	defer c.Close()
	roundTrip(t, c)
	text := tool(t, nil, "fivetuple", "ss", "@"+filepath.Join(dir, "gate.sock"), "--linux", "-tnpH")
	end := regexp.QuoteMeta(c.LocalAddr().String())
	require.Regexp(t, `^lab +ESTAB +0 +0 +192\.0\.2\.5:7 +`+end+` +users:\(\("gateway".*\nlinux +ESTAB +0 +0 +`+end+` +192\.0\.2\.5:7 +users:\(\(.*,pid=`+
		strconv.Itoa(os.Getpid())+`,fd=\d+\)\)\n$`, text)
	p.stop()
}
