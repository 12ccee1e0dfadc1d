package sockapi

import (
	"slices"
	"time"
)

// limit ends the waits of threads from outside of their calls: it is the
// deadline of one direction of a net.Conn. Whoever moves it wakes the threads
// whose calls it limits; a call that waits when it has passed fails with EAGAIN,
// as after SO_RCVTIMEO. The nil limit never passes.
type limit struct {
	at    time.Duration // NoDeadline: never
	users []*Proc       // the threads that it limits
}

// set moves the limit. A time that has passed ends the calls in progress.
func (l *limit) set(at time.Duration) {
	l.at = at
	for _, p := range l.users {
		p.parker.Wake()
	}
}

func (l *limit) passed(now time.Duration) bool {
	return l != nil && l.at != NoDeadline && l.at <= now
}

// before is the earlier of deadline and the limit.
func (l *limit) before(deadline time.Duration) time.Duration {
	switch {
	case l == nil || l.at == NoDeadline:
		return deadline
	case deadline == NoDeadline:
		return l.at
	}
	return min(deadline, l.at)
}

// enter makes the limit that of p's calls, until leave.
func (l *limit) enter(p *Proc) {
	p.limit = l
	l.users = append(l.users, p)
}

func (l *limit) leave(p *Proc) {
	p.limit = nil
	l.users = slices.DeleteFunc(l.users, func(o *Proc) bool { return o == p })
}
