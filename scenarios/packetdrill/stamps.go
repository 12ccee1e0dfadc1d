package packetdrill

import (
	"slices"
	"time"

	"fivetuple/sockapi"
)

// This file plays SO_TIMESTAMPING of a stream that is sent: when the last byte
// of each send was queued to the device, sent, and acknowledged:
// Documentation/networking/timestamping.rst of Linux. A link of the runner's has
// no queue, so that the first two are one instant.

// Flags of SO_TIMESTAMPING: <linux/net_tstamp.h>.
const (
	stampSent     = 1 << 1 // TX_SOFTWARE
	stampReport   = 1 << 4 // SOFTWARE
	stampID       = 1 << 7 // OPT_ID
	stampSched    = 1 << 8 // TX_SCHED
	stampAck      = 1 << 9 // TX_ACK
	stampNoPacket = 1 << 11
	stampPlayed   = stampSent | stampReport | stampID | stampSched | stampAck | stampNoPacket
	stampHardware = 1<<0 | 1<<2 | 1<<5 | 1<<6 // there is no hardware that could

	tstampSnd, tstampSched, tstampAck = 0, 1, 2 // SCM_TSTAMP_SND...
)

// stamping is SO_TIMESTAMPING of a socket.
type stamping struct {
	flags int
	base  uint64 // what was acknowledged when OPT_ID was set: keys count from it
	marks []stampMark
	sends []stampSend // segments of this instant
}

// stampMark is a byte that gets timestamps, by the number of the one after it.
type stampMark struct {
	end   uint64
	flags int
}

// stampSend is a segment that was sent: a call is over after it has left.
type stampSend struct {
	from, to uint64
	at       time.Duration
}

// setStamping is setsockopt(SO_TIMESTAMPING).
func (r *runner) setStamping(e *emulated, flags int) error {
	if bad := flags &^ (stampPlayed | stampHardware); bad != 0 {
		panic(unsupported(r.line, "SO_TIMESTAMPING", "flags %#x: the runner plays TX_SCHED, TX_SOFTWARE, TX_ACK, SOFTWARE, OPT_ID and OPT_TSONLY", bad))
	}
	s := &e.stamping
	if flags&stampID != 0 && s.flags&stampID == 0 {
		if !r.connected(e.fd) {
			return errnoError(sockapi.EINVAL) // sock_set_timestamping: there is no number to count from
		}
		s.base = e.written - min(e.written, uint64(r.queued(e.fd)))
	}
	s.flags = flags
	return nil
}

// wrote marks the last byte of a send. While the one before has not left, its
// mark is lost: both are in one buffer, which has one key.
func (s *stamping) wrote(e *emulated, now time.Duration) {
	if s.flags&(stampSent|stampSched|stampAck) == 0 {
		return
	}
	s.marks = slices.DeleteFunc(s.marks, func(m stampMark) bool { return m.end > e.sent })
	m := stampMark{e.written, s.flags}
	s.marks = append(s.marks, m)
	for _, k := range s.sends {
		if k.at == now {
			s.left(e, m, k, now)
		}
	}
}

// sent queues the notices of a byte that is on the wire, also if it is there
// again.
func (s *stamping) sent(e *emulated, from, to uint64, now time.Duration) {
	k := stampSend{from, to, now}
	s.sends = append(slices.DeleteFunc(s.sends, func(k stampSend) bool { return k.at != now }), k)
	for _, m := range s.marks {
		s.left(e, m, k, now)
	}
}

// left queues the notices of a byte if it is in a segment.
func (s *stamping) left(e *emulated, m stampMark, k stampSend, now time.Duration) {
	if m.end > k.from && m.end <= k.to {
		s.queue(e, m, stampSched, tstampSched, now)
		s.queue(e, m, stampSent, tstampSnd, now)
	}
}

// acked queues the notices of bytes that have been acknowledged.
func (s *stamping) acked(e *emulated, now time.Duration) {
	for len(s.marks) > 0 && s.marks[0].end <= e.acked {
		s.queue(e, s.marks[0], stampAck, tstampAck, now)
		s.marks = s.marks[1:]
	}
}

func (s *stamping) queue(e *emulated, m stampMark, flag, kind int, now time.Duration) {
	if m.flags&flag == 0 {
		return
	}
	n := notice{ExtendedErr: sockapi.ExtendedErr{Errno: errnoNoMessage, Origin: originTimestamping, Info: kind}, at: now}
	n.stamped, n.packet = s.flags&stampReport != 0, s.flags&stampNoPacket == 0
	if s.flags&stampID != 0 {
		n.Data = int(uint32(m.end - 1 - s.base))
	}
	e.errs = append(e.errs, n)
}
