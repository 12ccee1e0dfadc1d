package tun

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// busyPoll is how a wait asks before it sleeps: [Config.BusyPoll]. It is for processors that nobody else wants: when
// one is shared, whoever runs in between answers the sooner the less we ask.
type busyPoll struct {
	span     time.Duration // for how long after a packet; 0: never
	received time.Time     // when the last packet came
	rest     time.Time     // until when it does not ask
	awake    *Awake        // nil: processors may halt
}

const (
	// crowded is how long asking once takes if somebody else has had the processor meanwhile, and has sent nothing.
	crowded = 20 * time.Microsecond
	// crowdedRest is how long nobody asks after that.
	crowdedRest = time.Millisecond
)

// packet notes that there was a packet.
func (b *busyPoll) packet() {
	if b.span == 0 && b.awake == nil {
		return
	}
	b.received = time.Now()
	if b.awake != nil {
		b.awake.packet(b.received)
	}
}

// ask polls without sleeping until something can be read, which it reports, or its time is over. In between, it
// leaves the processor to whoever else wants it.
func (b *busyPoll) ask(fds []unix.PollFd, timeout time.Duration) bool {
	if b.span == 0 {
		return false
	}
	now, end := time.Now(), b.received.Add(b.span)
	if timeout >= 0 && now.Add(timeout).Before(end) {
		end = now.Add(timeout)
	}
	for took := time.Duration(0); now.Before(end) && now.After(b.rest); {
		var none unix.Timespec
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)),
			uintptr(unsafe.Pointer(&none)), 0, 0, 0)
		if errno == 0 && n > 0 {
			return true // from who had the processor, perhaps
		}
		if took > crowded {
			b.rest = now.Add(crowdedRest)
			return false
		}
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		runtime.Gosched()
		before := now
		now = time.Now()
		took = now.Sub(before)
	}
	return false
}
