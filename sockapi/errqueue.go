package sockapi

import (
	"net/netip"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/waiter"
)

// This file is the error queue of a datagram socket: IP_RECVERR, ip(7). It is
// filled from the ICMP errors that the host receives, since netstack reports
// one of them alone, and not who sent it.

// queuedErr is one entry: the error, and what of the packet came back with it.
type queuedErr struct {
	ExtendedErr
	v6      bool
	dst     netip.AddrPort // where the packet was going
	payload []byte
}

// errQueue is a socket's error queue. v4 and v6 are IP_RECVERR and IPV6_RECVERR.
type errQueue struct {
	v4, v6 bool
	list   []queuedErr
	stop   func() // ends the watch for ICMP errors
}

// maxErrors bounds the queue; Linux bounds it by SO_RCVBUF.
const maxErrors = 256

// recvErr sets IP_RECVERR or IPV6_RECVERR. Turning it off empties the queue.
func (s *socket) recvErr(flag *bool, on bool) {
	*flag = on
	q := &s.errs
	switch {
	case (q.v4 || q.v6) && q.stop == nil && !s.stream():
		q.stop = s.st.WatchICMP(s.icmpError)
	case !q.v4 && !q.v6:
		s.stopErrors()
	}
}

func (s *socket) stopErrors() {
	if s.errs.stop != nil {
		s.errs.stop()
	}
	s.errs = errQueue{}
}

// icmpError queues an ICMP error that is about a packet of this socket's
// (udp_err, raw_err, ping_err of net/ipv4).
func (s *socket) icmpError(e stack.ICMPError) {
	if e.V6 && !s.errs.v6 || !e.V6 && !s.errs.v4 || !s.sent(&e) {
		return
	}
	errno, ok := icmpErrno(&e)
	if !ok || len(s.errs.list) >= maxErrors {
		return
	}
	origin := SO_EE_ORIGIN_ICMP
	if e.V6 {
		origin = SO_EE_ORIGIN_ICMP6
	}
	payload := e.Payload
	if s.typ == SOCK_DGRAM && s.proto == IPPROTO_UDP {
		payload = payload[min(8, len(payload)):]
	}
	dst := e.Dst
	if s.family == AF_INET6 && dst.Addr().Is4() {
		dst = netip.AddrPortFrom(netip.AddrFrom16(dst.Addr().As16()), dst.Port())
	}
	s.errs.list = append(s.errs.list, queuedErr{
		ExtendedErr: ExtendedErr{Errno: errno, Origin: origin, Type: int(e.Type), Code: int(e.Code), Info: int(e.Info), Offender: e.From},
		v6:          e.V6, dst: dst, payload: payload,
	})
	s.waiting()
	s.err = errno
	s.wq.Notify(waiter.EventErr)
}

// sent reports whether the packet that an error quotes was this socket's.
func (s *socket) sent(e *stack.ICMPError) bool {
	if int(e.Proto) != s.proto {
		return false
	}
	local, err := s.ep.GetLocalAddress()
	if err != nil {
		return false
	}
	addr := stack.Addr(local.Addr).Unmap()
	if s.typ != SOCK_RAW && local.Port != e.Src.Port() || specified(addr) && addr != e.Src.Addr() {
		return false
	}
	remote, err := s.ep.GetRemoteAddress()
	if err != nil {
		return true // not connected
	}
	return stack.Addr(remote.Addr).Unmap() == e.Dst.Addr() && (s.proto != IPPROTO_UDP || remote.Port == e.Dst.Port())
}

// icmpErrno is what Linux makes of an ICMP error: icmp_err_convert,
// icmpv6_err_convert. ok is false for one that it does not report.
func icmpErrno(e *stack.ICMPError) (errno Errno, ok bool) {
	if e.V6 {
		return icmp6Errno(e)
	}
	switch e.Type {
	case 3:
		table := [...]Errno{ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED, EMSGSIZE, EOPNOTSUPP, ENETUNREACH, EHOSTDOWN,
			ENONET, ENETUNREACH, EHOSTUNREACH, ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH}
		if int(e.Code) >= len(table) {
			return EHOSTUNREACH, true
		}
		return table[e.Code], true
	case 11:
		return EHOSTUNREACH, true
	case 12:
		return EPROTO, true
	}
	return 0, false
}

func icmp6Errno(e *stack.ICMPError) (errno Errno, ok bool) {
	switch e.Type {
	case 1:
		table := [...]Errno{ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED, EACCES, EACCES}
		if int(e.Code) >= len(table) {
			return EPROTO, true
		}
		return table[e.Code], true
	case 2:
		return EMSGSIZE, true
	case 3:
		return EHOSTUNREACH, true
	case 4:
		return EPROTO, true
	}
	return 0, false
}

// dequeue takes the first entry off the error queue. The error of the next one,
// if there is one, is the one that waits then: sock_dequeue_err_skb.
func (s *socket) dequeue() (queuedErr, Errno) {
	q := &s.errs
	if len(q.list) == 0 {
		return queuedErr{}, EAGAIN
	}
	e := q.list[0]
	q.list = q.list[1:]
	s.takeError()
	if len(q.list) > 0 {
		s.err = q.list[0].Errno
	}
	return e, 0
}

// recvErrQueue is recvmsg with MSG_ERRQUEUE: it never waits.
func (r *receive) recvErrQueue() Errno {
	e, errno := r.s.dequeue()
	if errno != 0 {
		return errno
	}
	r.got = copy(r.buf, e.payload)
	r.total, r.from = len(e.payload), e.dst
	level, typ := IPPROTO_IP, IP_RECVERR
	if e.v6 {
		level, typ = IPPROTO_IPV6, IPV6_RECVERR
	}
	r.control = append(r.control, Cmsg{level, typ, e.ExtendedErr})
	return 0
}
