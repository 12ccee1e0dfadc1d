package sockapi

import (
	"math/bits"
	"slices"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/waiter"
)

// maxFDs is the size of a descriptor table: RLIMIT_NOFILE's usual hard limit.
const maxFDs = 1 << 20

// file is what can be opened: a socket, an epoll instance, /dev/null.
type file interface {
	// poll returns which of events hold now: poll(2).
	poll(events int) int
	// waitQueue is notified when poll may give another answer; nil if it never
	// does.
	waitQueue() *waiter.Queue
	// describe is its row in FDs, but for what belongs to the descriptor; ok is
	// false if it has none.
	describe() (d trace.FD, ok bool)
	// finish ends it: nothing names it any more. c is the close, nil if there is
	// none.
	finish(p *Proc, c *call)
}

// open is an open file description: what dup and fork share.
type open struct {
	file
	sock     *socket  // the file, if it is a socket
	refs     int      // descriptors that name it
	holders  []holder // which these are, oldest first
	watches  []*watch // the epoll instances that watch it
	calls    int      // calls in progress on it: it is not closed under them
	nonblock bool     // O_NONBLOCK belongs to the description, not the descriptor
}

// holder is one descriptor that names an open file.
type holder struct {
	ps *Process
	fd int
}

// unused reports whether nothing keeps the description any more.
func (o *open) unused() bool { return o.refs == 0 && o.calls == 0 }

type slot struct {
	open    *open
	cloexec bool
}

// table is a descriptor table.
type table struct {
	slots []slot   // index is the descriptor
	used  []uint64 // a bit for each descriptor that is taken, as in Linux's fdtable
	free  int      // no free descriptor is below this
}

// newTable is the table of a new process: 0, 1 and 2 are taken, by one file.
func newTable() table {
	std := slot{open: &open{file: devNull{}, refs: 3}}
	return table{slots: []slot{std, std, std}, used: []uint64{1<<3 - 1}, free: 3}
}

// get returns the description that fd names.
func (t *table) get(fd int) (*open, Errno) {
	if fd < 0 || fd >= len(t.slots) || t.slots[fd].open == nil {
		return nil, EBADF
	}
	return t.slots[fd].open, 0
}

// add puts o at the lowest free descriptor (POSIX 2.6).
func (t *table) add(o *open, cloexec bool) (int, Errno) {
	i := t.free / 64
	for i < len(t.used) && ^t.used[i] == 0 {
		i++
	}
	fd := 64 * i
	if i < len(t.used) {
		fd += bits.TrailingZeros64(^t.used[i])
	}
	if fd >= maxFDs {
		return -1, EMFILE
	}
	t.set(fd, slot{o, cloexec})
	t.free = fd + 1
	return fd, 0
}

// put makes fd, which must be free, name o: dup2(2).
func (t *table) put(fd int, o *open) { t.set(fd, slot{open: o}) }

// set fills a free slot.
func (t *table) set(fd int, s slot) {
	for fd >= len(t.slots) {
		t.slots = append(t.slots, slot{})
	}
	for fd/64 >= len(t.used) {
		t.used = append(t.used, 0)
	}
	t.slots[fd] = s
	t.used[fd/64] |= 1 << (fd % 64)
	s.open.refs++
}

// remove takes fd out.
func (t *table) remove(fd int) *open {
	o := t.slots[fd].open
	t.slots[fd] = slot{}
	t.used[fd/64] &^= 1 << (fd % 64)
	t.free = min(t.free, fd)
	o.refs--
	return o
}

// copyFor copies the table for a forked child.
func (t *table) copyFor(child *Process) table {
	c := table{slots: append([]slot(nil), t.slots...), used: slices.Clone(t.used), free: t.free}
	for fd, s := range c.slots {
		if s.open != nil {
			s.open.refs++
			s.open.hold(child, fd)
		}
	}
	return c
}

// FDs lists the process's descriptors that name sockets or epoll instances, in
// order.
func (ps *Process) FDs() []trace.FD {
	var out []trace.FD
	for fd, s := range ps.table.slots {
		if s.open == nil {
			continue
		}
		if d, ok := s.open.describe(); ok {
			d.Num, d.Refs, d.NonBlock, d.CloExec = fd, s.open.refs, s.open.nonblock, s.cloexec
			out = append(out, d)
		}
	}
	return out
}

func (o *open) hold(ps *Process, fd int) { o.holders = append(o.holders, holder{ps, fd}) }

func (o *open) release(ps *Process, fd int) {
	o.holders = slices.DeleteFunc(o.holders, func(h holder) bool { return h == holder{ps, fd} })
}

// end closes a file that nothing names any more.
func (o *open) end(p *Proc, c *call) {
	for _, w := range slices.Clone(o.watches) {
		w.remove()
	}
	o.finish(p, c)
}

// devNull is standard input, output and error.
type devNull struct{}

func (devNull) poll(events int) int        { return events & (POLLIN | POLLOUT) }
func (devNull) waitQueue() *waiter.Queue   { return nil }
func (devNull) describe() (trace.FD, bool) { return trace.FD{}, false }
func (devNull) finish(*Proc, *call)        {}

// Origin implements [stack.Owner]: the oldest descriptor that names the socket.
func (s *socket) Origin() trace.Origin {
	if s.open == nil || len(s.open.holders) == 0 {
		return trace.Origin{Host: s.st.Name()}
	}
	h := s.open.holders[0]
	o := h.ps.originOfProcess()
	o.FD, o.HasFD = h.fd, true
	return o
}

// Holders implements [stack.Owner].
func (s *socket) Holders() []trace.Origin {
	var out []trace.Origin
	if s.open == nil {
		return nil
	}
	for _, h := range s.open.holders {
		o := h.ps.originOfProcess()
		o.FD, o.HasFD = h.fd, true
		out = append(out, o)
	}
	return out
}
