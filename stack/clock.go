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
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call of a [Clock].
type Timer interface {
	// Stop prevents the call and reports whether it was still pending.
	Stop() bool
	// Reset arms the timer anew, pending or not, d from now.
	Reset(d time.Duration)
}

// clock gives netstack a Clock.
type clock struct {
	c     Clock
	epoch time.Time
}

var _ tcpip.Clock = clock{}

// Now implements [tcpip.Clock].
func (c clock) Now() time.Time { return c.epoch.Add(c.c.Now()) }

// NowMonotonic implements [tcpip.Clock]. One second is added because netstack
// takes a monotonic time of zero for "never".
func (c clock) NowMonotonic() tcpip.MonotonicTime {
	var t tcpip.MonotonicTime
	return t.Add(time.Second + c.c.Now())
}

// AfterFunc implements [tcpip.Clock].
func (c clock) AfterFunc(d time.Duration, f func()) tcpip.Timer { return c.c.AfterFunc(d, f) }

// TimerName names the netstack timer whose callback f is, in the words of the
// RFCs. netstack wraps its per-connection timers (retransmission, tail loss
// probe, reordering, keepalive, cork) in one closure, so those share the name
// "tcp".
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
	{"tcp.timerHandler", "tcp"},
	{"tcp.newBackoffTimer", "handshake retransmission"},
	{"timeWaitTimerExpired", "time-wait"},
	{"finWait2TimerExpired", "fin-wait-2"},
	{"neighborEntry", "neighbor"},
	{"dynamicCacheEntry", "neighbor"},
	{"ndpState", "neighbor discovery"},
	{"fragmentation", "reassembly"},
	{"GenericMulticast", "multicast membership"},
}
