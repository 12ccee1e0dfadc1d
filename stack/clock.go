package stack

import (
	"reflect"
	"runtime"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Clock is the time that a stack lives in.
type Clock interface {
	// Now is the time since the start of the run. It does not move while a
	// stack works, only between events.
	Now() time.Duration
	// AfterFunc calls f once, d from now, from the loop. A d of zero or less
	// means later at this same instant, never inside AfterFunc.
	AfterFunc(d time.Duration, f *Callback) Timer
}

// Timer is a pending call of a [Clock].
type Timer interface {
	// Stop prevents the call and reports whether it was still pending.
	Stop() bool
	// Reset arms the timer anew, pending or not, d from now.
	Reset(d time.Duration)
}

// Callback is what a timer of the stack does.
type Callback struct {
	c *clock
	f func()
}

// Run calls it, at the instant for which the timer was armed.
func (b *Callback) Run() {
	b.c.sync()
	b.c.tick = maxTick
	b.f()
}

// Name names the timer: see [TimerName].
func (b *Callback) Name() string { return TimerName(b.f) }

// maxTick is the most that ticks add to an instant, in nanoseconds: less than
// the least delay of a link.
const maxTick = 999

// clock gives netstack a Clock. Within an instant its monotonic time grows by
// one nanosecond for each packet that the stack sends: netstack's RACK orders
// segments by the time they were sent (RFC 8985, 6.2), and takes those that
// were sent at one and the same time for lost too soon. On a real machine no
// two are.
type clock struct {
	c       Clock
	epoch   time.Time
	instant time.Duration
	tick    time.Duration
}

var _ tcpip.Clock = (*clock)(nil)

// sync forgets the ticks of an instant that has passed.
func (c *clock) sync() {
	if now := c.c.Now(); now != c.instant {
		c.instant, c.tick = now, 0
	}
}

// sent notes that a packet has left. A timer starts at the end of its instant,
// so that it does not find itself early by the ticks that were counted when it
// was armed; from its first packet on, ticks are counted as usual.
func (c *clock) sent() {
	c.sync()
	if c.tick = c.tick%maxTick + 1; c.tick > maxTick-1 {
		c.tick = maxTick - 1
	}
}

// Now implements [tcpip.Clock].
func (c *clock) Now() time.Time { return c.epoch.Add(c.c.Now()) }

// NowMonotonic implements [tcpip.Clock]. One second is added because netstack
// takes a monotonic time of zero for "never".
func (c *clock) NowMonotonic() tcpip.MonotonicTime {
	c.sync()
	var t tcpip.MonotonicTime
	return t.Add(time.Second + c.instant + c.tick)
}

// AfterFunc implements [tcpip.Clock].
func (c *clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	return c.arm(d, f)
}

// TimerName names the netstack timer whose callback f is, in the words of the
// RFCs. netstack wraps the timers of a connection in a closure, timerHandler,
// which the compiler copies into each of its callers, so that they can be told
// apart; where it does not, they are called "tcp".
func TimerName(f func()) string {
	full := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	full = full[strings.LastIndexByte(full, '/')+1:]
	for _, n := range timerNames {
		if strings.Contains(full, n.part) {
			return n.name
		}
	}
	return full
}

var timerNames = []struct{ part, name string }{
	{"newHandshake.timerHandler", "handshake"},
	{"newPassiveHandshake.timerHandler", "handshake"},
	{"newEndpoint.timerHandler", "keepalive"},
	{"initSender.timerHandler.func1", "retransmission"},
	{"initSender.timerHandler.func2", "reordering"},
	{"initSender.timerHandler.func3", "tail loss probe"},
	{"initSender.timerHandler.func4", "cork"},
	{"timerHandler", "tcp"},
	{"limitHandshake", "handshake timeout"},
	{"timeWaitTimerExpired", "time-wait"},
	{"finWait2TimerExpired", "fin-wait-2"},
	{"neighborEntry", "neighbor"},
	{"dynamicCacheEntry", "neighbor"},
	{"ndpState", "neighbor discovery"},
	{"fragmentation", "reassembly"},
	{"GenericMulticast", "multicast membership"},
}
