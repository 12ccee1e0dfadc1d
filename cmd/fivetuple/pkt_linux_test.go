package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// leftOut are the built-in scripts that TestPktLinux does not run, and why.
var leftOut = map[string]string{
	"unacceptable-ack.pkt": "older kernels do not answer an ACK of what was never sent",
	"keepalive.pkt":        "it takes half a minute",
}

// TestPktLinux: the built-in scripts do on the kernel what linux.profile says.
// The claim is about calls and packets, so times may be off by half a second:
// machines that run tests are busy. The namespaces are the command's own.
func TestPktLinux(t *testing.T) {
	requireCapabilities(t, []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN})
	const corpus = "../../scenarios/corpus/pkt"
	files, err := filepath.Glob(corpus + "/*.pkt")
	require.NoError(t, err)
	args := []string{"pkt", "--target=linux", "-j", "4", "--tolerance_usecs=500000", "--profile", "linux.profile"}
	for _, f := range files {
		if name := filepath.Base(f); leftOut[name] == "" {
			args = append(args, name)
		}
	}
	dir, err := filepath.Abs(corpus)
	require.NoError(t, err)
	p := start(t, dir, "fivetuple", args...)
	status := p.wait()
	require.Equal(t, 0, status, "%s%s", p.stdout(), p.stderr())
	require.Regexp(t, `pkt: 26 scripts, 25 pass, 1 diverges, 0 unsupported, 0 dialect, 0 invalid, 0 unexpected\n$`, p.stdout())
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

	out, _ = compare("zero-window-probe.pkt", "--json")
	require.Contains(t, out, `"first_difference":{"packet":6,"fields":[`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "none.pkt"), []byte("--psp_udp_port=1\n0 close(3) = 0\n"), 0o600))
	out, status = compare("none.pkt")
	require.Equal(t, 0, status, "they agree that it cannot be run")
	require.Regexp(t, `(?m)^  netstack unsupported:1 +linux unsupported:1 +none.pkt$`, out)
}
