package packetdrill

import (
	"fmt"
	"time"

	"fivetuple/sockapi"
)

// This file is the error queue of a stream socket, which recvmsg reads with
// MSG_ERRQUEUE: it has no errors, but notices about what was sent.

// Values of struct sock_extended_err: <linux/errqueue.h>.
const (
	originTimestamping = 4
	originZeroCopy     = 5
	codeCopied         = 1  // SO_EE_CODE_ZEROCOPY_COPIED
	errnoNoMessage     = 42 // ENOMSG, which Linux says with a timestamp
)

// notice is one entry of the queue.
type notice struct {
	sockapi.ExtendedErr
	stamped bool          // it comes with SCM_TIMESTAMPING
	at      time.Duration // the timestamp
	packet  bool          // the packet comes with it
}

// recvmsg is recvmsg with what is played: the error queue and TCP_INQ.
func (r *runner) recvmsg(p Sockets, fd int, m *sockapi.Msg, flags int) (int, error) {
	e := r.emulated(fd)
	if flags&sockapi.MSG_ERRQUEUE == 0 || e == nil || len(e.errs) == 0 {
		n, err := p.Recvmsg(fd, m, flags)
		if err == nil && flags&sockapi.MSG_ERRQUEUE == 0 {
			r.addINQ(p, fd, m)
		}
		return n, err
	}
	n := e.errs[0]
	e.errs = e.errs[1:]
	m.Flags = sockapi.MSG_ERRQUEUE
	if n.packet {
		m.Flags |= sockapi.MSG_TRUNC // its bytes are not played: there is no room for them
	}
	if n.stamped {
		m.Control = append(m.Control, sockapi.Cmsg{Level: sockapi.SOL_SOCKET, Type: soTimestamping, Value: Timestamps{n.at}})
	}
	level, typ := sockapi.IPPROTO_IP, sockapi.IP_RECVERR
	if r.set.IPVersion != IPv4 {
		level, typ = sockapi.IPPROTO_IPV6, sockapi.IPV6_RECVERR
	}
	m.Control = append(m.Control, sockapi.Cmsg{Level: level, Type: typ, Value: n.ExtendedErr})
	return 0, nil
}

// compareTimestamp compares struct scm_timestamping, {scm_sec=0,scm_nsec=10000000}:
// a script counts from its beginning.
func (a *callArgs) compareTimestamp(e Expr, got Timestamps) string {
	want := time.Duration(a.intField(e, "scm_sec", 0))*time.Second + time.Duration(a.intField(e, "scm_nsec", 1))
	at := got[0] - a.r.zero
	if late, bad := a.r.deviation(at, want, want, a.r.tolerance(0)); bad {
		return fmt.Sprintf("scm_timestamping: expected %s, got %s: off by %s s", formatSeconds(want), formatSeconds(at), formatSeconds(late.Abs()))
	}
	return ""
}
