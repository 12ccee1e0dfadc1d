package packetdrill

import (
	"maps"
	"slices"

	"fivetuple/sockapi"
)

// This file and errqueue.go, zerocopy.go, stamps.go, lowat.go and badptr.go play
// parts of Linux's socket API that netstack does not have, for scripts alone.
// They are worked out around the stack: from what the calls of the script have
// passed to it, what it has sent and what it still keeps. docs/packetdrill.md
// lists them.

// Options that are played: <asm-generic/socket.h>, <linux/tcp.h>.
const (
	soTimestamping  = 37
	soZeroCopy      = 60
	tcpNotsentLowat = 25
)

// emulated is what is played of one stream socket. Numbers of bytes count from
// the beginning of the stream that the host sends.
type emulated struct {
	fd      int
	written uint64 // what its calls have passed to the stack
	sent    uint64 // what has been on the wire
	acked   uint64 // what the stack has dropped as acknowledged
	errs    []notice
	zeroCopy
	stamping
	lowat    uint32 // TCP_NOTSENT_LOWAT
	writable bool   // what the filter has said last
	changed  func() // wakes whoever waits for the socket; nil: nothing is filtered
}

// emulated is the state of one of our descriptors; nil if it is no stream, or if
// nothing is played, since the host is Linux.
func (r *runner) emulated(fd int) *emulated { return r.emu[fd] }

// opened notes a new stream socket; an accepted one inherits what its listener
// has.
func (r *runner) opened(fd int, from *emulated) {
	if r.emu == nil {
		return
	}
	e := &emulated{fd: fd}
	if from != nil {
		e.zeroCopy.on, e.stamping.flags, e.lowat = from.zeroCopy.on, from.stamping.flags, from.lowat
	}
	r.emu[fd] = e
}

// setEmulated is setsockopt of what is played.
func (r *runner) setEmulated(fd, level, num int, v any) (bool, error) {
	n, isInt := v.(int)
	e := r.emulated(fd)
	if e == nil || !isInt {
		return false, nil
	}
	switch {
	case level == sockapi.SOL_SOCKET && num == soZeroCopy:
		if n < 0 || n > 1 {
			return true, errnoError(sockapi.EINVAL)
		}
		e.zeroCopy.on = n == 1
	case level == sockapi.SOL_SOCKET && num == soTimestamping:
		return true, r.setStamping(e, n)
	case level == sockapi.IPPROTO_TCP && num == tcpNotsentLowat:
		e.lowat = uint32(n)
	default:
		return false, nil
	}
	return true, nil
}

// getEmulated is getsockopt of what is played.
func (r *runner) getEmulated(fd, level, num int) (any, bool) {
	e := r.emulated(fd)
	switch {
	case e == nil:
	case level == sockapi.SOL_SOCKET && num == soZeroCopy:
		n := 0
		if e.zeroCopy.on {
			n = 1
		}
		return n, true
	case level == sockapi.SOL_SOCKET && num == soTimestamping:
		return e.stamping.flags, true
	case level == sockapi.IPPROTO_TCP && num == tcpNotsentLowat:
		return int(e.lowat), true
	}
	return nil, false
}

// transmit makes a call that sends size bytes; write passes a part of them to
// the stack. flags are those of the script.
func (r *runner) transmit(p Sockets, fd int, flags int64, size int, write func(from, to int) (int, error)) (int, error) {
	e := r.emulated(fd)
	if e == nil {
		return write(0, size)
	}
	r.filter(p, e)
	var n int
	var err error
	if limit := r.lowat(e); limit != noLowat && size > 0 && r.connected(fd) {
		n, err = r.limited(p, e, flags, limit, size, write)
	} else if n, err = write(0, size); err == nil {
		e.written += uint64(n)
	}
	if err == nil && n > 0 {
		e.zeroCopy.wrote(e, flags&msgZeroCopy != 0)
		e.stamping.wrote(e, r.tgt.Now())
	}
	return n, err
}

// filter has poll see what is played, as soon as there is something.
func (r *runner) filter(p Sockets, e *emulated) {
	if e.changed != nil || !e.zeroCopy.on && e.stamping.flags == 0 && r.lowat(e) == noLowat {
		return
	}
	e.writable = true
	e.changed, _ = p.(*sockapi.Proc).FilterPoll(e.fd, func(events int) int {
		if e.writable = r.mayWrite(e); !e.writable {
			events &^= sockapi.POLLOUT
		}
		if len(e.errs) > 0 {
			events |= sockapi.POLLERR // tcp_poll
		}
		return events
	})
}

// segmentSent notes data that the host has put on the wire.
func (r *runner) segmentSent(c *conn, s *segment) {
	e := r.emulated(c.fd)
	if e == nil || len(s.payload) == 0 || r.connOf(c.fd) != c {
		return
	}
	// The distance is counted from what has been sent, so that it wraps.
	from := e.sent + uint64(int64(int32(s.seq-c.localISN-1-uint32(e.sent))))
	to := from + uint64(len(s.payload))
	e.sent = max(e.sent, to)
	e.stamping.sent(e, from, to, r.tgt.Now())
}

// settle notices what the stack has done with what was sent. It reports whether
// somebody may have been woken.
func (r *runner) settle() (woken bool) {
	for _, fd := range slices.Sorted(maps.Keys(r.emu)) {
		e := r.emu[fd]
		if e.changed == nil {
			continue
		}
		e.acked = e.written - min(e.written, uint64(r.queued(fd)))
		had, could := len(e.errs), e.writable
		some := e.zeroCopy.acked(e)
		e.stamping.acked(e, r.tgt.Now())
		if some || len(e.errs) > had || !could && r.mayWrite(e) {
			e.changed()
			woken = true
		}
	}
	return woken
}

// queued is the number of bytes that the stack keeps until they are
// acknowledged.
func (r *runner) queued(fd int) int { return r.tgt.(*netstack).queued(fd) }

// errnoError is the error of a call that is played.
func errnoError(e sockapi.Errno) error { return &sockapi.Error{Errno: e} }

// connected reports whether the socket's connection has been established.
func (r *runner) connected(fd int) bool {
	c := r.connOf(fd)
	return c != nil && c.haveLocal && c.haveRemote
}

// connOf is the connection of a stream socket: the last one that had the
// descriptor.
func (r *runner) connOf(fd int) (last *conn) {
	for _, c := range r.conns {
		if c.fd == fd && !c.udp && (last == nil || c.serial > last.serial) {
			last = c
		}
	}
	return last
}
