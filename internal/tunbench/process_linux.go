package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that the lab has started.
type process struct {
	name   string
	cmd    *exec.Cmd
	output tail
	ended  chan struct{} // closed when it has ended
	err    error         // how, after ended
}

// startProcess starts a program; it ends with the lab.
func startProcess(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.output
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// failure is why a process does not do what it should: the end of what it
// printed.
func (p *process) failure() error {
	text := strings.ReplaceAll(strings.TrimSpace(p.output.String()), "\n", "; ")
	if text == "" {
		text = "it printed nothing"
	}
	return errors.New(p.name + ": " + text)
}

// over reports whether a process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// pids are a process and those that it has started, as they are now.
func (p *process) pids() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if words := strings.Fields(rest); len(words) > 1 {
			parent, _ := strconv.Atoi(words[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// stop ends a process, at the latest after a second.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// cpu is the processor time that a process and its children have used.
func (p *process) cpu() (time.Duration, error) {
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, pid := range pids {
		var t unix.Timespec
		clock := int32(^pid<<3 | 2) // as clock_getcpuclockid(3) makes it
		err := unix.ClockGettime(clock, &t)
		if err != nil && pid != pids[0] {
			continue // a child that has just ended
		}
		if err != nil {
			return 0, fmt.Errorf("%s: processor time: %w", p.name, err)
		}
		total += t.Nano()
	}
	return time.Duration(total), nil
}

// memory is the resident memory of a process and its children, in bytes.
func (p *process) memory() (int, error) {
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	total := 0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil && pid != pids[0] {
			continue
		}
		if err != nil {
			return 0, err
		}
		var size, resident int
		if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
			return 0, fmt.Errorf("/proc/PID/statm: %q", b)
		}
		total += resident * os.Getpagesize()
	}
	return total, nil
}

// tail keeps the end of what a process prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-600):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
