package main

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// execBehind runs `fivetuple exec --gateway`; its outside is this namespace.
func execBehind(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	dir := t.TempDir()
	return start(t, dir, "fivetuple", append([]string{"exec", "--gateway"}, args...)...), dir
}

// TestExecGateway: an unmodified program reaches the outside through sockets of the
// machine, over both versions of IP, impaired, mapped and observed.
func TestExecGateway(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	for _, tc := range []struct{ name, to, port string }{{"IPv4", outside4, "7"}, {"IPv6", outside6, "7"}, {"mapped", "10.77.0.9", "70"}} {
		t.Run(tc.name, func(t *testing.T) {
			p, dir := execBehind(t, "--gateway-map", "10.77.0.9:70=127.0.0.1:7", "--delay", "5ms", "--jsonl", "s.jsonl", "--ladder", "s.txt", "--pcap", "s.pcapng", "--record", "s.ft",
				"--", "sh", "-c", "echo hello | nc -N "+tc.to+" "+tc.port+" && ip -br addr show eth0")
			require.Zero(t, p.wait(), p.stderr())
			require.Regexp(t, `^hello\neth0 .* 10\.77\.0\.1/24 fd77::1/64 `, p.stdout())
			require.Regexp(t, `"outside: tcp \S+:\d+ -> \S+:7, for \S+:\d+ -> \S+:`+tc.port+`"`, read(t, dir, "s.jsonl"))
			require.Regexp(t, `program 10\.77\.0\.1`, read(t, dir, "s.txt"))
			require.Contains(t, read(t, dir, "s.txt"), "CLOSE-WAIT", "the kernel's states are there as well")
			requireValid(t, dir)
			requireSameElsewhere(t, dir, "s.ft")
		})
	}
	p, _ := execBehind(t, "--", "nc", "-N", outside4, "8")
	require.Equal(t, 1, p.wait(), "refused outside is refused inside")
}

// TestExecGatewaySends: what a program has sent before its end arrives, whole,
// although the link is slow and the program does not wait.
func TestExecGatewaySends(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "bash")
	makeOutside(t)
	l, err := net.Listen("tcp", outside4+":99")
	require.NoError(t, err)
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		n := int64(-1)
		if c, err := l.Accept(); err == nil {
			n, _ = io.Copy(io.Discard, c)
			c.Close()
		}
		got <- n
	}()
	p, _ := execBehind(t, "--delay", "30ms", "--", "bash", "-c", "head -c 1000000 /dev/zero > /dev/tcp/"+outside4+"/99")
	require.Zero(t, p.wait(), p.stderr())
	require.EqualValues(t, 1000000, <-got)
}

// TestExecGatewayPublish: a published port leads to the program, which serves one
// client and ends; its status is that of the command.
func TestExecGatewayPublish(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	p, _ := execBehind(t, "--publish", "8080:80", "--", "sh", "-c", "echo started; nc -N -l 80; exit 5")
	p.awaitOutput("started")
	say := func() error {
		c, err := net.Dial("tcp", "127.0.0.1:8080")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello\n"))
		_, rerr := io.ReadAll(c) // to the server's FIN
		return errors.Join(err, rerr)
	}
	for say() != nil { // nc does not listen yet: the connection is reset
		require.NoError(t, t.Context().Err())
	}
	require.Equal(t, 5, p.wait(), p.stderr())
	require.Equal(t, "started\nhello\n", p.stdout())
}

// TestExecGatewayControl: with a name, the session can be looked at and ended.
func TestExecGatewayControl(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "bash")
	makeOutside(t)
	socket := filepath.Join(t.TempDir(), "s.sock")
	p, _ := execBehind(t, "--control", socket, "--", "bash", "-c", "exec 3<>/dev/tcp/"+outside4+"/7; echo started >&3; exec cat <&3")
	p.awaitOutput("started") // it came back; cat waits for more
	require.Regexp(t, `(?m)^tcp +open +10\.77\.0\.1:\d+ +-> 192\.0\.2\.5:7 `, tool(t, nil, "fivetuple", "gateway", "@"+socket))
	require.Regexp(t, `(?m)ESTAB .* 10\.77\.0\.1:\d+ +192\.0\.2\.5:7 +users:\(\("cat",`, tool(t, nil, "fivetuple", "ss", "@"+socket, "-tanp", "--linux"))
	require.Equal(t, "eth0 ab: delay 1ms\neth0 ba: none\n", tool(t, nil, "fivetuple", "link", "@"+socket, "set", "ab", "delay", "1ms"))
	tool(t, nil, "fivetuple", "stop", "@"+socket)
	require.Equal(t, 128+int(syscall.SIGTERM), p.wait(), p.stderr())
}

// TestExecGatewayLink: a program may change the link that it is behind, and end.
// The session looks at the link then: with -race, this test fails if two goroutines
// do so at once.
func TestExecGatewayLink(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	socket := filepath.Join(t.TempDir(), "s.sock")
	p, _ := execBehind(t, "--control", socket, "--", "fivetuple", "link", "@"+socket, "set", "delay", "3ms")
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "eth0 ab: delay 3ms\neth0 ba: delay 3ms\n", p.stdout())
}

