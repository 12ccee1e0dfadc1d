package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is a command that runs while a test looks at what it prints.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *lines
}

// start starts a command; the test's end kills it if it still runs.
func start(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	return startCmd(t, cmd)
}

func startCmd(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &process{t: t, cmd: cmd, out: readLines(stdout), err: readLines(stderr)}
}

// await waits until a line of standard error contains text, without a time
// limit but that of the test: it fails if the command ends before.
func (p *process) await(text string) { p.awaitIn(p.err, text) }

// awaitOutput is await for standard output.
func (p *process) awaitOutput(text string) { p.awaitIn(p.out, text) }

func (p *process) awaitIn(l *lines, text string) {
	p.t.Helper()
	if !l.await(text) {
		p.t.Fatalf("%s ended without %q\nstdout: %s\nstderr: %s", p.cmd, text, p.out.text(), p.err.text())
	}
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	<-p.out.done
	<-p.err.done
	err := p.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(p.t, err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) stdout() string { return p.out.text() }

// stderr leaves out what scenarios print to say that they are ready.
func (p *process) stderr() string { return strings.TrimPrefix(p.err.text(), "ready\n") }

// lines collects what is read from a pipe, line by line.
type lines struct {
	done chan struct{} // closed at the end
	mu   sync.Mutex
	more *sync.Cond
	all  strings.Builder
	end  bool
}

func readLines(r io.Reader) *lines {
	l := &lines{done: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	go func() {
		in := bufio.NewReader(r)
		for {
			s, err := in.ReadString('\n')
			l.mu.Lock()
			l.all.WriteString(s)
			l.end = err != nil
			l.more.Broadcast()
			l.mu.Unlock()
			if err != nil {
				close(l.done)
				return
			}
		}
	}()
	return l
}

func (l *lines) await(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.all.String(), text) && !l.end {
		l.more.Wait()
	}
	return strings.Contains(l.all.String(), text)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(b)
}

// requireValid reads the files of a run that was called s: all JSON is whole,
// and tshark finds nothing wrong with the capture.
func requireValid(t *testing.T, dir string) {
	t.Helper()
	requireJSON(t, filepath.Join(dir, "s.jsonl"))
	require.NotEmpty(t, read(t, dir, "s.txt"))
	tshark(t, filepath.Join(dir, "s.pcapng"))
}

// requireJSON reads events back: each line is an object, and the last is whole.
func requireJSON(t *testing.T, path string) {
	t.Helper()
	events, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(events), "\n"), "the last line is whole")
	for line := range strings.Lines(string(events)) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

// tshark reads a capture and fails if it complains.
func tshark(t *testing.T, file string, args ...string) string {
	t.Helper()
	requireTool(t, "tshark")
	cmd := exec.CommandContext(t.Context(), "tshark", append([]string{"-n", "-r", file}, args...)...)
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	require.NoError(t, cmd.Run(), complaints.String())
	for line := range strings.Lines(complaints.String()) {
		require.Contains(t, line, "Running as user", "tshark warns about %s", file)
	}
	return out.String()
}

// requireTool skips the test without the tool, except in CI, which must have it.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s in PATH, and must run in CI (make deps installs it)", name)
	}
	t.Skipf("this test needs %s in PATH (make deps installs it)", name)
}
