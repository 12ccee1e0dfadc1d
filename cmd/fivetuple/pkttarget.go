package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"fivetuple/internal/pktlinux"
	"fivetuple/scenarios/packetdrill"

	"github.com/spf13/cobra"
)

// What --target of `fivetuple pkt` may be.
const (
	onNetstack = "netstack"
	onLinux    = "linux"
)

// checkTarget refuses what does not go together, and what cannot be done here.
func (o *pktOptions) checkTarget(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	switch {
	case o.target != onNetstack && o.target != onLinux:
		return usagef("--target %s: need netstack or linux", o.target)
	case o.compareBoth && given("target"):
		return usagef("--compare runs scripts on both targets: leave --target out")
	case o.compareBoth && (o.profile != "" || o.pcap != "" || o.dryRun):
		return usagef("--compare compares verdicts and packets with each other: leave --profile, --pcap and --dry_run out")
	case o.compareBoth && (o.reports.junit != "" || o.reports.tap != ""):
		return usagef("--compare has no JUnit or TAP: use --json, or --target=linux with --junit or --tap")
	case o.allowShell && o.target != onLinux && !o.compareBoth:
		return usagef("--allow-shell is for --target=linux: on netstack, commands are mapped to its settings")
	case o.target == onLinux && (o.pcap != "" || given("seed")):
		return usagef("--pcap and --seed are for netstack: leave them out with --target=linux")
	case o.dryRun || o.target != onLinux && !o.compareBoth:
		return nil
	}
	if err := pktlinux.Check(); err != nil {
		flag := "--target=linux"
		if o.compareBoth {
			flag = "--compare"
		}
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// targetText names the target, for a profile.
func (o *pktOptions) targetText() string {
	if o.target == onLinux {
		return "Linux " + pktlinux.Release()
	}
	return "netstack " + netstackVersion()
}

// schedule is how many scripts run at a time. In real time they disturb each
// other, so it is one unless the command line says otherwise; but the threads of
// one must never wait for a processor of the runtime's.
func (o *pktOptions) schedule(scripts int) int {
	jobs := o.jobs
	if jobs == 0 {
		jobs = runtime.NumCPU()
		if o.target == onLinux {
			jobs = 1
		}
	}
	jobs = max(1, min(jobs, scripts))
	const threads, maxMemory = 8, 1 << 30
	switch {
	case os.Getenv("GOMAXPROCS") != "":
	case o.target == onLinux:
		runtime.GOMAXPROCS(threads * jobs)
		debug.SetGCPercent(-1) // a collection stops all threads
		debug.SetMemoryLimit(maxMemory)
	default:
		runtime.GOMAXPROCS(jobs)
	}
	return jobs
}

// runOn runs a script against the target.
func (o *pktOptions) runOn(ctx context.Context, s *packetdrill.Script, cfg packetdrill.Config) (*packetdrill.Result, error) {
	if o.target == onLinux {
		return pktlinux.Run(ctx, s, cfg, pktlinux.Config{AllowShell: o.allowShell, Dir: filepath.Dir(s.File)})
	}
	return packetdrill.Run(ctx, s, cfg), nil
}
