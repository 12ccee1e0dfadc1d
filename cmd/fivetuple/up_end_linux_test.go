package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUpEnds: a signal or --duration ends a session well: with status 0, a
// summary, whole files, and without the device.
func TestUpEnds(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, tt := range []struct {
		name, arg string
		sig       syscall.Signal
	}{
		{"SIGINT", "", syscall.SIGINT},
		{"SIGTERM", "", syscall.SIGTERM},
		{"duration", "--duration=2s", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := up(t, dir, strings.Fields(tt.arg)...)
			c := dial(t, "tcp", lab4, "7")
			defer c.Close()
			roundTrip(t, c)
			if tt.sig != 0 {
				require.NoError(t, p.cmd.Process.Signal(tt.sig))
			}
			require.Zero(t, p.wait(), p.stderr())
			_, err := net.InterfaceByName("ft0")
			require.Error(t, err, "the device is gone")
			require.Regexp(t, `^up: 10\.77\.0\.2/24 fd77::2/64 on ft0, Linux is 10\.77\.0\.1/24 fd77::1/64; serving echo, http, discard, daytime, chargen; `, p.stderr())
			counts := regexp.MustCompile(`\nft0: \d+ packets in, \d+ out, in (\S+s)\nNetid State `).FindStringSubmatch(p.stderr())
			require.Len(t, counts, 2, p.stderr())
			if took, err := time.ParseDuration(counts[1]); tt.sig == 0 {
				require.NoError(t, err)
				require.GreaterOrEqual(t, took, 2*time.Second, "how long the session was, and not when something happened last")
			}
			ladder := read(t, dir, "s.txt")
			require.Regexp(t, `7 ◀─+ S   seq 0 .* 7 ── S\.  seq 0  ack 1 .*7 ◀─+ \.   ack 1 `, strings.ReplaceAll(ladder, "\n", " "), "the handshake is in the ladder")
			require.Regexp(t, `\n\d+ calls · \d+ packets · 0 dropped\n$`, ladder)
			requireValid(t, dir)
		})
	}
}

// client connects out, to a server of the kernel.
const client = `"""A process of the lab talks to a server of Linux."""
lab = host("lab")
def get(p):
    s = p.socket()
    p.bind(s, ("10.77.0.2", 5000))
    p.connect(s, ("10.77.0.1", %d))
    p.sendall(s, "ping\n")
    expect.eq(p.recv(s), "pong\n")
    expect.eq(p.recv(s), "", "the server closes first")
lab.spawn("get", get)
run()
expect.states(lab, ["SYN-SENT", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"])
`

// TestUpScenario runs a scenario against a TCP server of the kernel: the
// connection opens, carries data, and is closed by both sides before the end.
func TestUpScenario(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := start(t, dir, "fivetuple", upArgs("-q", "--duration", "1m", "--ladder", "s.txt",
		"--pcap", "s.pcapng", "--jsonl", "s.jsonl", "--scenario", scenarioFor(t, dir))...)
	require.Zero(t, p.wait(), p.stderr())
	ladder := read(t, dir, "s.txt")
	require.Contains(t, ladder, "s: A process of the lab talks to a server of Linux.\nseed 1 · real time\n")
	require.Regexp(t, `5000 ── S   seq 0 `, ladder)
	require.Regexp(t, `· 3 expectations met\n$`, ladder)
	_, err := net.InterfaceByName("ft0")
	require.Error(t, err, "the device is gone")
	requireValid(t, dir)
}

// scenarioFor starts a server that answers one connection once the device has
// its address, and writes the scenario for its port. A server cannot bind to an
// address that is not there yet, so it listens on all.
func scenarioFor(t *testing.T, dir string) string {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line := make([]byte, 5)
		if _, err := io.ReadFull(c, line); err == nil && c.RemoteAddr().String() == lab4+":5000" {
			io.WriteString(c, strings.Replace(string(line), "i", "o", 1))
		}
	}()
	write(t, dir, "s.star", fmt.Sprintf(client, l.Addr().(*net.TCPAddr).Port))
	return "s.star"
}

