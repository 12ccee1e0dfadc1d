package stack

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hand is a clock that is moved by hand; its timers are in a list.
type hand struct {
	now    time.Duration
	timers []*Callback
}

func (h *hand) Now() time.Duration { return h.now }
func (h *hand) AfterFunc(_ time.Duration, f *Callback) Timer {
	h.timers = append(h.timers, f)
	return nil
}

// TestTicks: within an instant each packet that leaves adds a nanosecond, so
// that no two of a burst were sent at the same time, and never so many that
// the next instant, a microsecond later, is reached. Time does not go back.
func TestTicks(t *testing.T) {
	h := &hand{now: time.Second}
	c := &clock{c: h, epoch: Epoch}
	start := c.NowMonotonic()
	last := start
	for n := range 997 {
		c.sent()
		now := c.NowMonotonic()
		require.Equal(t, time.Duration(1), now.Sub(last), "packet %d", n)
		last = now
	}
	for range 5000 {
		c.sent()
		require.False(t, c.NowMonotonic().Before(last))
		last = c.NowMonotonic()
	}
	require.Less(t, last.Sub(start), time.Microsecond)
	h.now += time.Microsecond
	require.Equal(t, time.Microsecond, c.NowMonotonic().Sub(start), "the next instant begins without ticks")
	require.Equal(t, Epoch.Add(h.now), c.Now(), "the calendar has none")
}

// TestTimerStartsLate: a timer that was armed after some ticks must not find
// that its time has not come yet.
func TestTimerStartsLate(t *testing.T) {
	h := &hand{}
	c := &clock{c: h}
	for range 10 {
		c.sent()
	}
	armed := c.NowMonotonic()
	var fired time.Duration
	c.AfterFunc(time.Millisecond, func() { fired = c.NowMonotonic().Sub(armed) })
	h.now = time.Millisecond
	h.timers[0].Run()
	require.GreaterOrEqual(t, fired, time.Millisecond)
}

// zero, the monotonic time that means "never" to netstack, is never shown.
func TestMonotonicIsNotZero(t *testing.T) {
	c := &clock{c: &hand{}}
	require.NotZero(t, c.NowMonotonic())
}

type neighborEntry struct{}

func (*neighborEntry) timeout() {}

func limitHandshake() {}

func TestTimerName(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    func()
		want string
	}{
		{"a method", (&neighborEntry{}).timeout, "neighbor"},
		{"a function", limitHandshake, "handshake timeout"},
		{"none that is known", func() {}, "stack.TestTimerName.func1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, TimerName(tc.f))
			require.Equal(t, tc.want, (&Callback{f: tc.f}).Name())
		})
	}
}
