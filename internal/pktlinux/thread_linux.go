package pktlinux

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// The threads of a run wake each other through descriptors, and never through
// a channel: a channel needs the runtime's scheduler, whose threads the kernel
// runs when it likes, and these ones come before all others.

// threads are those that make the script's calls. Each makes one at a time, so
// there is one more than there are calls that wait.
type threads struct {
	all     []*thread
	wake    int // an eventfd: something is in returns
	mu      sync.Mutex
	returns []func() // what to do on the script's goroutine when a call has returned
}

// thread is an operating system's thread in the namespace.
type thread struct {
	tid    atomic.Int64
	start  int                    // an eventfd: there is a job, or the end
	job    atomic.Pointer[func()] // nil: the end
	inside atomic.Bool            // between the start of a job and its end
	busy   bool                   // for the script's goroutine alone
}

// How long Do waits for a call that should return at once, and for one that
// should wait to do so.
const (
	promptly = 2 * time.Second
	settled  = 20 * time.Millisecond
)

// Do makes a call on a thread of its own.
func (t *Target) Do(call func(packetdrill.Sockets), blocks bool, returned func(at time.Duration)) {
	th, over, begun := t.idle(), false, t.Now()
	job := func() {
		call(&t.sockets)
		at := t.Now()
		th.inside.Store(false)
		t.post(func() {
			over, th.busy = true, false
			returned(at)
		})
	}
	th.busy = true
	th.inside.Store(true)
	th.job.Store(&job)
	signal(th.start)
	limit := t.Now() + promptly
	if blocks {
		limit = t.Now() + settled
	}
	for {
		t.reap()
		left := limit - t.Now()
		if over && !blocks {
			t.stall(t.Now() - begun)
		}
		if over || left <= 0 || blocks && th.inside.Load() && th.asleep() {
			return
		}
		if blocks {
			left = min(left, time.Millisecond/20)
		}
		t.poll(left, false)
	}
}

// post hands something to the script's goroutine.
func (t *Target) post(f func()) {
	t.mu.Lock()
	t.returns = append(t.returns, f)
	t.mu.Unlock()
	signal(t.wake)
}

// reap does what has been posted.
func (t *Target) reap() {
	t.mu.Lock()
	list := t.returns
	t.returns = nil
	t.mu.Unlock()
	for _, f := range list {
		f()
	}
}

// signal makes an eventfd readable: eventfd(2).
func signal(fd int) { _, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// idle is a thread without a call, in the namespace.
func (t *Target) idle() *thread {
	for _, th := range t.all {
		if !th.busy {
			return th
		}
	}
	th := &thread{}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		panic(err) // as if there were no memory
	}
	th.start = fd
	ready := make(chan struct{})
	go th.serve(int(t.netns.Fd()), ready)
	<-ready
	t.all = append(t.all, th)
	return th
}

func (th *thread) serve(netns int, ready chan<- struct{}) {
	runtime.LockOSThread() // never unlocked: it is in the namespace
	defer unix.Close(th.start)
	if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
		panic(err) // the namespace is ours
	}
	first()
	th.tid.Store(int64(unix.Gettid()))
	close(ready)
	b := make([]byte, 8)
	for {
		if _, err := unix.Read(th.start, b); err != nil {
			continue // a signal
		}
		job := th.job.Load()
		if job == nil {
			return
		}
		(*job)()
	}
}

// first puts the calling thread before all others of the machine, since a
// script's times are real; a process that it starts is not. It never waits
// without sleeping for longer than spin.
func first() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		const highest = -20
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), highest) // without either, times are less exact
	}
}

// asleep reports whether the thread waits in the kernel: proc(5), stat.
func (th *thread) asleep() bool {
	b, err := os.ReadFile("/proc/self/task/" + strconv.FormatInt(th.tid.Load(), 10) + "/stat")
	if err != nil {
		return false
	}
	s := string(b)
	i := strings.LastIndexByte(s, ')')
	return i >= 0 && strings.HasPrefix(s[i:], ") S")
}

// stopThreads ends the threads. One that still waits in a call is woken.
func (t *Target) stopThreads() {
	limit := time.Now().Add(promptly)
	for _, th := range t.all {
		for th.busy && time.Now().Before(limit) {
			_ = unix.Tgkill(os.Getpid(), int(th.tid.Load()), unix.SIGURG) // the runtime's own signal: poll is not restarted
			t.poll(time.Millisecond, false)
			t.reap()
		}
		th.job.Store(nil)
		signal(th.start)
	}
}
