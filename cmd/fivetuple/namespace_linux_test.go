package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// childEnv marks a test process that runs in namespaces of its own.
const childEnv = "FIVETUPLE_CMD_TEST_CHILD"

// childBound is when a child is taken to hang: it then ends by itself and shows
// its goroutines. The longest test takes some twenty seconds on a slow machine.
const childBound = "5m"

// namespaceFiles are the entries of /proc/PID/ns that clone flags renew.
var namespaceFiles = map[uintptr]string{unix.CLONE_NEWNET: "net", unix.CLONE_NEWNS: "mnt"}

// inNamespaces runs the calling top-level test in new namespaces, so that no
// test touches the machine's own interfaces or mounts. It starts the test
// binary again for that test alone: there it returns true and the test does its
// work; here it reports the outcome and returns false, and the test returns.
func inNamespaces(t *testing.T, flags uintptr, capabilities ...int) bool {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		for one, kind := range namespaceFiles {
			if flags&one != 0 {
				require.NotEqual(t, namespaceOf(t, strconv.Itoa(os.Getppid()), kind), namespaceOf(t, "self", kind),
					"refusing to touch the namespace of the machine")
			}
		}
		return true
	}
	requireCapabilities(t, capabilities)
	t.Parallel() // each child is alone in its namespace
	exe, err := os.Executable()
	require.NoError(t, err)
	args := []string{"-test.v", "-test.run=^" + t.Name() + "$", "-test.timeout=" + childBound}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "in its own namespace:\n%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "the test must have run, not been skipped:\n%s", out)
	return false
}

func namespaceOf(t *testing.T, pid, kind string) string {
	t.Helper()
	ns, err := os.Readlink("/proc/" + pid + "/ns/" + kind)
	require.NoError(t, err)
	return ns
}

// capabilityNames are those that tests here need.
var capabilityNames = map[int]string{
	unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN, to make a namespace (run as root)",
	unix.CAP_NET_ADMIN: "CAP_NET_ADMIN, to make a TUN device (run as root)",
}

// requireCapabilities skips the test where it cannot run, except in CI, where
// that is a failure. CAP_NET_ADMIN stands for a usable /dev/net/tun as well.
func requireCapabilities(t *testing.T, capabilities []int) {
	t.Helper()
	missing := ""
	for _, c := range capabilities {
		if !hasCapability(t, c) {
			missing = capabilityNames[c]
			break
		}
		if c == unix.CAP_NET_ADMIN {
			device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
			if err != nil {
				missing = "a usable /dev/net/tun (" + err.Error() + ")"
				break
			}
			require.NoError(t, device.Close())
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs %s, and must run in CI", missing)
	default:
		t.Skipf("this test needs %s", missing)
	}
}

func hasCapability(t *testing.T, capability int) bool {
	t.Helper()
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	require.NoError(t, unix.Capget(&header, &data[0]))
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
