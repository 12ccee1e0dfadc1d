package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mainEnv makes the test binary be the command, in all its roles.
const mainEnv = "FIVETUPLE_TUNBENCH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// command is tunbench on the kernel alone, which needs nothing that was built.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root, to make network namespaces, and must run in CI")
		}
		t.Skip("this test needs root, to make network namespaces")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{"-variants=veth"}, args...)...)
	cmd.Env = append(os.Environ(), mainEnv+"=1")
	return cmd
}

// Every measurement is made, and is in the tables with a number that is more than 0.
func TestMeasurements(t *testing.T) {
	cmd := command(t, "-rounds=1", "-bulk=20ms", "-short=20ms", "-idle=500", "-markdown")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	var rows []string
	for line := range strings.Lines(string(out)) {
		if cells, ok := strings.CutPrefix(strings.TrimSpace(line), "| veth | "); ok {
			rows = append(rows, strings.Split(strings.TrimSuffix(cells, " |"), " | ")...)
		}
	}
	require.Len(t, rows, 8+8+3, "bulk, round trips and connections, idle:\n%s", out)
	for _, cell := range rows {
		require.NotContains(t, []string{"-", "0", "NaN", "+Inf"}, cell, "%s", out)
	}
	require.Contains(t, string(out), "| veth | ")
	require.NotContains(t, string(out), "not measured")
}

// A run that is killed takes all its processes with it, and so its namespaces:
// each has ended by the time that its pidfd is readable.
func TestKilled(t *testing.T) {
	cmd := command(t, "-rounds=1000", "-limit=1m", "-only=in", "-bulk=50ms")
	complaints, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var heard bytes.Buffer
	for lines := bufio.NewScanner(complaints); lines.Scan() && lines.Text() != "round 2 of 1000"; {
		heard.WriteString(lines.Text() + "\n")
	}
	pids, err := (&process{cmd: cmd}).pids()
	require.NoError(t, err)
	require.Len(t, pids, 3, "outer, lab, and veth's holder:\n%s", &heard)
	var ends []unix.PollFd
	for _, pid := range pids[1:] {
		fd, err := unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		ends = append(ends, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for i := range ends {
		n, err := unix.Poll(ends[i:i+1], 20_000)
		for err == unix.EINTR {
			n, err = unix.Poll(ends[i:i+1], 20_000)
		}
		require.NoError(t, err)
		require.Equal(t, 1, n, "process %d is still there", pids[i+1])
	}
}
