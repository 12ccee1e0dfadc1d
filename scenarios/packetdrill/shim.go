package packetdrill

import (
	"time"

	"fivetuple/sockapi"
)

// This file has what scripts use of Linux's socket API that sockapi does not
// have, where the runner can tell what Linux would say. docs/packetdrill.md
// lists it.

// Linux's option for the length of the receive queue, and the control message
// that then comes with what is received: <linux/tcp.h>.
const (
	tcpINQ   = 36
	tcpCMINQ = tcpINQ
)

// setINQ is setsockopt(TCP_INQ).
func (r *runner) setINQ(fd, level, num int, v any) bool {
	n, ok := v.(int)
	if !r.tgt.Lacks("TCP_INQ") {
		return false
	}
	if level != sockapi.IPPROTO_TCP || num != tcpINQ || !ok {
		return false
	}
	if r.inq == nil {
		r.inq = make(map[int]bool)
	}
	r.inq[fd] = n != 0
	return true
}

// addINQ adds the control message of TCP_INQ: the bytes that are left. At the
// end of the stream it is 1, as in Linux.
func (r *runner) addINQ(p Sockets, fd int, m *sockapi.Msg) {
	if !r.inq[fd] {
		return
	}
	left, err := p.Ioctl(fd, sockapi.FIONREAD)
	if err != nil {
		return
	}
	if left == 0 && r.cur != nil && r.cur.fd == fd && r.cur.finSeen {
		left = 1
	}
	m.Control = append(m.Control, sockapi.Cmsg{Level: sockapi.IPPROTO_TCP, Type: tcpCMINQ, Value: left})
}

// derivedInfo are fields of struct tcp_info that follow from what the script
// has sent.
var derivedInfo = map[string]func(r *runner) int64{
	"tcpi_last_data_recv": func(r *runner) int64 { return (r.tgt.Now() - r.cur.lastData).Milliseconds() },
	"tcpi_last_ack_recv":  func(r *runner) int64 { return (r.tgt.Now() - r.cur.lastAck).Milliseconds() },
}

// noteInbound keeps what derivedInfo and addINQ need.
func (c *conn) noteInbound(t *TCP, bits byte, now time.Duration) {
	if t.Len > 0 || bits&flagACK != 0 && !c.joined {
		c.lastData = now // Linux counts from the end of the handshake
	}
	c.joined = c.joined || bits&flagACK != 0
	if bits&flagACK != 0 {
		c.lastAck = now
	}
	if bits&flagFIN != 0 {
		c.finSeen = true
	}
}

// mtuRoom is what --allow=sack-room adds to the MTU, so that the room for SACK
// blocks does not come out of the segments.
const mtuRoom = 40

// hideRoom takes the room out of the MSS that the host offers, if it follows
// from its MTU.
func hideRoom(s *segment, mtu int) {
	headers := int64(40)
	if s.src.Is6() {
		headers = 60
	}
	for i := range s.opts {
		if s.opts[i].Name == "mss" && s.opts[i].Value == int64(mtu)+mtuRoom-headers {
			s.opts[i].Value -= mtuRoom
		}
	}
}
