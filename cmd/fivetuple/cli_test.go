package main

import (
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the expected files in testdata/*.txtar")

// TestMain lets `fivetuple` in scripts, and in the live tests, be the main of
// the test binary itself.
func TestMain(m *testing.M) {
	testscript.Main(apart{m}, map[string]func(){"fivetuple": main})
}

// apart runs the tests with a folder of their own for control sockets: the sessions of
// this user that are up beside them are somebody's.
type apart struct{ m *testing.M }

func (a apart) Run() int {
	dir, err := os.MkdirTemp("", "fivetuple-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv("XDG_RUNTIME_DIR", dir)
	}
	if err != nil {
		panic(err)
	}
	return a.m.Run()
}

// TestScripts runs the command line as its users do: testdata/*.txtar. Each
// phase of a script begins with a comment that says what it proves.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": statusCmd},
	})
}

// condition is what a script can ask for in brackets: [dev-full].
func condition(name string) (bool, error) {
	if name != "dev-full" {
		return false, os.ErrInvalid
	}
	_, err := os.Stat("/dev/full")
	return err == nil, nil
}

// statusCmd is `status N COMMAND ARGUMENTS...`: exec that demands an exit
// status, and keeps the output for stdout, stderr and cmp.
func statusCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [arguments...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(*exec.ExitError); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	ts.Logf("[exit status %d]", got)
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// flood is a scenario that could run for years, at 1,000 packets a second.
const flood = `"""It never ends."""
a, b = host("a", "10.0.0.1/24"), host("b", "10.0.0.2/24")
link(a, b, delay = "1ms")
def send(p):
    s = p.socket(AF_INET, SOCK_DGRAM)
    print("ready")
    while True:
        p.sendto(s, "x" * 100, ("10.0.0.2", 9))
        p.sleep("1ms")
a.spawn("flood", send)
run()
`

// busy is a scenario that computes instead of blocking.
const busy = `"""It never blocks."""
a = host("a", "10.0.0.1/24")
def compute(p):
    print("ready")
    while True:
        pass
a.spawn("busy", compute)
run()
`

// TestInterrupt sends a signal to a run in the middle: it ends at once, says
// where, and its captures hold what had happened until then.
func TestInterrupt(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		sig          syscall.Signal
		status       int
		message      string
	}{
		{"SIGINT", flood, syscall.SIGINT, 130, `s\.star:11: interrupted by SIGINT`},
		{"SIGTERM", flood, syscall.SIGTERM, 143, `s\.star:11: interrupted by SIGTERM`},
		{"computing", busy, syscall.SIGINT, 130, `s\.star:\d: busy on a: interrupted by SIGINT`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "s.star", tt.script)
			p := start(t, dir, "fivetuple", "run", "s.star", "-q", "--max-events", "1000000000",
				"--pcap", "s.pcapng", "--jsonl", "s.jsonl", "--ladder", "s.txt")
			p.await("ready")
			require.NoError(t, p.cmd.Process.Signal(tt.sig))
			require.Equal(t, tt.status, p.wait())
			require.Regexp(t, "^fivetuple: "+tt.message+"\n$", p.stderr())
			requireValid(t, dir)
		})
	}
}

// TestInterruptedTest stops at the scenario that was running.
func TestInterruptedTest(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "s.star", strings.Replace(flood, "    print", `    expect(False, "to be shown") if p.now() > duration("1h") else None`+"\n    print", 1))
	p := start(t, dir, "fivetuple", "test", "--max-events", "1000000000", "handshake", "s.star")
	p.awaitOutput("ok    handshake")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, 130, p.wait())
	require.Equal(t, "fivetuple: s.star: interrupted by SIGINT\n", p.stderr())
	require.NotContains(t, p.stdout(), "passed")
}
