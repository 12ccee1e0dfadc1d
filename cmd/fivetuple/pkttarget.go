package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"fivetuple/internal/pktlinux"
	"fivetuple/scenarios/packetdrill"
)

// What --target of `fivetuple pkt` may be.
const (
	onNetstack = "netstack"
	onLinux    = "linux"
)

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
