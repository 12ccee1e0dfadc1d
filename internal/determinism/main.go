// Command determinism checks that every built-in scenario gives the same
// bytes on one core and on eight. It runs bin/fivetuple, so build that first;
// `make determinism` does both.
//
// Arguments are scenario names; without any, it takes all that `list` shows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// outputs are the files that a run writes and that must be equal.
var outputs = []struct{ flag, name string }{
	{"--pcap", "trace.pcapng"},
	{"--jsonl", "trace.jsonl"},
	{"--ladder", "ladder.txt"},
}

// procs are the values of GOMAXPROCS whose runs are compared: one at a time,
// and more goroutines at once than most machines would give unasked.
var procs = []string{"1", "8"}

type checker struct {
	bin     string
	seed    string
	timeout time.Duration
	dir     string // temporary, one folder per scenario and run
}

func main() {
	var c checker
	flag.StringVar(&c.bin, "bin", "bin/fivetuple", "the binary to run")
	flag.StringVar(&c.seed, "seed", "7", "the seed of every run")
	flag.DurationVar(&c.timeout, "timeout", time.Minute, "the longest that one run may take")
	flag.Parse()
	if err := c.check(flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "determinism: %v\n", err)
		os.Exit(1)
	}
}

// check runs and compares the named scenarios. The summary is its last line
// of output; an error is what kept it from getting there, or the verdict.
func (c *checker) check(names []string) (err error) {
	// Runs have a folder of their own, so the binary needs an absolute path.
	if c.bin, err = filepath.Abs(c.bin); err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = c.list(); err != nil {
			return err
		}
	}
	if c.dir, err = os.MkdirTemp("", "determinism"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	differ := 0
	for _, name := range names {
		if problems := c.scenario(name); len(problems) > 0 {
			differ++
			fmt.Printf("%s:\n  %s\n", name, strings.Join(problems, "\n  "))
		}
	}
	fmt.Printf("determinism: %d scenarios, %d differ\n", len(names), differ)
	switch {
	case differ > 0:
		return errors.New("the same seed must give the same bytes: see docs/determinism.md")
	case len(names) == 0:
		return fmt.Errorf("%s list shows no scenario", c.bin)
	}
	return nil
}

// list returns the names of the built-in scenarios: the first word of each line.
func (c *checker) list() ([]string, error) {
	out, err := c.exec(".", "", "list")
	if err != nil {
		return nil, fmt.Errorf("list: %w\n%s", err, out)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 {
			names = append(names, words[0])
		}
	}
	return names, nil
}

// scenario runs one scenario once for each of procs and returns what differs
// from the first run. A run that fails cannot be compared, which is a problem.
func (c *checker) scenario(name string) []string {
	dirs := make([]string, len(procs))
	for i, p := range procs {
		dirs[i] = filepath.Join(c.dir, name, p)
		if err := c.run(name, dirs[i], p); err != nil {
			return []string{fmt.Sprintf("GOMAXPROCS=%s: %v", p, err)}
		}
	}
	var problems []string
	for _, o := range outputs {
		for i := 1; i < len(dirs); i++ {
			diff, err := compareFiles(filepath.Join(dirs[0], o.name), filepath.Join(dirs[i], o.name))
			if err != nil {
				diff = err.Error()
			}
			if diff != "" {
				problems = append(problems, fmt.Sprintf("%s, GOMAXPROCS=%s and %s: %s", o.name, procs[0], procs[i], diff))
			}
		}
	}
	return problems
}

// run runs a scenario in dir. The command line is the same for every run, in
// case an output quotes it.
func (c *checker) run(name, dir, procs string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"run", name, "--seed", c.seed}
	for _, o := range outputs {
		args = append(args, o.flag, o.name)
	}
	if out, err := c.exec(dir, procs, args...); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// exec runs the binary and returns all that it prints.
func (c *checker) exec(dir, procs string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.bin, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // for pipes that a grandchild might hold open
	if procs != "" {
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs)
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("took longer than %v", c.timeout)
	}
	return out, err
}
