package tun

import "time"

// Awake keeps processors from halting while packets come in quick succession: waking one takes tens of microseconds
// on a virtual machine, and whoever waits for an answer has usually let his halt. It asks for that as others who need low
// latency do, by the kernel's PM QoS. The devices that one loop waits for share it; it is for one goroutine.
type Awake struct {
	hold func(on bool)
	end  func() error
	last time.Time // when the last packet came
	on   bool
}

// quick is how soon packets follow each other for processors to be kept awake, and for how long after the last one
// they are. It is much more than waking takes, and little for a processor to be awake in vain.
const quick = 10 * time.Millisecond

// Close ends it. A nil Awake has nothing to end.
func (a *Awake) Close() error {
	if a == nil {
		return nil
	}
	return a.end()
}

// packet notes that a packet came at an instant.
func (a *Awake) packet(now time.Time) {
	if !a.on && now.Sub(a.last) < quick {
		a.on = true
		a.hold(true)
	}
	a.last = now
}

// limit is for how long a wait with a timeout (less than 0: none) may last, that begins at an instant, so that
// processors are let go when nothing has come for long enough.
func (a *Awake) limit(now time.Time, timeout time.Duration) time.Duration {
	if !a.on {
		return timeout
	}
	left := quick - now.Sub(a.last)
	if left <= 0 {
		a.on = false
		a.hold(false)
		return timeout
	}
	if timeout < 0 {
		return left
	}
	return min(timeout, left)
}
