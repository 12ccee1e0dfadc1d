package pktlinux

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// threads are those that make the script's calls. Each makes one at a time, so
// there is one more than there are calls that wait.
type threads struct {
	all     []*thread
	returns chan func() // what to do on the script's goroutine when a call has returned
}

// thread is an operating system's thread in the namespace.
type thread struct {
	tid    int
	jobs   chan func()
	busy   bool        // for the script's goroutine alone
	inside atomic.Bool // between the start of a job and its end
}

// How long Do waits for a call that should return at once, and for one that
// should wait to do so.
const (
	promptly = 2 * time.Second
	settled  = 20 * time.Millisecond
)

// Do makes a call on a thread of its own.
func (t *Target) Do(call func(packetdrill.Sockets), blocks bool, returned func(at time.Duration)) {
	th := t.idle()
	over := false
	th.busy = true
	th.inside.Store(true)
	th.jobs <- func() {
		call(&t.sockets)
		at := t.Now()
		th.inside.Store(false)
		t.returns <- func() {
			over, th.busy = true, false
			returned(at)
		}
	}
	limit := t.Now() + promptly
	if blocks {
		limit = t.Now() + settled
	}
	for !over && t.Now() < limit {
		if blocks && th.inside.Load() && th.asleep() {
			return
		}
		select {
		case r := <-t.returns:
			r()
		case <-time.After(time.Millisecond / 5):
		}
	}
}

// idle is a thread without a call. The namespace of a new thread is that of
// the goroutine that asks.
func (t *Target) idle() *thread {
	for _, th := range t.all {
		if !th.busy {
			return th
		}
	}
	th := &thread{jobs: make(chan func(), 1)}
	ready := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: it is in the namespace
		err := unix.Setns(int(t.netns.Fd()), unix.CLONE_NEWNET)
		nice()
		ready <- unix.Gettid()
		for job := range th.jobs {
			if err == nil {
				job()
			}
		}
	}()
	th.tid = <-ready
	t.all = append(t.all, th)
	return th
}

// asleep reports whether the thread waits in the kernel: proc(5), stat.
func (th *thread) asleep() bool {
	b, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(th.tid) + "/stat")
	if err != nil {
		return false
	}
	s := string(b)
	i := strings.LastIndexByte(s, ')')
	return i >= 0 && strings.HasPrefix(s[i:], ") S")
}

// stopThreads ends the threads. One that still waits in a call is woken.
func (t *Target) stopThreads() {
	for _, th := range t.all {
		close(th.jobs)
	}
	limit := time.Now().Add(promptly)
	for _, th := range t.all {
		for th.busy && time.Now().Before(limit) {
			_ = unix.Tgkill(os.Getpid(), th.tid, unix.SIGURG) // the runtime's own signal: poll is not restarted
			select {
			case r := <-t.returns:
				r()
			case <-time.After(time.Millisecond):
			}
		}
	}
}
