package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// session is a running `fivetuple up`.
type session struct {
	s     *soak
	cmd   *exec.Cmd
	name  string // of its device and its control socket
	addr  netip.Addr
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer // its standard error
}

// up starts a session on 10.77.n.0/24, and waits until it answers.
func (s *soak) up(n int, args ...string) (*session, error) {
	v := &session{s: s, name: fmt.Sprintf("ft%d", n), addr: netip.AddrFrom4([4]byte{10, 77, byte(n), 2}), ended: make(chan struct{})}
	v.cmd = exec.Command(s.bin, append([]string{"up", "-q", "--tun", v.name, "--control", s.dir + "/" + v.name + ".sock",
		"--addr", v.addr.String() + "/24", "--host-addr", fmt.Sprintf("10.77.%d.1/24", n), "--congestion", "reno"}, args...)...)
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	complaints, err := v.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(v.ended)
		lines := bufio.NewScanner(complaints)
		for lines.Scan() {
			v.mu.Lock()
			fmt.Fprintln(&v.log, lines.Text())
			v.mu.Unlock()
			if strings.HasPrefix(lines.Text(), "up: ") {
				ready <- true
			}
		}
	}()
	select {
	case <-ready:
		return v, nil
	case <-v.ended:
		return nil, fmt.Errorf("%s did not come up: %s", v.name, v.said())
	}
}

// said is what the session has written on standard error.
func (v *session) said() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.log.String()
}

// summary is what the session says of its traffic at its end.
func (v *session) summary() string {
	for line := range strings.Lines(v.said()) {
		if strings.HasPrefix(line, v.name+": ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// control is the name of its control socket.
func (v *session) control() string { return "@" + v.s.dir + "/" + v.name + ".sock" }

// stop ends the session as Ctrl-C does.
func (v *session) stop() error {
	if err := v.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	<-v.ended
	return v.cmd.Wait()
}

// rss is the session's resident memory in bytes.
func (v *session) rss() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", v.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(b))
	if len(words) < 2 {
		return 0, fmt.Errorf("/proc/PID/statm: %q", b)
	}
	pages, err := strconv.Atoi(words[1])
	return pages * os.Getpagesize(), err
}

// command runs the tested command, and returns what it wrote.
func (s *soak) command(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, s.bin, args...)
}

// tool runs a program to its end.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(complaints.String()+lastLine(out)))
	}
	return string(out), err
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// patience is when an answer that does not come is a failure.
const patience = time.Minute

// dial connects to one of the session's ports.
func (v *session) dial(port int) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", netip.AddrPortFrom(v.addr, uint16(port)).String(), patience)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

// ends stops a session, which has to end well.
func (s *soak) ends(name string, v *session) {
	err := v.stop() // the summary comes then
	s.claim(name+" ends", err, "%s", v.summary())
}
