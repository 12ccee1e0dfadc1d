package sockapi

import (
	"net/netip"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Connect names the remote end: connect(2). On a stream socket it performs the
// handshake, and fails with EINPROGRESS instead of waiting if the socket is
// non-blocking. An invalid AddrPort is AF_UNSPEC: it dissolves a datagram
// socket's association.
func (p *Proc) Connect(fd int, addr netip.AddrPort) error {
	to := "AF_UNSPEC"
	if addr.IsValid() {
		to = addr.String()
	}
	c := p.begin("connect", fd, itoa(fd)+", "+to)
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	if o.sock.family == AF_PACKET {
		return c.ret("", EOPNOTSUPP)
	}
	if !addr.IsValid() {
		return c.ret("0", o.sock.disconnect())
	}
	full, errno := o.sock.destination(addr, EAFNOSUPPORT)
	if errno != 0 {
		return c.ret("", errno)
	}
	return c.ret("0", p.connect(c, o, full))
}

// connect starts the handshake and waits for its end.
func (p *Proc) connect(c *call, o *open, full tcpip.FullAddress) Errno {
	s := o.sock
	first := true
	errno := c.block(c.deadline(o, 0, s.sndTimeout), func() Errno {
		if s.ended() {
			return c.connectFailed(s)
		}
		err := s.ep.Connect(full)
		started := false
		switch err.(type) {
		case *tcpip.ErrConnectStarted:
			started = true
		case *tcpip.ErrAlreadyConnecting:
			// A second connect waits for the first one's handshake.
			started = !first || !o.nonblock
		case *tcpip.ErrNoPortAvailable:
			return EADDRNOTAVAIL
		case *tcpip.ErrInvalidEndpointState:
			if s.listening() {
				return EISCONN
			}
		}
		first = false
		if started && !s.opened {
			s.limitHandshake()
		}
		s.opened = s.opened || started || err == nil
		s.joined = s.joined || err == nil
		if started {
			return EAGAIN
		}
		return errnoOf(err)
	}, wait{s.wq, waiter.WritableEvents | waiter.EventHUp | waiter.EventErr})
	if s.state() != trace.SynSent {
		s.handshakeOver()
	}
	if errno == EAGAIN {
		return EINPROGRESS // non-blocking, or SO_SNDTIMEO has passed: socket(7)
	}
	return errno
}

// limitHandshake ends the handshake with ETIMEDOUT when the SYN has been sent
// again as often as TCP_SYNCNT or the host allows: netstack only keeps that
// number. Its timeout starts at 1 s and doubles (RFC 6298, 5.5).
func (s *socket) limitHandshake() {
	n, err := s.ep.GetSockOptInt(tcpip.TCPSynCountOption)
	if !s.stream() || err != nil || n >= stack.MaxSynRetries {
		return
	}
	ep := s.ep
	s.giveUp = s.st.After(time.Second<<(n+1)-time.Second, func() {
		if s.ep != ep || s.state() != trace.SynSent {
			return
		}
		ep.Shutdown(tcpip.ShutdownRead | tcpip.ShutdownWrite)
		s.takeError() // it says "reset": nobody has
		s.err = ETIMEDOUT
	})
}

func (s *socket) handshakeOver() {
	if s.giveUp != nil {
		s.giveUp.Stop()
		s.giveUp = nil
	}
}

// connectFailed tells why the socket's last connection ended. After a failed
// attempt the socket is as good as new (__inet_stream_connect, sock_error).
func (c *call) connectFailed(s *socket) Errno {
	if s.joined {
		return EISCONN
	}
	errno := s.takeError()
	if errno == 0 {
		errno = ECONNABORTED
	}
	c.flush() // the state changes of the old end point
	if e := s.renew(); e != 0 {
		return e
	}
	return errno
}
