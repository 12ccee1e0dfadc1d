package sockapi

import "fivetuple/trace"

// maxFDs is the size of a descriptor table: RLIMIT_NOFILE's usual hard limit.
const maxFDs = 1 << 20

// firstFD is the lowest number a process can get: 0, 1 and 2 are standard
// input, output and error.
const firstFD = 3

// open is an open file description: what dup and fork share.
type open struct {
	sock     *socket
	refs     int
	nonblock bool // O_NONBLOCK belongs to the description, not the descriptor
}

type slot struct {
	open    *open
	cloexec bool
}

// table is a descriptor table. The zero value has 0 to 2 taken.
type table struct {
	slots []slot // index is the descriptor; shorter than firstFD means empty
	free  int    // no free descriptor is below this
}

// get returns the description that fd names.
func (t *table) get(fd int) (*open, Errno) {
	if fd < 0 || fd >= len(t.slots) || t.slots[fd].open == nil {
		if fd >= 0 && fd < firstFD {
			return nil, ENOTSOCK // standard input, output or error
		}
		return nil, EBADF
	}
	return t.slots[fd].open, 0
}

// add puts o at the lowest free descriptor (POSIX 2.6).
func (t *table) add(o *open, cloexec bool) (int, Errno) {
	fd := max(t.free, firstFD)
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

// remove takes fd out and reports whether the description lost its last name.
func (t *table) remove(fd int) (o *open, last bool) {
	o = t.slots[fd].open
	t.slots[fd] = slot{}
	t.free = min(t.free, fd)
	o.refs--
	return o, o.refs == 0
}

// copyFor copies the table for a forked child.
func (t *table) copyFor(child *Process) table {
	c := table{slots: append([]slot(nil), t.slots...), free: t.free}
	for fd, s := range c.slots {
		if s.open != nil {
			s.open.refs++
			s.open.sock.hold(child, fd)
		}
	}
	return c
}

// FDs lists the process's descriptors in order, without 0 to 2.
func (ps *Process) FDs() []trace.FD {
	var out []trace.FD
	for fd, s := range ps.table.slots {
		if s.open == nil {
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
