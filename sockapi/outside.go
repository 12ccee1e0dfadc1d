package sockapi

import (
	"context"
	"net"
	"time"
)

// Outside is how goroutines reach a world that another one runs. Any goroutine
// may call its methods.
type Outside interface {
	// Post hands a call to the goroutine that runs the world. It blocks while too
	// many are waiting, and reports false, without the call being made, once
	// cancel is closed or the world's run is over.
	Post(cancel <-chan struct{}, c Posted) bool
	// Over is closed when no thread will run any more.
	Over() <-chan struct{}
	// Now is the wall-clock time.
	Now() time.Time
	// At is the time of the world at a wall-clock instant. Only the world's
	// goroutine calls it.
	At(t time.Time) time.Duration
}

// Posted is a call on its way into the world, as data. The world's goroutine
// calls its methods, in this order.
type Posted interface {
	// Stamp turns what depends on the wall clock into the world's time.
	Stamp()
	// Append writes the call as [Net.Replay] reads it.
	Append(b []byte) []byte
	// Admit lets the call in: threads become ready, and nothing else happens.
	Admit()
}

// worker is a thread that carries out one operation after the other.
type worker struct {
	p  *Proc
	op *operation // nil: it is idle
}

// pool carries out operations from outside on threads of one process, as many as
// there are operations at a time. All but outside belongs to the world's
// goroutine.
type pool struct {
	outside Outside
	main    *Proc // starts the others
	queue   []*operation
	idle    []*worker
	ended   bool
}

// serve is the process's first thread. It starts a worker for each operation that
// found none idle: they are its threads, and daemons as it is.
func (o *pool) serve(p *Proc) error {
	o.main = p
	for {
		for _, op := range o.queue {
			p.Go(func(t *Proc) error { return o.work(&worker{t, op}) })
		}
		o.queue = nil
		p.parker.Park(NoDeadline)
	}
}

func (o *pool) work(w *worker) error {
	for {
		w.op.make(w.p)
		w.op.end()
		w.op = nil
		o.idle = append(o.idle, w)
		for w.op == nil {
			w.p.parker.Park(NoDeadline)
		}
	}
}

// take gives an operation to a thread.
func (o *pool) take(op *operation) {
	switch n := len(o.idle); {
	case o.ended:
	case n > 0:
		w := o.idle[n-1]
		o.idle = o.idle[:n-1]
		w.op = op
		w.p.parker.Wake()
	default:
		o.queue = append(o.queue, op)
		if o.main != nil {
			o.main.parker.Wake()
		}
	}
}

// start posts an operation that somebody waits for; false: it is never carried
// out.
func (n *Net) start(cancel <-chan struct{}, op *operation) bool {
	op.n, op.done = n, make(chan struct{})
	return n.pool.outside.Post(cancel, op)
}

// wait waits for an operation's end and reports whether it came. After false, no
// thread touches what the operation refers to: threads are gone before Over is
// closed.
func (n *Net) wait(op *operation) bool {
	select {
	case <-op.done:
		return true
	case <-n.pool.outside.Over():
	}
	select {
	case <-op.done:
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

// do carries out an operation on a thread of the process: the one that is
// running, or one of the pool. It fails with net.ErrClosed when the world's run is
// over.
func (n *Net) do(op *operation) error {
	if n.pool == nil {
		p, err := n.running()
		if err != nil {
			return err
		}
		op.n = n
		op.make(p)
		return op.err
	}
	if !n.start(nil, op) || !n.wait(op) {
		return net.ErrClosed
	}
	return op.err
}

// running is the calling thread.
func (n *Net) running() (*Proc, error) {
	p := n.ps.kernel.Running()
	if p == nil || p.Process != n.ps {
		return nil, errNotOurs
	}
	return p, nil
}

// control carries out an operation that moves limits.
func (n *Net) control(op *operation) error {
	op.n = n
	if n.pool == nil {
		op.Stamp()
		op.move()
		return nil
	}
	if !n.pool.outside.Post(nil, op) {
		return net.ErrClosed
	}
	return nil
}

// doContext is do for a dial, which ctx cancels. Nobody waits for one that was
// cancelled: the connection that it makes nevertheless is closed.
func (n *Net) doContext(ctx context.Context, op *operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.pool == nil {
		return n.do(op)
	}
	if !n.start(ctx.Done(), op) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return net.ErrClosed
	}
	select {
	case <-op.done:
		return op.err
	case <-n.pool.outside.Over():
		if !n.wait(op) {
			return net.ErrClosed
		}
		return op.err
	case <-ctx.Done():
	}
	go func() {
		_ = n.control(&operation{Op: opCancel, dial: op})
		if n.wait(op) && op.err == nil {
			_ = op.made.Close()
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
