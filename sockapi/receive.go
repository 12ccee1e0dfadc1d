package sockapi

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// receive is one receiving call in progress.
type receive struct {
	p     *Proc
	s     *socket
	buf   []byte
	flags int
	wait  bool // whether the call may block
	got   int
	from  netip.AddrPort
	total int // the datagram's whole length

	control []Cmsg
	link    LinkAddr // of a packet socket
}

// try receives what is there. EAGAIN means: nothing yet, or not all of what
// MSG_WAITALL wants.
func (r *receive) try() Errno {
	if r.flags&MSG_ERRQUEUE != 0 {
		return r.recvErrQueue()
	}
	if !r.s.stream() {
		return r.datagram()
	}
	if len(r.buf) == 0 {
		return r.nothing()
	}
	if r.flags&MSG_PEEK != 0 {
		r.got = 0 // what is peeked at stays: a retry sees it again
	}
	for {
		n, errno := r.read(r.buf[r.got:])
		switch {
		case errno == EAGAIN:
			return EAGAIN
		case errno != 0 && r.got > 0:
			return 0 // report what there is; the error comes with the next call
		case errno != 0 || n == 0:
			return errno
		}
		r.got += n
		if r.flags&MSG_WAITALL == 0 || r.got >= len(r.buf) {
			return 0
		}
		if r.flags&MSG_PEEK != 0 {
			if r.s.shutdown()&shutRD != 0 {
				return 0
			}
			return EAGAIN
		}
	}
}

// read takes bytes from the stream: 0 at its end.
func (r *receive) read(into []byte) (int, Errno) {
	if r.flags&MSG_TRUNC != 0 {
		into = make([]byte, len(into)) // tcp(7): the bytes are thrown away
	}
	r.p.sink = into
	res, err := r.s.ep.Read(&r.p.sink, tcpip.ReadOptions{Peek: r.flags&MSG_PEEK != 0})
	r.p.sink = nil
	r.control = r.s.received(&res.ControlMessages)
	switch err.(type) {
	case nil:
		if r.flags&MSG_PEEK == 0 {
			r.s.ep.ModerateRecvBuf(res.Count)
		}
		return res.Count, 0
	case *tcpip.ErrClosedForReceive:
		if r.s.ended() || r.s.family == AF_UNIX {
			// An error that somebody has seen, by poll, but nobody was told.
			errno := r.s.err
			r.s.err = 0
			return 0, errno
		}
		return 0, 0
	}
	return 0, r.s.failure(errnoOf(err))
}

// nothing receives no bytes: it waits for the first one and leaves it.
func (r *receive) nothing() Errno {
	if r.s.ready(waiter.ReadableEvents, POLLIN) != 0 {
		return 0
	}
	peek := receive{p: r.p, s: r.s, buf: make([]byte, 1), flags: r.flags | MSG_PEEK}
	return peek.try()
}

// datagram takes one datagram. What does not fit is lost.
func (r *receive) datagram() Errno {
	if r.s.err != 0 {
		return r.s.takeError()
	}
	into := r.buf
	if len(into) == 0 {
		into = make([]byte, 1) // netstack wants room
	}
	r.p.sink = into
	res, err := r.s.ep.Read(&r.p.sink, tcpip.ReadOptions{Peek: r.flags&MSG_PEEK != 0, NeedRemoteAddr: true,
		NeedLinkPacketInfo: r.s.family == AF_PACKET})
	if _, closed := err.(*tcpip.ErrClosedForReceive); closed {
		if !r.wait && r.s.typ != SOCK_SEQPACKET {
			return EAGAIN // only a wait looks at SHUT_RD: __skb_wait_for_more_packets
		}
		return 0
	}
	if err != nil {
		return r.s.failure(errnoOf(err))
	}
	r.got = min(res.Count, len(r.buf))
	if r.total = res.Total; r.flags&MSG_TRUNC != 0 {
		r.got = res.Total // the datagram's real length: recv(2)
	}
	r.control = r.s.received(&res.ControlMessages)
	switch r.s.family {
	case AF_PACKET:
		r.link = linkAddrOf(res)
	case AF_INET, AF_INET6:
		r.from = r.s.addrPort(res.RemoteAddr)
	}
	return 0
}
