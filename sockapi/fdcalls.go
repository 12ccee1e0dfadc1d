package sockapi

import (
	"fmt"
	"time"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Close gives up a descriptor: close(2). The connection is closed with its
// last descriptor: dup and fork add descriptors.
func (p *Proc) Close(fd int) error {
	c := p.begin("close", fd, itoa(fd))
	if _, errno := p.table.get(fd); errno != 0 {
		return c.ret("0", errno)
	}
	return p.close(c, fd)
}

func (p *Proc) close(c *call, fd int) error {
	o := p.table.remove(fd)
	c.after = func() { o.release(p.Process, fd) }
	if o.unused() {
		o.end(p, c)
	}
	return c.ret("0", 0)
}

// finish implements [file].
func (s *socket) finish(p *Proc, c *call) {
	s.handshakeOver()
	s.stopErrors()
	s.ep.Close()
	s.st.Touch()
	if c == nil {
		p.kernel.AfterCall(s.ep, true)
		s.st.Own(s.ep, nil)
		return
	}
	c.sock, c.all = s, true // closing a listener ends what waits in its queue
	release := c.after
	c.after = func() {
		release()
		s.st.Own(s.ep, nil)
	}
	c.linger(s)
}

// linger waits, after a close with SO_LINGER and a time, until everything is
// sent and acknowledged, or that time has passed: socket(7).
func (c *call) linger(s *socket) {
	l := s.ep.SocketOptions().GetLinger()
	if !l.Enabled || l.Timeout <= 0 || !s.stream() {
		return
	}
	// netstack does not announce that the last byte is acknowledged.
	defer s.st.Watch(c.p.parker.Wake)()
	c.block(c.p.Now()+l.Timeout, func() Errno {
		switch s.state() {
		case trace.FinWait1, trace.Closing, trace.LastAck:
			return EAGAIN
		}
		return 0
	})
}

// closeFD closes without a trace of a call: the process has ended.
func (p *Proc) closeFD(fd int) {
	o := p.table.remove(fd)
	if o.unused() {
		o.end(p, nil)
	}
	o.release(p.Process, fd)
}

// letGo ends a call on o. If the last descriptor has been closed meanwhile,
// the file is closed now.
func (p *Proc) letGo(o *open) {
	o.calls--
	if o.unused() {
		o.end(p, nil)
	}
}

// Dup gives a second descriptor, the lowest free one, to the same open file:
// dup(2).
func (p *Proc) Dup(fd int) (int, error) {
	c := p.begin("dup", fd, itoa(fd))
	o, errno := c.anyFile()
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	nfd, errno := p.table.add(o, false)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	o.hold(p.Process, nfd)
	return nfd, c.ret(itoa(nfd), 0)
}

// Dup2 makes newfd another descriptor of the open file of fd, and closes what
// newfd named before: dup2(2).
func (p *Proc) Dup2(fd, newfd int) (int, error) {
	c := p.begin("dup2", fd, itoa(fd)+", "+itoa(newfd))
	o, errno := c.anyFile()
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	if newfd < 0 || newfd >= maxFDs {
		return -1, c.ret("", EBADF)
	}
	if newfd == fd {
		return fd, c.ret(itoa(fd), 0)
	}
	if _, errno := p.table.get(newfd); errno == 0 {
		old := p.table.remove(newfd)
		c.after = func() { old.release(p.Process, newfd) }
		if old.unused() {
			old.end(p, c)
		}
	}
	p.table.put(newfd, o)
	o.hold(p.Process, newfd)
	return newfd, c.ret(itoa(newfd), 0)
}

// Fcntl reads and sets flags: fcntl(2) with F_GETFL, F_SETFL, F_GETFD and
// F_SETFD. Of the status flags, O_NONBLOCK can be set.
func (p *Proc) Fcntl(fd, cmd, arg int) (int, error) {
	c := p.begin("fcntl", fd, fcntlArgs(fd, cmd, arg))
	o, errno := c.anyFile()
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	result := 0
	switch cmd {
	case F_GETFL:
		result = O_RDWR
		if o.nonblock {
			result |= O_NONBLOCK
		}
	case F_SETFL:
		o.nonblock = arg&O_NONBLOCK != 0
	case F_GETFD:
		if p.table.slots[fd].cloexec {
			result = FD_CLOEXEC
		}
	case F_SETFD:
		p.table.slots[fd].cloexec = arg&FD_CLOEXEC != 0
	default:
		return -1, c.ret("", EINVAL)
	}
	return result, c.ret(fmt.Sprintf("%#x", result), 0)
}

func fcntlArgs(fd, cmd, arg int) string {
	switch cmd {
	case F_GETFL:
		return fmt.Sprintf("%d, F_GETFL", fd)
	case F_GETFD:
		return fmt.Sprintf("%d, F_GETFD", fd)
	case F_SETFL:
		return fmt.Sprintf("%d, F_SETFL, %s", fd, flagString(arg, []flagName{{O_RDWR, "O_RDWR"}, {O_NONBLOCK, "O_NONBLOCK"}}))
	case F_SETFD:
		return fmt.Sprintf("%d, F_SETFD, %s", fd, flagString(arg, []flagName{{FD_CLOEXEC, "FD_CLOEXEC"}}))
	}
	return fmt.Sprintf("%d, %d, %d", fd, cmd, arg)
}

// PollFD is one entry of poll(2): the descriptor, what is asked, what is so.
type PollFD struct {
	FD      int
	Events  int
	Revents int
}

// Poll waits until one of the descriptors is ready, or for timeout: poll(2). A
// negative timeout waits for ever. It fills in Revents and returns how many
// are not zero. A negative descriptor is passed over.
func (p *Proc) Poll(fds []PollFD, timeout time.Duration) (int, error) {
	c := p.beginWith("poll", noFD, pollArguments(fds, timeout))
	var on []wait
	for _, f := range fds {
		if o, errno := p.table.get(f.FD); errno == 0 && o.waitQueue() != nil {
			o.calls++
			defer p.letGo(o)
			on = append(on, wait{o.waitQueue(), pollMask(f.Events)})
		}
	}
	deadline := NoDeadline
	if timeout >= 0 {
		deadline = p.after(timeout)
	}
	n := 0
	c.block(deadline, func() Errno {
		if n = p.pollOnce(fds); n == 0 {
			return EAGAIN
		}
		return 0
	}, on...)
	return n, c.ret(pollResult(n, fds), 0)
}

// pollMask is what to be notified of for poll events: errors always.
func pollMask(events int) waiter.EventMask {
	mask := waiter.EventErr | waiter.EventHUp
	if events&(POLLIN|POLLRDHUP) != 0 {
		mask |= waiter.ReadableEvents | waiter.EventRdHUp
	}
	if events&POLLOUT != 0 {
		mask |= waiter.WritableEvents
	}
	return mask
}

func (p *Proc) pollOnce(fds []PollFD) int {
	n := 0
	for i := range fds {
		f := &fds[i]
		f.Revents = 0
		if f.FD < 0 {
			continue
		}
		o, errno := p.table.get(f.FD)
		f.Revents = POLLNVAL
		if errno == 0 {
			f.Revents = o.poll(f.Events)
		}
		if f.Revents != 0 {
			n++
		}
	}
	return n
}

func pollArguments(fds []PollFD, timeout time.Duration) arguments {
	if len(fds) == 0 {
		return arguments{text: pollArgs(fds, timeout)}
	}
	return arguments{polled: fds, timeout: timeout}
}

func pollArgs(fds []PollFD, timeout time.Duration) string {
	s := "["
	for i, f := range fds {
		if i > 0 {
			s += ", "
		}
		s += itoa(f.FD) + ":" + PollString(f.Events)
	}
	if timeout < 0 {
		return s + "], -1"
	}
	return s + "], " + timeout.String()
}

func pollResult(n int, fds []PollFD) string {
	if n == 0 {
		return "0 (timeout)"
	}
	s := itoa(n) + " ["
	for _, f := range fds {
		if f.Revents != 0 {
			s += itoa(f.FD) + ":" + PollString(f.Revents) + " "
		}
	}
	return s[:len(s)-1] + "]"
}
