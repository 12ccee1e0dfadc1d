package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// roleEnv tells a copy of this program what it is.
const roleEnv = "FIVETUPLE_TUNBENCH_ROLE"

type options struct {
	binary   string
	rounds   int
	bulk     time.Duration
	short    time.Duration
	variants string
	only     string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "fivetuple", "bin/fivetuple", "the command to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flag.DurationVar(&o.bulk, "bulk", time.Second, "how long a bulk transfer takes")
	flag.DurationVar(&o.short, "short", 500*time.Millisecond, "how long each other measurement takes")
	flag.StringVar(&o.variants, "variants", "veth,offload,raw,water", "what is measured; also gateway, slirp4netns: the way out of a namespace")
	flag.StringVar(&o.only, "only", "in,out,rtt,conn1,conn8,http", "the measurements")
	flag.Parse()
	if err := start(&o); err != nil {
		fmt.Fprintln(os.Stderr, "tunbench:", err)
		os.Exit(1)
	}
}

func start(o *options) error {
	switch os.Getenv(roleEnv) {
	case "":
		cmd := again("lab")
		cmd.Args = append(cmd.Args, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout = nil, os.Stdout
		return cmd.Run()
	case "lab":
		// A thread that waits in a system call keeps its processor of Go's until
		// the scheduler takes it away: let there be one for each.
		runtime.GOMAXPROCS(16)
		return o.measure()
	}
	if words := strings.Fields(os.Getenv(roleEnv)); words[0] == "gateway" {
		return serveGateway(words[1], words[2:])
	}
	return serveVeth()
}

// again is this program in a network namespace of its own, which ends with it.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "GODEBUG=asyncpreemptoff=1") // its signals interrupt system calls
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// measure runs all rounds and prints what came out.
func (o *options) measure() error {
	if err := useReno(); err != nil {
		return err
	}
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for n, name := range strings.Split(o.variants, ",") {
		s, err := o.launch(name, n)
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintf(os.Stderr, "tunbench: %s is missing: it is not installed\n", name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		servers = append(servers, s)
	}
	for round := range o.rounds {
		for i := range servers {
			s := servers[(round+i)%len(servers)] // nobody is always first
			if err := o.round(s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	report(os.Stdout, servers)
	return nil
}

// useReno makes reno the congestion control of this namespace: the machine's
// may pace its sending.
func useReno() error {
	return os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0)
}

// round measures one server once.
func (o *options) round(s *server) error {
	for _, m := range []struct {
		name string
		run  func() error
	}{
		{"in", func() error { return s.bulk("in", 9, send, o.bulk) }},
		{"out", func() error { return s.bulk("out", 19, receive, o.bulk) }},
		{"rtt", func() error { return s.roundTrips(o.short) }},
		{"conn1", func() error { return s.connections("conn1", 1, o.short) }},
		{"conn8", func() error { return s.connections("conn8", 8, o.short) }},
		{"http", func() error { return s.requests(8, o.short) }},
	} {
		if !strings.Contains(o.only, m.name) {
			continue
		}
		if err := m.run(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}
