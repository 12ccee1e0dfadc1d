package sim

import (
	"fmt"
	"strings"
	"time"

	"fivetuple/sockapi"
	"fivetuple/trace"
)

// thread is a coroutine that runs one thread of a process. It runs only
// between resume and park, on the loop's goroutine.
type thread struct {
	w      *World
	h      *Host
	p      *sockapi.Proc
	order  int // spawn order in the world: ties are resumed in it
	daemon bool

	run func()
	on  *coroutine // nil: it has not run yet, or does not any more

	timer  event
	parked bool
	queued bool // in World.ready
	woken  bool
	cause  trace.ID // what woke it
	done   bool

	armed   time.Duration // when timer was set,
	armedBy trace.ID      // and because of what
}

var _ sockapi.Parker = (*thread)(nil)

// killed unwinds a coroutine whose world is closed.
type killed struct{}

// SpawnConfig describes a process.
type SpawnConfig struct {
	// Name is the process's name, as ss -p shows it.
	Name string
	// Daemon marks a process that is expected to wait for ever, such as a
	// server's accept loop: it is not reported as deadlocked.
	Daemon bool
	// At is when the process starts.
	At time.Duration
}

// Spawn starts a process now.
func (h *Host) Spawn(name string, fn func(*sockapi.Proc) error) *sockapi.Process {
	return h.SpawnConfig(SpawnConfig{Name: name}, fn)
}

// SpawnConfig starts a process.
func (h *Host) SpawnConfig(cfg SpawnConfig, fn func(*sockapi.Proc) error) *sockapi.Process {
	h.spawning = &cfg
	defer func() { h.spawning = nil }()
	pid := h.NextPID()
	o := trace.Origin{Host: h.Name(), Proc: cfg.Name, PID: pid}
	defer h.w.bus.Because(o, &trace.Process{What: "start", Name: cfg.Name})()
	return sockapi.NewProcess(h, cfg.Name, pid, fn)
}

// Start implements [sockapi.Kernel].
func (h *Host) Start(p *sockapi.Proc, fn func(*sockapi.Proc) error) sockapi.Parker {
	w := h.w
	t := &thread{w: w, h: h, p: p, order: w.spawned}
	start := time.Duration(0)
	switch {
	case h.spawning != nil:
		t.daemon, start = h.spawning.Daemon, h.spawning.At
	case w.current != nil:
		t.daemon = w.current.daemon // threads and children are what their parent is
	}
	if p.Thread == 0 {
		h.procs.add(p.Process)
	}
	w.spawned++
	w.threads.add(t)
	t.timer.act = (*threadTimer)(t)
	t.run = func() {
		defer t.end()
		if err := fn(p); err != nil {
			w.Fail(fmt.Errorf("%s on %s: %w", p.Name, h.Name(), err))
		}
	}
	if w.bus.Enabled() {
		t.cause = w.bus.Cause()
	}
	if start > w.loop.now {
		t.arm(start)
	} else {
		t.enqueue()
	}
	return t
}

// Fail makes the run end with err. Processes call it by returning an error.
func (w *World) Fail(err error) { w.failed = append(w.failed, err) }

func (t *thread) end() {
	switch r := recover().(type) {
	case nil:
	case killed:
		t.done = true
		return
	case sockapi.Exited:
		if r.Err != nil {
			t.w.Fail(fmt.Errorf("%s on %s: %w", t.p.Name, t.h.Name(), r.Err))
		}
	default:
		panic(r)
	}
	t.done = true
	t.p.Exit()
	t.h.flush(nil, true)
	t.w.threads.end()
	if t.p.Live() == 0 {
		t.h.procs.end()
		t.w.bus.Emit(trace.Origin{Host: t.h.Name(), Proc: t.p.Name, PID: t.p.PID}, &trace.Process{What: "exit", Name: t.p.Name})
	}
}

// EndOthers implements [sockapi.Kernel].
func (h *Host) EndOthers(p *sockapi.Proc) {
	for _, t := range h.w.threads.all() {
		if t.p == p || t.p.Process != p.Process {
			continue
		}
		t.kill()
		t.p.Abandon()
		t.p.Exit()
		h.w.threads.end()
	}
}

func (t *thread) kill() {
	if !t.done {
		t.done = true
		t.w.loop.cancel(&t.timer)
		if t.on != nil {
			t.on.stop()
		}
	}
}

// resume lets the thread run until it parks or ends.
func (t *thread) resume() {
	t.queued = false
	if t.done {
		return
	}
	t.w.bus.SetCause(t.cause)
	prev := t.w.current
	t.w.current = t
	if t.on == nil {
		t.on = t.w.start(t.run)
		t.run = nil
	}
	t.on.next()
	if t.on.idle {
		t.w.keep(t.on)
		t.on = nil
	}
	t.w.current = prev
	t.h.flush(nil, false)
}

func (t *thread) enqueue() {
	if !t.queued {
		t.queued = true
		t.w.ready = append(t.w.ready, t)
	}
}

// Park implements [sockapi.Parker].
func (t *thread) Park(deadline time.Duration) bool {
	if !t.woken {
		if deadline != sockapi.NoDeadline {
			t.arm(deadline)
		}
		t.parked = true
		if !t.on.park() {
			panic(killed{})
		}
		t.parked = false
		t.w.loop.cancel(&t.timer)
	}
	woken := t.woken
	t.woken = false
	return woken
}

// arm sets the thread's timer.
func (t *thread) arm(at time.Duration) {
	t.armed = t.w.loop.now
	if t.w.bus.Enabled() {
		t.armedBy = t.w.bus.Cause()
	}
	t.w.loop.schedule(&t.timer, at)
}

// Wake implements [sockapi.Parker].
func (t *thread) Wake() {
	if t.woken {
		return
	}
	t.woken = true
	if t.parked {
		if t.w.bus.Enabled() {
			t.cause = t.w.bus.Cause()
		}
		t.enqueue()
	}
}

// threadTimer is a thread's deadline.
type threadTimer thread

// fire implements [action].
func (tt *threadTimer) fire() {
	t := (*thread)(tt)
	t.cause = 0
	if t.w.bus.Enabled() && t.p != nil {
		t.w.bus.DeferCause(trace.Origin{Host: t.h.Name(), Proc: t.p.Name, PID: t.p.PID, Thread: t.p.Thread}, t.armedBy,
			&trace.Timer{Name: "deadline", Armed: t.armed})
		t.cause = t.w.bus.Cause()
	}
	t.enqueue()
}

// DeadlockError reports that nothing can happen any more although processes
// are still waiting.
type DeadlockError struct {
	At      time.Duration
	Waiting []string // "curl on client waits in recv(3, 100)"
}

// Error lists who waits for what.
func (e *DeadlockError) Error() string {
	return fmt.Sprintf("deadlock at %v: no packet is in flight and no timer is armed, but\n  %s",
		e.At, strings.Join(e.Waiting, "\n  "))
}

// deadlock returns a DeadlockError if a thread that is no daemon is blocked.
func (w *World) deadlock() error {
	var waiting []string
	for _, t := range w.threads.all() {
		if t.daemon {
			continue
		}
		who := fmt.Sprintf("%s on %s", t.p.Name, t.h.Name())
		if t.p.Thread > 0 {
			who = fmt.Sprintf("%s (thread %d) on %s", t.p.Name, t.p.Thread, t.h.Name())
		}
		waiting = append(waiting, who+" waits in "+t.p.Waiting())
	}
	if len(waiting) == 0 {
		return nil
	}
	return &DeadlockError{At: w.loop.now, Waiting: waiting}
}
