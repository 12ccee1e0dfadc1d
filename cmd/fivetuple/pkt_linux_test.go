package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPktLinux: built-in scripts do on the kernel what linux.profile says. It runs
// those that pass and take no longer than TCP's shortest timeout, so that none
// waits for a timer: the claim is about calls and packets, and times may be off by
// half a second, since machines that run tests are busy.
func TestPktLinux(t *testing.T) {
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	const shortestTimeout = 200 * time.Millisecond // TCP_RTO_MIN
	src, err := scenarios.PktSource("linux.profile")
	require.NoError(t, err)
	profile, err := packetdrill.ParseProfile("linux.profile", src)
	require.NoError(t, err)
	args := []string{"pkt", "--target=linux", "-j", "4", "--tolerance_usecs=500000", "--profile", "linux.profile"}
	n := 0
	for _, name := range scenarios.PktNames() {
		src, err := scenarios.PktSource(name)
		require.NoError(t, err)
		s, err := packetdrill.Parse(name, src, nil)
		require.NoError(t, err)
		if s.Length() <= shortestTimeout && profile.Expects(name, packetdrill.Pass, nil) == "" {
			args = append(args, name)
			n++
		}
	}
	require.Greater(t, n, 40)
	p := start(t, t.TempDir(), "fivetuple", args...)
	status := p.wait()
	require.Equal(t, 0, status, "%s%s", p.stdout(), p.stderr())
	require.Contains(t, p.stdout(), fmt.Sprintf("pkt: %d scripts, %d pass, 0 diverges, 0 unsupported, 0 dialect, 0 invalid, 0 unexpected\n", n, n))
}

// TestPktLinuxWoken: a call that waits returns before the next one is made, which
// would take from it what it waits for. Threads race for that: where the runner
// does not see to it, some of so many runs fail.
func TestPktLinuxWoken(t *testing.T) {
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	args := []string{"pkt", "--target=linux", "-j", "4", "--tolerance_usecs=500000"}
	for range 60 {
		args = append(args, "udp-so-error.pkt")
	}
	p := start(t, t.TempDir(), "fivetuple", args...)
	require.Equal(t, 0, p.wait(), "%s%s", p.stdout(), p.stderr())
	require.Contains(t, p.stdout(), "pkt: 60 scripts, 60 pass,")
}

// TestPktLinuxReports: --json, --junit and --tap say the same of the kernel.
func TestPktLinuxReports(t *testing.T) {
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	dir := t.TempDir()
	p := start(t, dir, "fivetuple", "pkt", "handshake-passive.pkt", "zero-window-probe.pkt", "--target=linux", "--tolerance_usecs=500000",
		"--profile", "linux.profile", "--json", "--junit=j.xml", "--tap=t.tap")
	require.Equal(t, 0, p.wait(), "%s%s", p.stdout(), p.stderr())
	require.Contains(t, p.stdout(), `"script":"zero-window-probe.pkt","verdict":"diverges","line":16,`)
	for file, want := range map[string]string{"j.xml": `tests="2" failures="0" errors="0" skipped="0"`, "t.tap": "\nnot ok 2 - zero-window-probe.pkt # " + "TO" + "DO Linux probes"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Contains(t, string(b), want)
	}
}

// TestPktCompare: a script that both pass, and one on which they differ: a
// window probe has data of netstack and none of Linux.
func TestPktCompare(t *testing.T) {
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	dir := t.TempDir()
	compare := func(args ...string) (string, int) {
		p := start(t, dir, "fivetuple", append([]string{"pkt", "--compare", "--tolerance_usecs=500000"}, args...)...)
		status := p.wait()
		require.Empty(t, p.stderr())
		return p.stdout(), status
	}
	out, status := compare("handshake-passive.pkt")
	require.Equal(t, 0, status, out)
	require.Regexp(t, `(?m)^  netstack pass +linux pass +handshake-passive.pkt$`, out)
	require.Regexp(t, `(?m)^ +0\.\d+ > S\. 0:0\(0\) ack 1 win \d+ <mss 1460> +0\.\d+ > S\. 0:0\(0\) ack 1 win \d+ <mss 1460>$`, out)

	out, status = compare("zero-window-probe.pkt", "handshake-passive.pkt")
	require.Equal(t, 1, status, out)
	require.Regexp(t, `(?m)^≠ netstack pass +linux diverges:16 +zero-window-probe.pkt  packet 6: .*payload: 1 against 0`, out)
	require.Regexp(t, `(?m)^compare: 2 scripts, 1 pass on both, 1 on netstack alone, 0 on Linux alone, 0 on neither; the packets of 1 differ$`, out)
	require.NotContains(t, out, " > S. ", "the packets of several scripts are shown with --verbose")

	// netstack sends a flight's last segment without PSH, if there is more to send.
	out, status = compare("window-full.pkt")
	require.Equal(t, 1, status, out)
	require.Regexp(t, `(?m)^≠ netstack pass +linux diverges:13 +window-full.pkt  packet 5: flags: \. against P\.`, out)
	out, status = compare("window-full.pkt", "--allow=psh")
	require.Equal(t, 0, status, out)
	require.NotContains(t, out, "flags:")

	out, _ = compare("zero-window-probe.pkt", "--json")
	require.Contains(t, out, `"first_difference":{"packet":6,"fields":[`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "none.pkt"), []byte("--psp_udp_port=1\n0 close(3) = 0\n"), 0o600))
	out, status = compare("none.pkt")
	require.Equal(t, 0, status, "they agree that it cannot be run")
	require.Regexp(t, `(?m)^  netstack unsupported:1 +linux unsupported:1 +none.pkt$`, out)
}
