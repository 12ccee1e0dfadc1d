package sockapi

import "gvisor.dev/gvisor/pkg/waiter"

// FilterPoll lets filter change what poll(2), select(2) and epoll_wait(2) say of
// a socket: it is given the events that hold, and returns those that are to. It
// is for whoever plays a part of the socket API around the stack, such as an
// error queue; filter may be called at any point of a call, and makes none.
// changed is to be called when filter would say more than before: it wakes what
// waits for the socket, and is the edge of EPOLLET. The error is EBADF or
// ENOTSOCK.
func (p *Proc) FilterPoll(fd int, filter func(events int) int) (changed func(), err error) {
	o, errno := p.table.get(fd)
	if errno == 0 && o.sock == nil {
		errno = ENOTSOCK
	}
	if errno != 0 {
		return nil, errno
	}
	s := o.sock
	s.filter = filter
	return func() { s.wq.Notify(waiter.EventErr | waiter.WritableEvents) }, nil
}
