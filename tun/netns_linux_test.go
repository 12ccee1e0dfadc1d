package tun_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// childEnv marks a test process that runs in a network namespace of its own.
const childEnv = "FIVETUPLE_TUN_TEST_CHILD"

// childBound is when a child is taken to hang: it then ends by itself and shows its goroutines.
const childBound = "3m"

// inNamespace runs the calling top-level test in a new network namespace, so that no test touches the
// machine's own interfaces. It starts the test binary again for that test alone: there it returns true and
// the test does its work; here it reports the outcome and returns false, and the test returns.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		parent, self := netnsOf(t, strconv.Itoa(os.Getppid())), netnsOf(t, "self")
		require.NotEqual(t, parent, self, "refusing to touch the network namespace of the machine")
		return true
	}
	requireCapabilities(t)
	t.Parallel() // each child is alone in its namespace
	exe, err := os.Executable()
	require.NoError(t, err)
	args := []string{"-test.v", "-test.run=^" + t.Name() + "$", "-test.timeout=" + childBound}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "in its own network namespace:\n%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "the test must have run, not been skipped")
	return false
}

func netnsOf(t *testing.T, pid string) string {
	t.Helper()
	ns, err := os.Readlink("/proc/" + pid + "/ns/net")
	require.NoError(t, err)
	return ns
}

// requireCapabilities skips the test where it cannot run, except in CI, where that is a failure.
func requireCapabilities(t *testing.T) {
	t.Helper()
	missing := ""
	switch device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); {
	case !hasCapability(t, unix.CAP_SYS_ADMIN):
		missing = "CAP_SYS_ADMIN, to make a network namespace (run as root)"
	case !hasCapability(t, unix.CAP_NET_ADMIN):
		missing = "CAP_NET_ADMIN, to make a TUN device (run as root)"
	case err != nil:
		missing = fmt.Sprintf("a usable /dev/net/tun (%v)", err)
	default:
		require.NoError(t, device.Close())
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s, and must run in CI", missing)
	}
	t.Skipf("this test needs %s", missing)
}

// capabilities returns the capability sets of the calling thread, 64 bits in two elements.
func capabilities(t *testing.T) [2]unix.CapUserData {
	t.Helper()
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	require.NoError(t, unix.Capget(&header, &data[0]))
	return data
}

func hasCapability(t *testing.T, capability int) bool {
	t.Helper()
	return capabilities(t)[capability/32].Effective&(1<<(capability%32)) != 0
}

// withoutNetAdmin calls f on a thread that lacks CAP_NET_ADMIN and that ends with the call.
func withoutNetAdmin(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	data := capabilities(t)
	data[unix.CAP_NET_ADMIN/32].Effective &^= 1 << (unix.CAP_NET_ADMIN % 32)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		err := unix.Capset(&header, &data[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	require.NoError(t, <-done)
}
