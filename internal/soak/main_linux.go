package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// insideEnv tells a copy of this program that it is in the namespaces.
const insideEnv = "FIVETUPLE_SOAK_INSIDE"

// soak is one run of this program.
type soak struct {
	bin      string        // the command that is tested
	duration time.Duration // of the load
	record   time.Duration // of the load that is recorded
	idle     int           // idle connections
	conns    int           // short connections
	dir      string        // a tmpfs of this run's
	failed   int
}

func main() {
	var s soak
	var only string
	flag.StringVar(&s.bin, "fivetuple", "bin/fivetuple", "the command to test")
	flag.DurationVar(&s.duration, "for", 10*time.Minute, "how long the load lasts")
	flag.DurationVar(&s.record, "record", 20*time.Second, "how long the recorded load lasts")
	flag.IntVar(&s.idle, "idle", 19_000, "how many idle connections are held")
	flag.IntVar(&s.conns, "conns", 1_000_000, "how many short connections are made")
	flag.StringVar(&only, "only", "load,incidents,idle,conns,record", "the parts to run")
	flag.Parse()
	if err := s.run(strings.Split(only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// run runs the parts in namespaces of their own.
func (s *soak) run(only []string) error {
	if os.Getenv(insideEnv) == "" {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Env = append(os.Environ(), insideEnv+"=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		return cmd.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := s.setUp(); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"load", s.load}, {"incidents", s.incidents}, {"idle", s.hold}, {"conns", s.churn}, {"record", s.replay},
	} {
		if !slices.Contains(only, part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if s.failed > 0 {
		return fmt.Errorf("%d claims failed", s.failed)
	}
	return nil
}

// setUp makes a place for files that goes with the mount namespace.
func (s *soak) setUp() error {
	var err error
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "soak"); err != nil {
		return err
	}
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.Chmod(s.dir, 0o755), // for the users to whom a session drops
		unix.Mount("soak", s.dir, "tmpfs", 0, "size=6g,mode=1777"),
		os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0), // the machine's may pace
	)
}

// claim prints one line. A nil error is a claim that held.
func (s *soak) claim(name string, err error, format string, args ...any) {
	verdict := "ok  "
	if err != nil {
		verdict = "FAIL"
		s.failed++
	}
	line := fmt.Sprintf("%s %s: %s", verdict, name, fmt.Sprintf(format, args...))
	if err != nil {
		line += ": " + err.Error()
	}
	fmt.Println(line)
}
