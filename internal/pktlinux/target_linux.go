package pktlinux

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// Run runs a script in a network namespace of its own, which is gone when it
// returns. cfg.Target is set by it. What goes wrong is in the result; the error
// says that this process may not make the namespace or the device, or cannot,
// with the remedy.
func Run(ctx context.Context, s *packetdrill.Script, cfg packetdrill.Config, how Config) (*packetdrill.Result, error) {
	if how.Bound == 0 {
		how.Bound = time.Minute + s.Length()
	}
	begun := time.Now()
	for try := 1; ; try++ {
		res, stalled, err := runOnce(ctx, s, cfg, how)
		if err != nil || res.Verdict != packetdrill.Diverges || stalled == 0 && !res.Problem.Late {
			return res, err
		}
		if try == tries || time.Since(begun) > patience {
			res.Notes = append(res.Notes, fmt.Sprintf("run %s: this machine did not keep up with the script (by %s the last time), and may be to blame",
				map[bool]string{true: "once", false: fmt.Sprintf("%d times", try)}[try == 1], stalled.Round(time.Millisecond)))
			return res, nil
		}
	}
}

// A script that differs while the machine does not keep up is run so often, and
// not again after so long: the processors may be lent to others.
const (
	tries    = 4
	patience = time.Minute
)

// runOnce runs a script. It says how long the machine stopped at most, if that
// can be seen in the packets' times.
func runOnce(ctx context.Context, s *packetdrill.Script, cfg packetdrill.Config, how Config) (*packetdrill.Result, time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, how.Bound, fmt.Errorf("the script takes longer than %s", how.Bound))
	defer cancel()
	t := &Target{how: how}
	done := make(chan error, 1)
	var res *packetdrill.Result
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and the namespace with it
		err := t.enter()
		if err == nil {
			cfg.Target = t
			res = packetdrill.Run(ctx, s, cfg)
			err = t.failed
		}
		t.close()
		done <- err
	}()
	err := <-done
	return res, t.stalled, err
}

// stall notes by how much a wait was too long, if that is much.
func (t *Target) stall(d time.Duration) {
	const much = 2 * time.Millisecond
	if t.started && d > much {
		t.stalled = max(t.stalled, d)
	}
}

// Check makes what a script needs, a namespace with a device, and removes it.
// The error has the remedy.
func Check() error {
	var s packetdrill.Settings
	s.LocalIP, s.RemoteIP, s.MTU = netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.0.2.1"), 1500
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and the namespace with it
		t := &Target{}
		err := t.enter()
		if err == nil {
			err = t.openDevice(&s)
		}
		t.close()
		done <- err
	}()
	return <-done
}

// Release is the kernel's version: uname -r.
func Release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of an unknown version"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Target is one run's kernel.
type Target struct {
	how    Config
	ctx    context.Context
	set    *packetdrill.Settings
	sent   func(packetdrill.Sent)
	failed error // to make the device: what no script is to blame for

	device
	threads
	sockets sockets
	ran     *packetdrill.Command // by a shell, the last
	lines   []string             // what the last command of a pipeline has written
	cc      string               // the congestion control of new sockets, if the namespace may not have it as its own
	counts  map[string]uint64    // nstat's last

	stalled time.Duration // the machine, at most
	started bool
	zero    time.Time // with the monotonic clock, and the wall's
}

// Open makes the device. Lengthy set-up comes here, before time 0.
func (t *Target) Open(ctx context.Context, set *packetdrill.Settings, sent func(packetdrill.Sent)) error {
	t.ctx, t.set, t.sent = ctx, set, sent
	t.sockets.t = t
	if t.failed = t.openDevice(set); t.failed != nil {
		return t.failed
	}
	// Unless the script says otherwise, whatever this machine prefers: bbr paces.
	_, _ = t.congestion("net/ipv4/tcp_congestion_control", "cubic") // a kernel without it keeps its own
	const atFirst = 2                                               // one that waits, and one beside it
	for range atFirst {
		t.idle().busy = true
	}
	for _, th := range t.all {
		th.busy = false
	}
	t.Do(func(s packetdrill.Sockets) { // the first call of a run is slow
		if fd, err := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err == nil {
			_ = s.Close(fd)
		}
	}, false, func(time.Duration) {})
	return nil
}

// Now is the time since the first Run.
func (t *Target) Now() time.Duration {
	if !t.started {
		return 0
	}
	return time.Since(t.zero)
}

// How the end of a wait is met: a thread may wake late by some 50 µs.
const (
	spin  = 100 * time.Microsecond
	slice = 100 * time.Millisecond // how often the context is looked at
)

// Run waits, and tells of packets and calls meanwhile.
func (t *Target) Run(until time.Duration, done func() bool) (bool, error) {
	if !t.started {
		t.started, t.zero = true, time.Now()
	}
	for {
		t.drain()
		t.reap()
		if err := context.Cause(t.ctx); err != nil {
			return false, err
		}
		if done != nil && done() {
			return true, nil
		}
		left := until - t.Now()
		switch {
		case left <= 0:
			return false, nil
		case left > spin:
			t.poll(min(left-spin/2, slice), true)
		}
	}
}

// Lacks reports what the kernel, or this way to it, does not have.
func (t *Target) Lacks(feature string) bool {
	_, lacks := lacking[feature]
	return lacks
}

// lacking are the features that a TUN device has not, and why.
var lacking = map[string]string{
	"PSP":                  "it needs a network card with PSP",
	"encapsulation (psp)":  "it needs a network card with PSP",
	"encapsulation (gre)":  "no tunnel is set up",
	"encapsulation (mpls)": "no tunnel is set up",
	"encapsulation (ipv4)": "no tunnel is set up",
	"encapsulation (ipv6)": "no tunnel is set up",
	"Accurate ECN":         "its flags and options are parsed, not encoded",
	"cap_set":              "calls are made by threads of this process",
}

// wallZero is the wall clock's time at time 0.
func (t *Target) wallZero() time.Duration { return time.Duration(t.zero.UnixNano()) }

// close ends what is left of the run.
func (t *Target) close() {
	t.sockets.closeAll()
	t.stopThreads()
	t.closeDevice()
}

func closeFile(f *os.File) {
	if f != nil {
		_ = f.Close() // nothing is written that could be lost
	}
}