// TestExecGatewayNotes: what goes wrong with the gateway itself is said on standard
// error, also if there is no trace, and once: that its flows are in use, and that pings
// do not pass.
func TestExecGatewayNotes(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "bash")
	requireTool(t, "ping")
	makeOutside(t)
	p, _ := execBehind(t, "--gateway-flows", "1", "--", "bash", "-c", "exec 3<>/dev/tcp/"+outside4+"/7; for i in 1 2; do echo x > /dev/udp/"+outside4+"/53; done; echo y >&3; head -n 1 <&3")
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "y\n", p.stdout())
	require.Equal(t, "note: gateway: all of its 1 flows are in use; what would begin another one is dropped\n", p.stderr())

	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("1 0"), 0)) // none
	p, _ = execBehind(t, "--", "ping", "-c", "2", "-i", "0.01", "-W", "1", outside4)
	require.Equal(t, 1, p.wait(), p.stdout())
	require.Regexp(t, `^note: gateway: no ping socket: .*; pings do not pass until it is: .*\n\z`, p.stderr())
}

// TestExecGatewayStatus: what is wrong is said before the program starts, and a
// program that cannot be started is told from one that fails.
func TestExecGatewayStatus(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	bad := t.TempDir() + "/bad"
	write(t, filepath.Dir(bad), "bad", "\x7fELF")
	tool(t, nil, "chmod", "+x", bad)
	for _, tc := range []struct {
		name, want string
		status     int
		args       []string
	}{
		{"of a program", "", 7, []string{"--gateway", "--", "sh", "-c", "exit 7"}},
		{"of a signal", "", 137, []string{"--gateway", "--", "sh", "-c", "kill -9 $$"}},
		{"no such program", `"nonesuch": executable file not found`, 125, []string{"--gateway", "--", "nonesuch"}},
		{"no program of this machine's", bad + ": exec format error", 125, []string{"--gateway", "--", bad}},
		{"no folder", "create its folder first", 2, []string{"--gateway", "--pcap", "none/p", "--", "touch", "started"}},
		{"a port that is taken", outside4 + ":7: address already in use", 2, []string{"--gateway", "--publish", outside4 + ":7:7", "--", "touch", "started"}},
		{"a lab as well", "--gateway and --net", 2, []string{"--gateway", "--net", "ping", "--", "true"}},
		{"a lab with its delay", "--delay is for --gateway", 2, []string{"--net", "ping", "--delay", "1ms", "--", "true"}},
		{"a lab with ports", "--publish is for --gateway", 2, []string{"--net", "ping", "--publish", "1:1", "--", "true"}},
		{"a lab with a map", "are for --gateway", 2, []string{"--net", "ping", "--gateway-map", "10.0.0.1=127.0.0.1", "--", "true"}},
		{"a name server of the machine's own", "--gateway-map 10.77.0.53:53=127.0.0.53:53 --dns 10.77.0.53\n", 2, []string{"--gateway", "--dns", "127.0.0.53", "--", "touch", "started"}},
		{"the same over IPv6", "--gateway-map [fd77::53]:53=[::1]:53 --dns fd77::53\n", 2, []string{"--gateway", "--dns", "::1", "--", "touch", "started"}},
		{"a name for a name server", `--dns "one"`, 2, []string{"--gateway", "--dns", "one", "--", "true"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir, "fivetuple", append([]string{"exec"}, tc.args...)...)
			require.Equal(t, tc.status, p.wait(), p.stderr())
			require.Contains(t, p.stderr(), tc.want)
			require.NoFileExists(t, filepath.Join(dir, "started"))
		})
	}
	p, _ := execBehind(t, "--dns", "10.77.0.53", "--dns", "fd77::53", "--", "cat", "/etc/resolv.conf")
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "nameserver 10.77.0.53\nnameserver fd77::53\n", p.stdout())
}

// TestExecGatewayUnprivileged: a user without any capability runs a program behind a
// gateway, with a port let in; a port that is root's is refused with the remedy.
func TestExecGatewayUnprivileged(t *testing.T) {
	if !inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN) {
		return
	}
	requireTool(t, "setpriv")
	makeOutside(t)
	command := openToAll(t)
	user := []string{"--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"}
	if out, err := exec.CommandContext(t.Context(), "setpriv", append(user, "unshare", "-U", "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this test needs unprivileged user namespaces, and must run in CI: %s", out)
		}
		t.Skipf("this test needs unprivileged user namespaces: %s", out)
	}
	run := func(args ...string) *process {
		return start(t, "/", "setpriv", append(append(user, command, "exec", "--gateway"), args...)...)
	}
	p := run("--publish", "8080:80", "--ladder", "-", "--", "sh", "-c", "echo hello | nc -N "+outside4+" 7")
	require.Zero(t, p.wait(), p.stderr())
	require.Contains(t, p.stdout(), "hello\n")
	require.Contains(t, p.stdout(), "for 10.77.0.1:")
	p = run("--publish", "80:80", "--", "true")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.stderr(), "127.0.0.1:80: permission denied (EACCES); ports below net.ipv4.ip_unprivileged_port_start are for root")
}

// openToAll makes /dev/net/tun usable by every user of this mount namespace, and
// returns the command's path in a folder that all may enter.
func openToAll(t *testing.T) string {
	t.Helper()
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"))
	require.NoError(t, unix.Mknod("/mnt/tun", unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))))
	require.NoError(t, os.Chmod("/mnt/tun", 0o666))
	require.NoError(t, unix.Mount("/mnt/tun", "/dev/net/tun", "", unix.MS_BIND, ""))
	path, err := exec.LookPath("fivetuple")
	require.NoError(t, err)
	tool(t, nil, "cp", path, "/mnt/fivetuple")
	require.NoError(t, os.Chmod("/mnt/fivetuple", 0o755))
	return "/mnt/fivetuple"
}
