package sockapi

import (
	"bytes"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Kernel is what a process needs of the world it lives in. Its methods are
// called by the goroutine that runs the process.
type Kernel interface {
	// Stack is the host's stack.
	Stack() *stack.Stack
	// Bus carries the trace; never nil.
	Bus() *trace.Bus
	// NextPID numbers the processes of a host, from 1.
	NextPID() int
	// NextCall numbers the calls of a world, from 1.
	NextCall() uint64
	// AfterCall is called before a call blocks or returns: it moves the
	// packets that the call sent onto their links, and reports the state
	// changes of ep, if it is not nil, or of all end points.
	AfterCall(ep stack.Endpoint, all bool)
	// Netdb is what the world's hosts and services files say.
	Netdb() *Netdb
	// EndOthers ends the threads of p's process but p: a signal, execve.
	EndOthers(p *Proc)
	// Running is the thread that is running; nil if none is.
	Running() *Proc
	// Epoch is the wall-clock time at the start of the run.
	Epoch() time.Time
	// Start runs fn as a new thread of p's process: p.Thread is its number.
	Start(p *Proc, fn func(*Proc) error) Parker
}

// NoDeadline is a deadline that never passes.
const NoDeadline = time.Duration(-1)

// Parker suspends and resumes one thread.
type Parker interface {
	// Park suspends the calling thread until Wake or until the world's time
	// reaches deadline, and reports false in the latter case. A Wake that came
	// since the last Park makes it return at once.
	Park(deadline time.Duration) (woken bool)
	// Wake makes the thread ready. It never blocks and may be called from
	// netstack's worker.
	Wake()
}

// Process is what the threads of one process share.
type Process struct {
	Name   string
	PID    int
	kernel Kernel
	table  table
	live   int // threads that have not ended
	seq    int // threads ever started

	dieOnPipe bool // SIGPIPE ends it
}

// Proc is one thread of a process. Its methods are the socket calls.
type Proc struct {
	*Process
	// Thread is the thread's number in its process; 0 is the first.
	Thread  int
	parker  Parker
	limit   *limit          // ends its waits; nil: nothing does
	waiting *call           // the call it is blocked in
	current call            // the call in progress: a thread makes one at a time
	entry   [1]waiter.Entry // registers current where it waits for one thing

	// What netstack reads from and writes into, for current.
	source bytes.Reader
	sink   tcpip.SliceWriter
}

// Waiting is the call that the thread is blocked in, "recv(3, 100)"; empty if
// it is in none.
func (p *Proc) Waiting() string {
	if p.waiting == nil {
		return ""
	}
	return p.waiting.name + "(" + p.waiting.args() + ")"
}

// NewProcess makes a process without sockets (descriptors 0 to 2 are taken)
// and starts fn as its first thread.
func NewProcess(k Kernel, name string, pid int, fn func(*Proc) error) *Process {
	ps := &Process{Name: name, PID: pid, kernel: k, table: newTable()}
	ps.start(fn)
	return ps
}

func (ps *Process) start(fn func(*Proc) error) {
	p := &Proc{Process: ps, Thread: ps.seq}
	ps.seq++
	ps.live++
	p.parker = ps.kernel.Start(p, fn)
}

// Live is the number of threads that have not ended.
func (ps *Process) Live() int { return ps.live }

// Exit ends a thread. With the last one the process ends: its descriptors are
// closed, as _exit(2) does. The world calls it when a thread's function has
// returned.
func (p *Proc) Exit() {
	p.live--
	if p.live > 0 {
		return
	}
	for fd := range p.table.slots {
		if p.table.slots[fd].open != nil {
			p.closeFD(fd)
		}
	}
}

// Kill ends the process: its descriptors are closed. Its threads must not run
// any more.
func (ps *Process) Kill() {
	p := &Proc{Process: ps}
	ps.live = 0
	for fd := range ps.table.slots {
		o := ps.table.slots[fd].open
		if o == nil {
			continue
		}
		ps.table.remove(fd)
		o.calls = 0 // those in progress never return
		if o.unused() {
			o.end(p, nil)
		}
		o.release(ps, fd)
	}
}

// Host is the name of the host the process runs on.
func (ps *Process) Host() string { return ps.kernel.Stack().Name() }

// Now is the time since the start of the run.
func (p *Proc) Now() time.Duration { return p.kernel.Stack().Now() }

// origin names this thread in the trace.
func (p *Proc) origin() trace.Origin {
	return trace.Origin{Host: p.Host(), Proc: p.Name, PID: p.PID, Thread: p.Thread}
}

// Go starts another thread of the same process: it shares the descriptors.
func (p *Proc) Go(fn func(*Proc) error) {
	defer p.kernel.Bus().Because(p.origin(), &trace.Process{What: "thread", Name: p.Name})()
	p.Process.start(fn)
}

// Fork starts a new process with a copy of the descriptor table: both tables
// name the same sockets, and a socket is closed when the last descriptor is.
// The child runs fn, since a Go function cannot return twice. It returns the
// child's process number.
func (p *Proc) Fork(fn func(*Proc) error) int {
	c := p.begin("fork", noFD, "")
	child := &Process{Name: p.Name, PID: p.kernel.NextPID(), kernel: p.kernel, dieOnPipe: p.dieOnPipe}
	child.table = p.table.copyFor(child)
	back := p.kernel.Bus().Because(child.originOfProcess(), &trace.Process{What: "fork", Name: child.Name, Parent: p.Name})
	child.start(fn)
	back()
	c.ret(itoa(child.PID), 0)
	return child.PID
}

func (ps *Process) originOfProcess() trace.Origin {
	return trace.Origin{Host: ps.Host(), Proc: ps.Name, PID: ps.PID}
}

// Sleep suspends the thread for d.
func (p *Proc) Sleep(d time.Duration) {
	c := p.begin("nanosleep", noFD, d.String())
	if d > 0 {
		c.blocks()
		deadline := p.after(d)
		for p.parker.Park(deadline) {
		}
	}
	c.ret("0", 0)
}

// after is the world's time d from now, NoDeadline if that is [farAway].
func (p *Proc) after(d time.Duration) time.Duration {
	if now := p.Now(); d <= farAway-now {
		return now + d
	}
	return NoDeadline
}

// Mark puts a remark into the trace.
func (p *Proc) Mark(text string) { p.kernel.Bus().Emit(p.origin(), &trace.Mark{Text: text}) }
