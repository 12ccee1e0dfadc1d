package sockapi

import (
	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/waiter"
)

// This file is what Linux keeps in struct sock besides the protocol's own
// state: the error that waits (sk_err) and what is shut down (sk_shutdown).

// The bits of sk_shutdown.
const (
	shutRD   = 1
	shutWR   = 2
	shutRDWR = shutRD | shutWR
)

// waiting is the error that waits for the next call, 0 if there is none.
// netstack keeps one error in two places, and gives each away once; whoever
// looks keeps it here.
func (s *socket) waiting() Errno {
	for {
		err := s.ep.LastError()
		if err == nil {
			return s.err
		}
		if s.err == 0 {
			s.err = errnoOf(err)
		}
	}
}

// takeError is waiting, and clears it: sock_error().
func (s *socket) takeError() Errno {
	e := s.waiting()
	s.err = 0
	return e
}

// state is the TCP state of a stream socket, CLOSED for others.
func (s *socket) state() trace.TCPState {
	switch {
	case s.family == AF_UNIX:
		return s.ep.(*unixEnd).state()
	case !s.stream():
		return trace.Closed
	}
	return s.st.State(s.ep)
}

// ended reports whether the socket had a connection, or tried to get one, that
// is over: tcp_done() has set sk_shutdown.
func (s *socket) ended() bool {
	return s.stream() && s.opened && s.state() == trace.Closed
}

// shutdown is sk_shutdown: what the program has shut down, and what the peer's
// FIN has.
func (s *socket) shutdown() int {
	if s.family == AF_UNIX {
		return s.shut | s.ep.(*unixEnd).shut()
	}
	if !s.stream() {
		return s.shut
	}
	switch s.state() {
	case trace.CloseWait, trace.Closing, trace.LastAck:
		return s.shut | shutRD
	case trace.TimeWait:
		return shutRDWR
	case trace.Closed:
		if s.opened {
			return shutRDWR
		}
	}
	return s.shut
}

// poll returns the events of events that hold now; POLLERR and POLLHUP are
// always reported: poll(2).
func (s *socket) poll(events int) int {
	got := 0
	switch {
	case s.family == AF_UNIX:
		got = s.ep.(*unixEnd).poll(s.waiting() != 0)
	case s.stream():
		got = s.pollStream()
	default:
		got = s.pollDatagram()
	}
	if s.filter != nil {
		got = s.filter(got)
	}
	return got & (events | POLLERR | POLLHUP)
}

// pollStream is tcp_poll of net/ipv4/tcp.c.
func (s *socket) pollStream() int {
	state := s.state()
	if state == trace.Listen {
		if s.shut&shutRD != 0 {
			return POLLOUT | POLLHUP // for Linux it has been closed: inet_shutdown
		}
		return s.ready(waiter.ReadableEvents, POLLIN)
	}
	got, shut := 0, s.shutdown()
	if shut == shutRDWR || state == trace.Closed {
		got |= POLLHUP
	}
	if shut&shutRD != 0 {
		got |= POLLIN | POLLRDHUP
	}
	switch {
	case state == trace.SynSent || state == trace.SynReceived:
	case state == trace.Closed || shut&shutWR != 0:
		got |= POLLOUT | s.ready(waiter.ReadableEvents, POLLIN)*boolInt(s.opened)
	default:
		got |= s.ready(waiter.ReadableEvents, POLLIN) | s.ready(waiter.WritableEvents, POLLOUT)
	}
	if s.ended() && s.waiting() != 0 {
		got |= POLLERR
	}
	return got
}

// pollDatagram is datagram_poll of net/core/datagram.c.
func (s *socket) pollDatagram() int {
	got := s.ready(waiter.ReadableEvents, POLLIN) | s.ready(waiter.WritableEvents, POLLOUT)
	if s.waiting() != 0 || len(s.errs.list) > 0 {
		got |= POLLERR
	}
	if s.shut&shutRD != 0 {
		got |= POLLIN | POLLRDHUP
	}
	if s.shut == shutRDWR {
		got |= POLLHUP
	}
	return got
}

// ready returns event if the end point is ready for one of mask.
func (s *socket) ready(mask waiter.EventMask, event int) int {
	if s.ep.Readiness(mask)&mask != 0 {
		return event
	}
	return 0
}
