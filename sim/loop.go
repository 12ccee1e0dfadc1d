package sim

import (
	"fmt"
	"time"
)

// loop owns time: a heap of events ordered by (time, sequence number).
type loop struct {
	now  time.Duration
	seq  uint64
	heap []*event
	ran  uint64 // events run so far
	late bool   // events may be late: real time does not wait for them
}

// event is something that will happen. It is embedded in what happens, so that
// scheduling allocates nothing.
type event struct {
	at  time.Duration
	seq uint64
	pos int // in the heap, from 1; 0 when not scheduled
	act action
}

// action is what an event does. It runs on the loop's goroutine.
type action interface{ fire() }

func (e *event) scheduled() bool { return e.pos != 0 }

// before is the total order of events: by time, then by when they were scheduled.
func (e *event) before(o *event) bool {
	return e.at < o.at || (e.at == o.at && e.seq < o.seq)
}

// schedule arms e, which must not be scheduled, for at. A time that has
// passed means now.
func (l *loop) schedule(e *event, at time.Duration) {
	if e.scheduled() {
		panic("sim: event scheduled twice")
	}
	l.seq++
	e.at, e.seq = max(at, l.now), l.seq
	l.heap = append(l.heap, e)
	e.pos = len(l.heap)
	l.up(e)
}

// cancel disarms e and reports whether it was scheduled.
func (l *loop) cancel(e *event) bool {
	if !e.scheduled() {
		return false
	}
	end := len(l.heap) - 1
	last := l.heap[end]
	l.heap[end] = nil // it would keep what the event leads to
	l.heap = l.heap[:end]
	if last != e {
		last.pos = e.pos
		l.heap[last.pos-1] = last
		l.up(last)
		l.down(last)
	}
	e.pos = 0
	return true
}

// peek is the earliest event, nil if there is none.
func (l *loop) peek() *event {
	if len(l.heap) == 0 {
		return nil
	}
	return l.heap[0]
}

// pop takes the earliest event out and moves time to it, unless it is late.
func (l *loop) pop() *event {
	e := l.heap[0]
	if e.at < l.now && !l.late {
		panic(fmt.Sprintf("sim: time went back from %v to %v", l.now, e.at))
	}
	l.cancel(e)
	l.now = max(l.now, e.at)
	l.ran++
	return e
}

// arity is the heap's branching factor: four children share a cache line.
const arity = 4

func (l *loop) up(e *event) {
	i := e.pos - 1
	for i > 0 {
		parent := (i - 1) / arity
		if p := l.heap[parent]; e.before(p) {
			l.heap[i], p.pos = p, i+1
			i = parent
			continue
		}
		break
	}
	l.heap[i], e.pos = e, i+1
}

func (l *loop) down(e *event) {
	i := e.pos - 1
	for {
		first := i*arity + 1
		if first >= len(l.heap) {
			break
		}
		best := first
		for c := first + 1; c < min(first+arity, len(l.heap)); c++ {
			if l.heap[c].before(l.heap[best]) {
				best = c
			}
		}
		if !l.heap[best].before(e) {
			break
		}
		l.heap[i] = l.heap[best]
		l.heap[i].pos = i + 1
		i = best
	}
	l.heap[i], e.pos = e, i+1
}
