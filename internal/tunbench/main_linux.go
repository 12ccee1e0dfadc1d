package main

import (
	"context"
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

// roleEnv tells a copy of this program what it is: lab, holder or mirror; without it it
// is the outer one.
const roleEnv = "FIVETUPLE_TUNBENCH_ROLE"

// options are the command line.
type options struct {
	binary, peers  string
	profile        string
	rounds, idle   int
	bulk, short    time.Duration
	limit          time.Duration
	variants, only string
	markdown       bool
}

func (o *options) define(f *flag.FlagSet) {
	f.StringVar(&o.binary, "fivetuple", "bin/fivetuple", "the `command` to measure")
	f.StringVar(&o.peers, "peers", "bin/peers", "`folder` into which the peers are built")
	f.StringVar(&o.profile, "pgo", "off", "`profile` that guides the compiler for the peers that are built with fivetuple's gVisor, as make pgo writes it; off: none")
	f.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	f.DurationVar(&o.bulk, "bulk", 700*time.Millisecond, "how long a bulk transfer takes")
	f.DurationVar(&o.short, "short", 400*time.Millisecond, "how long each other measurement takes")
	f.IntVar(&o.idle, "idle", 10000, "how many idle `connections`, as far as the limit of open files allows")
	f.DurationVar(&o.limit, "limit", 5*time.Minute+30*time.Second, "when no further measurement begins: the tables are of the rounds until then")
	f.StringVar(&o.variants, "variants", strings.Join(defaultVariants, ","), "what is measured; a gateway's `names` may end in -65520, its MTU")
	f.StringVar(&o.only, "only", strings.Join(measurementNames(), ","), "the `measurements`")
	f.BoolVar(&o.markdown, "markdown", false, "print the tables as docs/benchmarks.md has them")
}

func main() {
	var o options
	o.define(flag.CommandLine)
	flag.Parse()
	if err := o.start(); err != nil {
		fmt.Fprintln(os.Stderr, "tunbench:", err)
		os.Exit(1)
	}
}

func (o *options) start() error {
	switch os.Getenv(roleEnv) {
	case "lab":
		// A thread that waits in a system call keeps its processor of Go's until
		// the scheduler takes it away: let there be one for each.
		runtime.GOMAXPROCS(32)
		return o.measure()
	case "holder":
		return hold()
	case "mirror":
		return mirror(os.Args[1], os.Args[2])
	}
	if err := o.check(); err != nil {
		return err
	}
	return o.outer()
}

// check refuses what the lab would only find later.
func (o *options) check() error {
	if o.rounds < 1 || o.idle < 1 || o.bulk <= 0 || o.short <= 0 || o.limit <= 0 {
		return fmt.Errorf("-rounds, -idle, -bulk, -short and -limit are each more than 0")
	}
	for name := range strings.SplitSeq(o.only, ",") {
		if !contains(strings.Join(measurementNames(), ","), name) {
			return fmt.Errorf("-only %s: there are %s", name, strings.Join(measurementNames(), ", "))
		}
	}
	for name := range strings.SplitSeq(o.variants, ",") {
		if _, err := parseVariant(name); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces and TUN devices need root: run it with sudo")
	}
	return nil
}

// contains reports whether a list with commas has a name.
func contains(list, name string) bool {
	for n := range strings.SplitSeq(list, ",") {
		if n == name {
			return true
		}
	}
	return false
}

// outer gets the peers that were asked for, prints what is measured with, and
// runs the lab with those that there are.
func (o *options) outer() error {
	runtime.LockOSThread() // what is started is killed when the thread that started it ends
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	have := o.prepare(ctx, os.Stdout)
	if len(have) == 0 {
		return fmt.Errorf("none of %s can be had: nothing to measure", o.variants)
	}
	cmd := again("lab", unix.CLONE_NEWNET|unix.CLONE_NEWPID|unix.CLONE_NEWNS)
	cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1") // its signals interrupt system calls
	cmd.Args = append(append(cmd.Args, os.Args[1:]...), "-variants="+strings.Join(have, ","))
	cmd.Stdout = os.Stdout
	return cmd.Run()
}

// again is this program in namespaces of its own; it is killed with us.
func again(role string, namespaces uintptr) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(environment(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// environment is ours without what is meant for the lab alone.
func environment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GODEBUG=") && !strings.HasPrefix(v, roleEnv+"=") {
			out = append(out, v)
		}
	}
	return out
}
