package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// webLab is a lab with a simulated web server behind a router.
const webLab = `"""A web server of ours behind a router."""
client = host("client", "10.1.0.1/24")
router = host("router", forwarding = True)
server = host("server", "10.2.0.1/24")
link(client, router, delay = "40ms", b_addrs = ["10.1.0.254/24"])
link(router, server, delay = "1ms", a_addrs = ["10.2.0.254/24"])
client.route("default", "10.1.0.254")
server.route("default", "10.2.0.254")

def httpd(p):
    s = p.socket()
    p.bind(s, ("10.2.0.1", 80))
    p.listen(s)
    c, peer = p.accept(s)
    p.mark("from " + peer[0])
    p.recv(c)
    p.send(c, "HTTP/1.0 200 OK\r\n\r\nhello, real world\n")
    p.close(c)

server.spawn("httpd", httpd, daemon = True)
client.spawn("curl", httpd)
run()
`

// pairLab has two hosts and nothing on them.
const pairLab = `"""Two hosts."""
a = host("a", "10.0.0.1/24", "2001:db8::1/64")
b = host("b", "10.0.0.2/24", "2001:db8::2/64")
link(a, b, delay = "5ms")
`

// execLab runs `fivetuple exec` on a lab: it makes the namespaces itself.
func execLab(t *testing.T, lab string, args ...string) (*process, string) {
	t.Helper()
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lab.star"), []byte(lab), 0o644))
	return start(t, dir, "fivetuple", append([]string{"exec", "--net", "lab.star"}, args...)...), dir
}

// TestExecCurl: an unmodified curl, with the lab's names, addresses and routes,
// talks to a simulated server across simulated links.
func TestExecCurl(t *testing.T) {
	t.Parallel()
	p, dir := execLab(t, webLab, "--jsonl", "t.jsonl", "--", "curl", "-s", "http://server/") // as client, which is the default
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "hello, real world\n", p.stdout())
	require.Contains(t, p.stderr(), "its process curl is left out")
	f, err := os.Open(filepath.Join(dir, "t.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	sent := map[uint64]int64{}
	crossed, marked := 0, false
	for e, err := range jsonl.Read(f) {
		require.NoError(t, err)
		switch {
		case e.Kind == "packet" && e.What == "sent" && e.Host == "client":
			sent[e.Num] = e.T
		case e.Kind == "packet" && e.What == "delivered" && e.Host == "router" && sent[e.Num] != 0:
			require.Equal(t, 40*time.Millisecond, time.Duration(e.T-sent[e.Num]), "the link's delay, by the world's clock")
			crossed++
		case e.Kind == "mark":
			marked = e.Text == "from 10.1.0.1"
		}
	}
	require.GreaterOrEqual(t, crossed, 3, "SYN, ACK and request at least")
	require.True(t, marked, "the server sees the program's own address")
}

// TestExecTwoPrograms: two real programs meet in the lab; the second one is
// started when the first one listens. Standard output is shared.
func TestExecTwoPrograms(t *testing.T) {
	t.Parallel()
	p, _ := execLab(t, pairLab, "--as", "a", "--with", "b=nc -6 -l 8080", "--", "sh", "-c", "echo hello | nc -N -6 b 8080")
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "hello\n", p.stdout())
}

// TestExecPing: the simulated host answers the kernel's ping, and the program
// sees the lab's interfaces and nothing of the machine's.
func TestExecPing(t *testing.T) {
	t.Parallel()
	p, _ := execLab(t, pairLab, "--as", "a", "--", "sh", "-c", "ping -q -c 2 -i 0.01 b && ls /sys/class/net /proc/sys/net/ipv4/conf | sort -u && ip -br addr show eth0")
	require.Zero(t, p.wait(), p.stderr())
	require.Contains(t, p.stdout(), "2 packets transmitted, 2 received, 0% packet loss")
	require.Contains(t, p.stdout(), "10.0.0.1/24 2001:db8::1/64")
	var conf []string
	for _, line := range strings.Split(p.stdout(), "\n") {
		if line == "all" || line == "default" || line == "lo" || line == "eth0" || line == "eth1" {
			conf = append(conf, line)
		}
	}
	require.Equal(t, []string{"all", "default", "eth0", "lo"}, conf)
}

// TestExecLadder: the ladder goes to standard output if it is asked for, after
// what the program writes there or among it, and to a file.
func TestExecLadder(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"-", "l.txt"} {
		p, dir := execLab(t, pairLab, "--as", "a", "--ladder", to, "--", "ping", "-q", "-c", "1", "b")
		require.Zero(t, p.wait(), p.stderr())
		text := p.stdout()
		if to != "-" {
			b, err := os.ReadFile(filepath.Join(dir, to))
			require.NoError(t, err)
			require.NotContains(t, text, "echo request")
			text = string(b)
		}
		require.Contains(t, text, "echo request")
		require.Contains(t, text, "0 dropped")
	}
}

// TestExecStatus: the exit status is the program's.
func TestExecStatus(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000) // of an argument, which may have 128 KiB; a message on a socket has less than three
	for _, tc := range []struct {
		name, want string
		status     int
		args       []string
	}{
		{"long arguments", "", 7, []string{"--as", "a", "--", "sh", "-c", `[ ${#1}${#2}${#3} = 100000100000100000 ] && exit 7`, "sh", long, long, long}},
		{"of a program", "", 7, []string{"--as", "a", "--", "sh", "-c", "exit 7"}},
		{"of a signal", "", 137, []string{"--as", "a", "--", "sh", "-c", "kill -9 $$"}},
		{"no such program", `"nonesuch": executable file not found`, 125, []string{"--as", "a", "--", "nonesuch"}},
		{"no such host", `no host "c"`, 2, []string{"--as", "c", "--", "true"}},
		{"no program", "which program?", 2, []string{"--as", "a"}},
		{"no host named, and none called client", `no host "client"; there are a, b`, 2, []string{"--", "true"}},
		{"one host, two programs", "given two programs", 2, []string{"--as", "a", "--with", "a=true", "--", "true"}},
		{"a malformed --with", "HOST=COMMAND", 2, []string{"--as", "a", "--with", "b", "--", "true"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := execLab(t, pairLab, tc.args...)
			require.Equal(t, tc.status, p.wait(), p.stderr())
			require.Contains(t, p.stderr(), tc.want)
		})
	}
}
