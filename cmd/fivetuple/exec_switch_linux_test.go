package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lanLab has three hosts on a switch, and a router to a fourth. The third and the
// fourth serve, in this run and in virtual time.
const lanLab = `"""Three hosts on a switch, and a router to a fourth."""
client = host("client", "10.0.0.1/24", "2001:db8::1/64")
server = host("server", "10.0.0.2/24", "2001:db8::2/64")
third = host("third", "10.0.0.3/24", "2001:db8::3/64")
router = host("router", "10.0.0.254/24", forwarding = True)
far = host("far", "192.0.2.1/24")
switch("lan", client, server, third, router, delay = "1ms", mtu = 1400)
link(router, far, delay = "1ms", a_addrs = ["192.0.2.254/24"])
for h in (client, server, third):
    h.route("default", "10.0.0.254")
far.route("default", "192.0.2.254")

def httpd(p):
    s = p.socket(AF_INET6)
    p.bind(s, ("::", 80))
    p.listen(s, 16)
    for _ in range(10):
        c, peer = p.accept(s)
        p.recv(c)
        p.send(c, "HTTP/1.0 200 OK\r\n\r\nhello, " + peer[0] + "\n")
        p.close(c)

third.spawn("httpd", httpd, daemon = True)
far.spawn("httpd", httpd, daemon = True)

def ping(p):
    p.sendto(p.socket(AF_INET, SOCK_DGRAM), "hello", ("10.0.0.3", 9))

client.spawn("ping", ping)
run(until = "1s")
`

// TestExecSwitch: real programs on two hosts of a switch, a simulated server on a
// third and another behind a router: Linux finds them by its own ARP and neighbor
// discovery, and is found. Addresses, MTU and routes are the lab's, at once.
func TestExecSwitch(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nc", "ip", "curl", "ping", "tshark"} {
		requireTool(t, name)
	}
	script := strings.Join([]string{
		"ip -o link show eth0", "ip -o addr show eth0", "ip route",
		"echo four | nc -N -4 server 8080", "curl -s -4 http://third/", "curl -s http://[2001:db8::3]/", "curl -s http://far/",
		"ping -q -c 1 2001:db8::2", "ip neigh",
	}, " && ")
	p, dir := execLab(t, lanLab, "--with", "server=nc -l 8080", "--jsonl", "t.jsonl", "--pcap", "t.pcapng", "--", "sh", "-c", script)
	require.Zero(t, p.wait(), p.stderr())
	out := p.stdout()
	require.Regexp(t, `eth0: .* mtu 1400 .* link/ether 02:00:00:00:01:01 `, out)
	require.Regexp(t, `inet6 2001:db8::1/64 scope global nodad`, out)
	require.NotContains(t, out, "tentative")
	require.Regexp(t, `default via 10\.0\.0\.254 dev eth0`, out)
	require.Contains(t, out, "four\n", "a real program")
	require.Contains(t, out, "hello, ::ffff:10.0.0.1\n", "a simulated one")
	require.Contains(t, out, "hello, 2001:db8::1\n")
	require.Equal(t, 2, strings.Count(out, "hello, ::ffff:10.0.0.1\n"), "the other is behind the router")
	require.Contains(t, out, " 0% packet loss")
	for addr, mac := range map[string]string{"10.0.0.2": "02:01", "2001:db8::2": "02:01", "10.0.0.3": "03:01", "2001:db8::3": "03:01", "10.0.0.254": "04:01"} {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(addr)+` dev eth0 lladdr 02:00:00:00:`+mac+` `, out)
	}
	require.NotContains(t, out, "192.0.2.1 dev", "the router is asked for")

	// A trace has the same addresses whether a host is simulated or not.
	r := start(t, dir, "fivetuple", "run", "lab.star", "-q", "--jsonl", "sim.jsonl")
	require.Zero(t, r.wait(), r.stderr())
	is := regexp.MustCompile(`arp 10\.0\.0\.\d+ is at [0-9a-f:]+`)
	live := is.FindAllString(read(t, dir, "t.jsonl"), -1)
	for _, text := range is.FindAllString(read(t, dir, "sim.jsonl"), -1) {
		require.Contains(t, live, text)
	}
	require.NotContains(t, read(t, dir, "t.jsonl"), "no program runs there yet", "a question for all is not lost on those who are not there")
	require.NotEmpty(t, tshark(t, filepath.Join(dir, "t.pcapng"), "-Y", "eth.src == 02:00:00:00:01:01 && eth.dst == 02:00:00:00:02:01 && tcp.port == 8080"))
	require.Empty(t, tshark(t, filepath.Join(dir, "t.pcapng"), "-o", "tcp.check_checksum:TRUE", "-Y", "tcp.checksum.status == Bad"))
}

// TestExecEthernetLink: a real host on a link with Ethernet, without a switch.
func TestExecEthernetLink(t *testing.T) {
	t.Parallel()
	lab := strings.Replace(pairLab, `delay = "5ms"`, `delay = "5ms", ethernet = True`, 1)
	p, _ := execLab(t, lab, "--as", "a", "--with", "b=nc -6 -l 8080", "--", "sh", "-c", "echo hello | nc -N -6 b 8080 && ping -q -c 1 10.0.0.2 && ip neigh")
	require.Zero(t, p.wait(), p.stderr())
	require.Contains(t, p.stdout(), "hello\n")
	require.Contains(t, p.stdout(), "10.0.0.2 dev eth0 lladdr 02:00:00:00:02:01 ")
	require.Contains(t, p.stdout(), "2001:db8::2 dev eth0 lladdr 02:00:00:00:02:01 ")
}

// TestExecSwitchBulk: bytes that one kernel sends to another through the switch
// arrive as they were, with loss on each of its cables.
func TestExecSwitchBulk(t *testing.T) {
	t.Parallel()
	requireTool(t, "nc")
	lab := strings.Replace(pairLab, `link(a, b, delay = "5ms")`, `switch("lan", a, b, delay = "1ms", loss = "1%")`, 1)
	p, _ := execLab(t, lab, "--as", "a", "--with", `b=sh -c "head -c 1000000 /dev/urandom > sent; exec nc -N -l 8080 < sent"`,
		"--", "sh", "-c", "nc -d b 8080 > got && cmp sent got && wc -c < got")
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, "1000000", strings.TrimSpace(p.stdout()))
}

// TestExecTwoLinks: a real host between two others has its addresses once, as a
// simulated one that is given no others, and reaches both.
func TestExecTwoLinks(t *testing.T) {
	t.Parallel()
	const line = `"""A line."""
a = host("a", "10.0.0.1/24", "2001:db8::1/64")
m = host("m", "10.0.0.2/24", "2001:db8::2/64")
b = host("b", "10.0.0.3/24", "2001:db8::3/64")
link(a, m)
link(m, b)
`
	p, _ := execLab(t, line, "--as", "m", "--", "sh", "-c",
		"for to in 10.0.0.1 10.0.0.3 2001:db8::1 2001:db8::3; do ping -n -q -c 1 $to || exit 1; done; ip -o -4 addr show dev eth1")
	require.Zero(t, p.wait(), p.stdout()+p.stderr())
	require.NotContains(t, p.stdout(), "eth1")
}
