package sockapi

import (
	"fmt"
	"time"
)

// fdSetSize is FD_SETSIZE: the largest descriptor of a set, plus one.
const fdSetSize = 1024

// Select waits until a descriptor of one of the three sets is ready for
// reading, for writing, or has an exceptional condition, or for timeout:
// select(2). A negative timeout waits for ever. It returns the members that
// are ready; readable includes end of stream and errors, as on Linux.
func (p *Proc) Select(read, write, except []int, timeout time.Duration) (r, w, e []int, err error) {
	t := "NULL"
	if timeout >= 0 {
		t = timeout.String()
	}
	c := p.begin("select", noFD, fmt.Sprintf("%s, %s, %s, %s", fdSet(read), fdSet(write), fdSet(except), t))
	var on []wait
	sets := []selectSet{{read, POLLIN, POLLIN | POLLHUP | POLLERR}, {write, POLLOUT, POLLOUT | POLLERR}, {except, POLLPRI, POLLPRI}}
	for _, s := range sets {
		for _, fd := range s.fds {
			if fd < 0 || fd >= fdSetSize {
				return nil, nil, nil, c.ret("", EINVAL)
			}
			o, errno := p.table.get(fd)
			if errno != 0 {
				return nil, nil, nil, c.ret("", errno)
			}
			if q := o.waitQueue(); q != nil {
				o.calls++
				defer p.letGo(o)
				on = append(on, wait{q, pollMask(s.ask)})
			}
		}
	}
	deadline := NoDeadline
	if timeout >= 0 {
		deadline = p.after(timeout)
	}
	n := 0
	c.block(deadline, func() Errno {
		r, w, e = p.ready(sets[0]), p.ready(sets[1]), p.ready(sets[2])
		if n = len(r) + len(w) + len(e); n == 0 {
			return EAGAIN
		}
		return 0
	}, on...)
	result := "0 (timeout)"
	if n > 0 {
		result = fmt.Sprintf("%d (%s, %s, %s)", n, fdSet(r), fdSet(w), fdSet(e))
	}
	return r, w, e, c.ret(result, 0)
}

// selectSet is one of select's sets: which poll events it asks for, and which
// make a member ready (POLLIN_SET and so on in Linux's fs/select.c).
type selectSet struct {
	fds        []int
	ask, ready int
}

// ready returns the members of a set that are ready.
func (p *Proc) ready(s selectSet) []int {
	var out []int
	for _, fd := range s.fds {
		if o, errno := p.table.get(fd); errno == 0 && o.poll(s.ask)&s.ready != 0 {
			out = append(out, fd)
		}
	}
	return out
}

func fdSet(fds []int) string {
	if len(fds) == 0 {
		return "{}"
	}
	s := "{"
	for i, fd := range fds {
		if i > 0 {
			s += " "
		}
		s += itoa(fd)
	}
	return s + "}"
}
