package main

import (
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/stack"

	"github.com/stretchr/testify/require"
)

// settingsLab has a host for which a script says all that host() takes, behind a
// router.
const settingsLab = `"""A host with settings, behind a router."""
client = host("client", "10.1.0.1/24", congestion_control = "reno", sack = False, rack = False, syn_retries = 2, retries = 4,
    fin_timeout = "5s", rmem = ("4kb", "64kb", "128kb"), wmem = ("4kb", "32kb", "64kb"), syncookies = True, local_port_range = (40000, 40010))
router = host("router", forwarding = True)
server = host("server", "10.2.0.1/24")
link(client, router, delay = "1ms", b_addrs = ["10.1.0.254/24"])
link(router, server, delay = "1ms", a_addrs = ["10.2.0.254/24"])
client.route("default", "10.1.0.254")
server.route("default", "10.2.0.254")
`

// TestExecSettings: what a script says about a host holds for the real one too. The
// SYN without SACK, from a port of the range, shows that the kernel acts on it.
func TestExecSettings(t *testing.T) {
	t.Parallel()
	requireTool(t, "nc")
	script := `cd /proc/sys/net/ipv4; for s in tcp_congestion_control tcp_sack tcp_recovery tcp_syn_retries tcp_retries2 tcp_fin_timeout tcp_rmem tcp_wmem tcp_syncookies ip_local_port_range
do echo $s $(cat $s); done; nc -w 2 server 80; true`
	p, dir := execLab(t, settingsLab, "--as", "client", "--jsonl", "t.jsonl", "--", "sh", "-c", script)
	require.Zero(t, p.wait(), p.stderr())
	require.Equal(t, []string{"tcp_congestion_control reno", "tcp_sack 0", "tcp_recovery 0", "tcp_syn_retries 2", "tcp_retries2 4", "tcp_fin_timeout 5",
		"tcp_rmem 4096 65536 131072", "tcp_wmem 4096 32768 65536", "tcp_syncookies 2", "ip_local_port_range 40000 40010"},
		strings.Split(strings.TrimSpace(p.stdout()), "\n"))
	require.Regexp(t, `"src":"10\.1\.0\.1:400(0\d|10)","dst":"10\.2\.0\.1:80"`, read(t, dir, "t.jsonl"))
	require.NotRegexp(t, `"src":"10\.1\.0\.1:400(0\d|10)".*sackOK`, read(t, dir, "t.jsonl"))
}

// TestExecRouter: the kernel of a program's namespace forwards, as the router of the
// lab would: a ping through it comes back, with its TTL less by one.
func TestExecRouter(t *testing.T) {
	t.Parallel()
	requireTool(t, "ping")
	p, _ := execLab(t, settingsLab, "--as", "client", "--with", "router=sleep 60", "--", "ping", "-c", "1", "-W", "20", "server")
	require.Zero(t, p.wait(), p.stderr())
	require.Contains(t, p.stdout(), "ttl=63 ")
}

// TestExecSettingsRefused: what Linux has not is an error that names host and option,
// before a program starts.
func TestExecSettingsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		option, want string
		status       int
	}{
		{`time_wait = "1s"`, "host a: a real host has no time_wait", 2},
		{`fin_timeout = "1500ms"`, "host a: fin_timeout = 1.5s: a real host counts it in units of 1s", 2},
		{`congestion_control = "nonesuch"`, `host a: could not be set up: congestion_control: this kernel has no "nonesuch"; it has `, exitNotStarted},
		{`syn_retries = 6, retries = 999`, "host a: could not be set up: retries: net.ipv4.tcp_retries2 = 999: invalid argument", exitNotStarted},
	} {
		lab := strings.Replace(pairLab, `"2001:db8::1/64"`, `"2001:db8::1/64", `+c.option, 1)
		p, _ := execLab(t, lab, "--as", "a", "--", "echo", "started")
		require.Equal(t, c.status, p.wait(), c.option)
		require.Contains(t, p.stderr(), c.want)
		require.Empty(t, p.stdout())
	}
}

// TestSettingsOf: times are in Linux's units. Not every kernel has these two.
func TestSettingsOf(t *testing.T) {
	t.Parallel()
	cfg := sim.HostConfig{Name: "a", TCP: stack.TCPConfig{MinRTO: 50 * time.Millisecond, MaxRTO: 3 * time.Second}}
	got, err := settingsOf(&cfg)
	require.NoError(t, err)
	require.Equal(t, []setting{{"min_rto", "ipv4/tcp_rto_min_us", "50000"}, {"max_rto", "ipv4/tcp_rto_max_ms", "3000"}}, got)
}
