package sockapi

import "fivetuple/trace"

// maxFDs is the size of a descriptor table: RLIMIT_NOFILE's usual hard limit.
const maxFDs = 1 << 20

// open is an open file description: what dup and fork share.
type open struct {
	sock     *socket // nil: standard input, output and error, which are /dev/null
	refs     int     // descriptors that name it
	calls    int     // calls in progress on it: it is not closed under them
	nonblock bool    // O_NONBLOCK belongs to the description, not the descriptor
}

// unused reports whether nothing keeps the description any more.
func (o *open) unused() bool { return o.refs == 0 && o.calls == 0 }

type slot struct {
	open    *open
	cloexec bool
}

// table is a descriptor table.
type table struct {
	slots []slot // index is the descriptor
	free  int    // no free descriptor is below this
}

// newTable is the table of a new process: 0, 1 and 2 are taken, by one file.
func newTable() table {
	std := slot{open: &open{refs: 3}}
	return table{slots: []slot{std, std, std}, free: 3}
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
	fd := t.free
	for fd < len(t.slots) && t.slots[fd].open != nil {
		fd++
	}
	if fd >= maxFDs {
		return -1, EMFILE
	}
	for fd >= len(t.slots) {
		t.slots = append(t.slots, slot{})
	}
	t.slots[fd] = slot{o, cloexec}
	t.free = fd + 1
	o.refs++
	return fd, 0
}

// remove takes fd out.
func (t *table) remove(fd int) *open {
	o := t.slots[fd].open
	t.slots[fd] = slot{}
	t.free = min(t.free, fd)
	o.refs--
	return o
}

// copyFor copies the table for a forked child.
func (t *table) copyFor(child *Process) table {
	c := table{slots: append([]slot(nil), t.slots...), free: t.free}
	for fd, s := range c.slots {
		if s.open != nil {
			s.open.refs++
			s.open.hold(child, fd)
		}
	}
	return c
}

// FDs lists the process's descriptors that name sockets, in order.
func (ps *Process) FDs() []trace.FD {
	var out []trace.FD
	for fd, s := range ps.table.slots {
		if s.open == nil || s.open.sock == nil {
			continue
		}
		out = append(out, trace.FD{
			Num: fd, Refs: s.open.refs, NonBlock: s.open.nonblock, CloExec: s.cloexec, Socket: s.open.sock.snapshot(),
		})
	}
	return out
}

// holder is one descriptor that names a socket.
type holder struct {
	ps *Process
	fd int
}

func (s *socket) hold(ps *Process, fd int) { s.holders = append(s.holders, holder{ps, fd}) }

func (o *open) hold(ps *Process, fd int) {
	if o.sock != nil {
		o.sock.hold(ps, fd)
	}
}

func (s *socket) release(ps *Process, fd int) {
	for i, h := range s.holders {
		if h.ps == ps && h.fd == fd {
			s.holders = append(s.holders[:i], s.holders[i+1:]...)
			return
		}
	}
}

// Origin implements [stack.Owner]: the oldest descriptor that names the socket.
func (s *socket) Origin() trace.Origin {
	if len(s.holders) == 0 {
		return trace.Origin{Host: s.st.Name()}
	}
	h := s.holders[0]
	o := h.ps.originOfProcess()
	o.FD, o.HasFD = h.fd, true
	return o
}

// Holders implements [stack.Owner].
func (s *socket) Holders() []trace.Origin {
	var out []trace.Origin
	for _, h := range s.holders {
		o := h.ps.originOfProcess()
		o.FD, o.HasFD = h.fd, true
		out = append(out, o)
	}
	return out
}