// TestUpScenarioFails: what a scenario expects counts, and so does that it ends.
func TestUpScenarioFails(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	write(t, dir, "refused.star", strings.Replace(client, "%d", "1", 1))
	write(t, dir, "waits.star", `"""It waits for nobody."""
lab = host("lab")
def serve(p):
    s = p.socket()
    p.bind(s, ("10.77.0.2", 80))
    p.listen(s)
    print("ready")
    p.accept(s)
lab.spawn("httpd", serve)
run()
expect(True)
`)
	for _, tt := range []struct {
		name, file string
		more       []string
		sig        syscall.Signal
		status     int
		want       string
	}{
		{"failed call", "refused.star", nil, 0, 1, "fivetuple: refused.star:6: get on lab: connect(3, 10.77.0.1:1): connection refused (ECONNREFUSED)\n"},
		{"too long", "waits.star", []string{"--duration", "100ms"}, 0, 1, "fivetuple: waits.star:10: --duration is over\n"},
		{"interrupted", "waits.star", nil, syscall.SIGINT, 130, "fivetuple: waits.star:10: interrupted by SIGINT\n"},
		{"unknown", "no.star", nil, 0, 2, "fivetuple: no.star: no such file; `fivetuple list` shows the built-in scenarios\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, dir, "fivetuple", upArgs(append(tt.more, "-q", "--scenario", tt.file)...)...)
			if tt.sig != 0 {
				p.await("ready")
				require.NoError(t, p.cmd.Process.Signal(tt.sig))
			}
			require.Equal(t, tt.status, p.wait(), p.stderr())
			require.Contains(t, p.stderr(), tt.want)
		})
	}
}

// TestUpRefuses: what cannot be made is said in one line, with status 2, and
// nothing is left behind. What can be seen without trying is in up.txtar.
func TestUpRefuses(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	capture := read(t, dir, "s.pcapng")
	tool(t, nil, "ip", "tuntap", "add", "ft7", "mode", "tun", "multi_queue")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"device in use", upArgs("--pcap", "s.pcapng"), "fivetuple: device ft0 is in use by another process: choose another name\n"},
		{"host address in use", []string{"up", "--tun", "ft1", "--addr", "10.77.0.9/24", "--host-addr", "10.77.0.1/24", "--pcap", "s.pcapng"},
			"fivetuple: address 10.77.0.1/24 is already assigned to ft0: choose another host address\n"},
		{"no TUN device", []string{"up", "--tun", "lo", "--addr", "10.78.0.2/24", "--host-addr", "10.78.0.1/24"},
			"fivetuple: device lo exists and is not a TUN device: choose another name\n"},
		{"several queues", []string{"up", "--tun", "ft7", "--addr", "10.78.0.2/24", "--host-addr", "10.78.0.1/24"},
			"fivetuple: device ft7 has several queues: make it without multi_queue, or choose another name\n"},
		{"output", []string{"up", "--tun", "ft1", "--addr", "10.78.0.2/24", "--host-addr", "10.78.0.1/24", "--pcap", "no/s.pcapng"},
			"fivetuple: --pcap no/s.pcapng: no such file or directory: create its folder first\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			second := start(t, dir, "fivetuple", tt.args...)
			require.Equal(t, 2, second.wait())
			require.Equal(t, tt.want, second.stderr())
			_, err := net.InterfaceByName("ft1")
			require.Error(t, err, "nothing is left behind")
			require.True(t, strings.HasPrefix(read(t, dir, "s.pcapng"), capture), "the capture of the first is untouched")
		})
	}
	p.stop()
}

// TestUpWithoutPrivilege: who may not make a device is told who may.
func TestUpWithoutPrivilege(t *testing.T) {
	if !isLive(t) {
		return
	}
	// The test binary is in a folder that only root may enter.
	dir, err := os.MkdirTemp("", "fivetuple")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	self, err := exec.LookPath("fivetuple")
	require.NoError(t, err)
	binary, err := os.ReadFile(self)
	require.NoError(t, err)
	public := filepath.Join(dir, "fivetuple")
	require.NoError(t, os.WriteFile(public, binary, 0o755))

	cmd := exec.CommandContext(t.Context(), public, upArgs()...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	p := startCmd(t, cmd)
	require.Equal(t, 2, p.wait())
	require.Regexp(t, `^fivetuple: open /dev/net/tun: (permission denied|operation not permitted): run as root, or give the binary CAP_NET_ADMIN .*\n$`, p.stderr())
}
