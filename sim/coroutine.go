package sim

import "iter"

// coroutine runs threads, one after the other. It is kept for the next thread
// when one ends: netstack's calls are deep, and the stack of a new coroutine would
// have to grow, and be copied, several times for each connection that a server
// gives a thread of its own.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	run   func() // the thread
	idle  bool   // it has come to the end of one
	ended bool   // it was stopped
}

// maxIdle is how many are kept at a time.
const maxIdle = 256

// start returns a coroutine that will run f.
func (w *World) start(f func()) *coroutine {
	if n := len(w.idle); n > 0 {
		c := w.idle[n-1]
		w.idle = w.idle[:n-1]
		c.run = f
		return c
	}
	c := &coroutine{run: f}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for more := true; more; more = !c.ended && yield(struct{}{}) {
			c.idle = false
			c.run()
			c.run, c.idle = nil, true
		}
	})
	return c
}

// keep takes a coroutine back whose thread has ended.
func (w *World) keep(c *coroutine) {
	if len(w.idle) < maxIdle {
		w.idle = append(w.idle, c)
	} else {
		c.stop()
	}
}

// dropIdle ends the coroutines that nobody uses.
func (w *World) dropIdle() {
	for _, c := range w.idle {
		c.stop()
	}
	w.idle = nil
}

// park gives the loop its turn. It reports false if the coroutine was stopped.
func (c *coroutine) park() bool {
	c.ended = !c.yield(struct{}{})
	return !c.ended
}
