package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// armed is a timer of netstack's that remembers for when it was armed: see
// timeLeft.
type armed struct {
	Timer
	c   *clock
	due time.Duration // since the start of the run; 0: stopped
}

var _ tcpip.Timer = (*armed)(nil)

func (c *clock) arm(d time.Duration, f func()) *armed {
	return &armed{Timer: c.c.AfterFunc(d, &Callback{c, f}), c: c, due: c.c.Now() + d}
}

// Stop implements [tcpip.Timer].
func (a *armed) Stop() bool {
	a.due = 0
	return a.Timer.Stop()
}

// Reset implements [tcpip.Timer].
func (a *armed) Reset(d time.Duration) {
	a.due = a.c.c.Now() + d
	a.Timer.Reset(d)
}
