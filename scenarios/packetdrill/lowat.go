package packetdrill

import (
	"math"

	"fivetuple/sockapi"
)

// This file plays TCP_NOTSENT_LOWAT, the option and the sysctl: a socket takes
// data, and is writable, only while little of it waits to be sent. The rules are
// those of Linux: sk_stream_memory_free, tcp_stream_memory_free, tcp_sendmsg.

// noLowat is the limit that never holds: the sysctl's default.
const noLowat = math.MaxUint32

// lowat is the limit of a socket: its own, or else the sysctl's.
func (r *runner) lowat(e *emulated) uint32 {
	switch {
	case e.lowat != 0:
		return e.lowat
	case r.host.notsentLowat != 0:
		return r.host.notsentLowat
	}
	return noLowat
}

// mayWrite is whether poll says POLLOUT, as far as this limit goes: twice what
// waits must be less. The stack's own answer counts too.
func (r *runner) mayWrite(e *emulated) bool {
	waits := e.written - min(e.written, e.sent)
	limit := r.lowat(e)
	return limit == noLowat || 2*waits < uint64(limit)
}

// limited passes data to the stack in what Linux's buffers would take: a new one
// is begun only while less than the limit waits, and then filled.
func (r *runner) limited(p Sockets, e *emulated, flags int64, limit uint32, size int, write func(from, to int) (int, error)) (int, error) {
	done := 0
	for done < size {
		room := r.room(p, e, limit)
		if room == 0 {
			if ready := r.awaitRoom(p, e, flags); ready {
				continue
			}
			if done == 0 {
				return -1, errnoError(sockapi.EAGAIN)
			}
			break
		}
		want := min(size-done, room)
		n, err := write(done, done+want)
		if err != nil && done == 0 {
			return n, err
		}
		if err != nil {
			break
		}
		done += n
		e.written += uint64(n)
		if n < want {
			break
		}
	}
	return done, nil
}

// room is what the buffer at the end of the queue can still take, or a new one.
func (r *runner) room(p Sockets, e *emulated, limit uint32) int {
	waits, err := p.Ioctl(e.fd, sockapi.SIOCOUTQNSD)
	if err != nil {
		return math.MaxInt // the write says why
	}
	goal := r.bufferSize(e.fd)
	if rest := waits % goal; rest != 0 {
		return goal - rest
	}
	if uint64(waits) < uint64(limit) {
		return goal
	}
	return 0
}

// awaitRoom waits until the socket is writable, unless it must not.
func (r *runner) awaitRoom(p Sockets, e *emulated, flags int64) bool {
	status, err := p.Fcntl(e.fd, sockapi.F_GETFL, 0)
	if err != nil || status&sockapi.O_NONBLOCK != 0 || flags&sockapi.MSG_DONTWAIT != 0 {
		return false
	}
	n, err := p.Poll([]sockapi.PollFD{{FD: e.fd, Events: sockapi.POLLOUT}}, -1)
	return err == nil && n > 0
}

// bufferSize is what Linux puts into one buffer: whole segments, up to 64 KiB
// and to half of the largest window that the peer has had (tcp_xmit_size_goal).
func (r *runner) bufferSize(fd int) int {
	const mostOfGSO, defaultMSS = 65536 - 1 - 320, 536
	c := r.connOf(fd)
	if c == nil {
		return mostOfGSO
	}
	size := c.maxWindow
	if size > defaultMSS {
		size /= 2
	}
	mss := max(c.mss, 1)
	return max(min(size, mostOfGSO)/mss, 1) * mss
}

// noteWindow keeps what bufferSize needs of a segment of the script's.
func (c *conn) noteWindow(t *TCP, bits byte, mtu int) {
	if bits&flagSYN != 0 {
		c.mss, c.scale = 536, -1
		for _, o := range t.Opts {
			switch o.Name {
			case "mss":
				c.mss = min(int(o.Value), mtu-40)
			case "wscale":
				c.scale = int(o.Value)
			case "TS":
				defer func() { c.mss -= 12 }()
			}
		}
	}
	window := *t.Win
	if bits&flagSYN == 0 && c.scale > 0 {
		window <<= min(c.scale, 14)
	}
	c.maxWindow = max(c.maxWindow, window)
}
