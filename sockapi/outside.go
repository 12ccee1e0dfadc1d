package sockapi

import (
	"context"
	"net"
	"time"
)

// Outside is how goroutines reach a world that another one runs. Any goroutine
// may call its methods.
type Outside interface {
	// Post hands f to the goroutine that runs the world. It blocks while too
	// many are waiting, and reports false, without running f, once cancel is
	// closed or the world's run is over. f wakes threads and does no more.
	Post(cancel <-chan struct{}, f func()) bool
	// Over is closed when no thread will run any more.
	Over() <-chan struct{}
	// Now is the wall-clock time.
	Now() time.Time
	// At is the time of the world at a wall-clock instant. Only the world's
	// goroutine calls it.
	At(t time.Time) time.Duration
}

// job is an operation for a thread of a process.
type job struct {
	run  func(*Proc)
	done chan struct{} // closed when run has returned
}

// worker is a thread that makes one job after the other.
type worker struct {
	p   *Proc
	job *job // nil: it is idle
}

// pool makes jobs from outside on threads of one process, as many as there are
// jobs at a time. All but outside belongs to the world's goroutine.
type pool struct {
	outside Outside
	main    *Proc // starts the others
	queue   []*job
	idle    []*worker
	ended   bool
}

// serve is the process's first thread. It starts a worker for each job that
// found none idle: they are its threads, and daemons as it is.
func (o *pool) serve(p *Proc) error {
	o.main = p
	for {
		for _, j := range o.queue {
			p.Go(func(t *Proc) error { return o.work(&worker{t, j}) })
		}
		o.queue = nil
		p.parker.Park(NoDeadline)
	}
}

func (o *pool) work(w *worker) error {
	for {
		w.job.run(w.p)
		close(w.job.done)
		w.job = nil
		o.idle = append(o.idle, w)
		for w.job == nil {
			w.p.parker.Park(NoDeadline)
		}
	}
}

// take gives a job to a thread.
func (o *pool) take(j *job) {
	switch n := len(o.idle); {
	case o.ended:
	case n > 0:
		w := o.idle[n-1]
		o.idle = o.idle[:n-1]
		w.job = j
		w.p.parker.Wake()
	default:
		o.queue = append(o.queue, j)
		if o.main != nil {
			o.main.parker.Wake()
		}
	}
}

// start posts a job; nil: it never runs.
func (o *pool) start(cancel <-chan struct{}, run func(*Proc)) *job {
	j := &job{run: run, done: make(chan struct{})}
	if !o.outside.Post(cancel, func() { o.take(j) }) {
		return nil
	}
	return j
}

// wait waits for a job's end and reports whether it came. After false, no
// thread touches what the job refers to: threads are gone before Over is
// closed.
func (o *pool) wait(j *job) bool {
	select {
	case <-j.done:
		return true
	case <-o.outside.Over():
	}
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// OutsideNet makes a Net for code outside a world, and the function of the
// process that its calls are those of.
func OutsideNet(o Outside) (n *Net, main func(*Proc) error) {
	n = &Net{pool: &pool{outside: o}}
	return n, func(p *Proc) error {
		n.ps = p.Process
		return n.pool.serve(p)
	}
}

// End makes every later operation fail. The world's goroutine calls it when
// the process's threads are gone, before it closes [Outside.Over].
func (n *Net) End() { n.pool.ended = true }

// do runs fn on a thread of the process: the one that is running, or one of the
// pool. It fails with net.ErrClosed when the world's run is over.
func (n *Net) do(fn func(*Proc) error) (err error) {
	if n.pool == nil {
		p, err := n.running()
		if err != nil {
			return err
		}
		return fn(p)
	}
	j := n.pool.start(nil, func(p *Proc) { err = fn(p) })
	if j == nil || !n.pool.wait(j) {
		return net.ErrClosed
	}
	return err
}

// running is the calling thread.
func (n *Net) running() (*Proc, error) {
	p := n.ps.kernel.Running()
	if p == nil || p.Process != n.ps {
		return nil, errNotOurs
	}
	return p, nil
}

// control runs fn where limits may be moved.
func (n *Net) control(fn func()) error {
	if n.pool == nil {
		fn()
		return nil
	}
	if !n.pool.outside.Post(nil, fn) {
		return net.ErrClosed
	}
	return nil
}

// doContext is do for an operation that lim limits and ctx cancels. Nobody
// waits for one that was cancelled: undo then gets what it has made.
func (n *Net) doContext(ctx context.Context, lim *limit, fn func(*Proc) error, undo func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.pool == nil {
		return n.do(fn)
	}
	var result error
	j := n.pool.start(ctx.Done(), func(p *Proc) { result = fn(p) })
	if j == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		return net.ErrClosed
	}
	select {
	case <-j.done:
		return result
	case <-n.pool.outside.Over():
		if !n.pool.wait(j) {
			return net.ErrClosed
		}
		return result
	case <-ctx.Done():
	}
	go func() {
		_ = n.control(func() { lim.set(0) })
		if n.pool.wait(j) && result == nil {
			undo()
		}
	}()
	return ctx.Err()
}

// Now is the time that deadlines are counted in: the wall clock's outside of
// the world; in a process the virtual one, the world's epoch and the time
// since.
func (n *Net) Now() time.Time {
	if n.pool != nil {
		return n.pool.outside.Now()
	}
	return n.ps.kernel.Epoch().Add(n.ps.kernel.Stack().Now())
}

// at is the world's time of an instant of Now; the zero Time is never.
func (n *Net) at(t time.Time) time.Duration {
	if t.IsZero() {
		return NoDeadline
	}
	at := time.Duration(0)
	if n.pool != nil {
		at = n.pool.outside.At(t)
	} else {
		at = t.Sub(n.ps.kernel.Epoch())
	}
	if at > farAway {
		return NoDeadline
	}
	return max(at, 0)
}

// farAway is when a deadline is none: in more than a hundred years.
const farAway = 1 << 62
