package sockapi

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Send sends on a connected socket: send(2). On a blocking stream socket it
// returns when all of data is in the send buffer.
func (p *Proc) Send(fd int, data []byte, flags int) (int, error) {
	return p.send("send", fd, data, flags, &Msg{})
}

// Write is Send without flags: write(2).
func (p *Proc) Write(fd int, data []byte) (int, error) {
	return p.send("write", fd, data, 0, &Msg{})
}

// Sendto sends to an address: sendto(2). A stream socket ignores it.
func (p *Proc) Sendto(fd int, data []byte, flags int, to netip.AddrPort) (int, error) {
	return p.send("sendto", fd, data, flags, &Msg{Name: to})
}

// send is all calls that send: data goes to m's address with its control
// messages.
func (p *Proc) send(name string, fd int, data []byte, flags int, m *Msg) (int, error) {
	c := p.beginWith(name, fd, arguments{io: true, n: len(data), flags: flags, to: m.Name, link: m.Link})
	o, errno := c.stdOr(name == "write" || name == "writev")
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	if o.sock == nil {
		return c.writeFile(o, data)
	}
	n, errno := c.transmit(o, data, flags, m)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	return n, c.ret(itoa(n), 0)
}

// transmit sends data on a socket. It fails only if nothing was sent.
func (c *call) transmit(o *open, data []byte, flags int, m *Msg) (int, Errno) {
	s := o.sock
	var opts tcpip.WriteOptions
	if errno := c.sendOptions(s, flags, m, &opts); errno != 0 {
		return -1, errno
	}
	sent := 0
	payload := &c.p.source
	payload.Reset(data)
	defer payload.Reset(nil)
	uncork := s.cork(flags&MSG_MORE != 0)
	errno := c.block(c.deadline(o, flags, s.sndTimeout), func() Errno {
		if s.err != 0 {
			return s.takeError()
		}
		for {
			n, err := s.ep.Write(payload, opts)
			sent += int(n)
			if err != nil {
				return s.failure(s.sendErrno(err))
			}
			if sent >= len(data) || !s.stream() {
				return 0
			}
			payload.Reset(data[sent:])
		}
	}, wait{s.wq, waiter.WritableEvents | waiter.EventHUp | waiter.EventErr})
	uncork()
	if errno == EPIPE && s.stream() && flags&MSG_NOSIGNAL == 0 {
		c.p.deliver(SIGPIPE)
	}
	if sent > 0 {
		errno = 0
	}
	return sent, errno
}

// sendOptions checks what a send asks for, and translates it for netstack.
func (c *call) sendOptions(s *socket, flags int, m *Msg, opts *tcpip.WriteOptions) Errno {
	able := MSG_DONTWAIT | MSG_NOSIGNAL
	if s.stream() {
		able |= MSG_MORE
	}
	if flags&^able != 0 {
		c.warn("netstack has no " + flagString(flags&^able, msgFlags) + " for sending here")
		return EOPNOTSUPP
	}
	// netstack may stop in the middle of a datagram only if told it may not.
	opts.Atomic = !s.stream()
	switch {
	case s.family == AF_PACKET:
		if m.Link != (LinkAddr{}) {
			opts.To = m.Link.full()
		}
	case s.family == AF_UNIX:
		if m.Name.IsValid() {
			return EISCONN
		}
	case m.Name.IsValid() && !s.stream():
		full, errno := s.destination(m.Name, ENETUNREACH)
		if errno != 0 {
			return errno
		}
		if s.typ == SOCK_RAW {
			full.Port = 0
		}
		opts.To = &full
	}
	return c.sendControl(s, m.Control, opts)
}

// stdOr looks up a socket, or also standard input, output and error, which
// are /dev/null: it has nothing to read, and takes whatever is written.
func (c *call) stdOr(too bool) (*open, Errno) {
	if too {
		return c.anyFile()
	}
	return c.file()
}

// cork holds data back that more will follow, as TCP_CORK does, and lets it go
// with the first send that says nothing of more: send(2), MSG_MORE. The result
// is to be called when the data has been written.
func (s *socket) cork(more bool) (done func()) {
	so := s.ep.SocketOptions()
	switch {
	case more && !s.more && !so.GetCorkOption():
		s.more = true
		so.SetCorkOption(true)
	case !more && s.more:
		s.more = false
		return func() {
			so.SetCorkOption(false)
			s.st.Touch()
		}
	}
	return func() {}
}

// failure notes that a call reports errno: the error that was waiting is told
// with it.
func (s *socket) failure(errno Errno) Errno {
	if errno != 0 && errno != EAGAIN {
		s.takeError()
	}
	return errno
}

// sendErrno is errnoOf with what Linux says differently for sends.
func (s *socket) sendErrno(err tcpip.Error) Errno {
	if _, ok := err.(*tcpip.ErrInvalidEndpointState); ok && !s.stream() {
		return EINVAL // port 0
	}
	return errnoOf(err)
}

// Recv receives up to n bytes from a connected socket: recv(2). An empty
// result without an error is the end of the stream.
func (p *Proc) Recv(fd, n, flags int) ([]byte, error) {
	b, _, err := p.recv("recv", fd, n, flags)
	return b, err
}

// Read is Recv without flags: read(2).
func (p *Proc) Read(fd, n int) ([]byte, error) {
	b, _, err := p.recv("read", fd, n, 0)
	return b, err
}

// Recvfrom is Recv that also tells who sent the datagram: recvfrom(2).
func (p *Proc) Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error) {
	return p.recv("recvfrom", fd, n, flags)
}

// RecvInto receives into buf, without the copy that Recv returns.
func (p *Proc) RecvInto(fd int, buf []byte, flags int) (int, error) {
	r, err := p.recvInto("recv", fd, buf, flags)
	return r.got, err
}

func (p *Proc) recv(name string, fd, n, flags int) ([]byte, netip.AddrPort, error) {
	if n < 0 {
		c := p.beginWith(name, fd, arguments{io: true, n: n, flags: flags})
		return nil, netip.AddrPort{}, c.ret("", EINVAL)
	}
	buf := make([]byte, n)
	r, err := p.recvInto(name, fd, buf, flags)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return buf[:min(r.got, n)], r.from, nil
}

// recvInto receives into buf. After an error, got is -1.
func (p *Proc) recvInto(name string, fd int, buf []byte, flags int) (receive, error) {
	c := p.beginWith(name, fd, arguments{io: true, n: len(buf), flags: flags})
	o, errno := c.stdOr(name == "read" || name == "readv")
	if errno != 0 {
		return receive{got: -1}, c.ret("", errno)
	}
	if o.sock == nil {
		return c.readFile(o, buf)
	}
	if bad := flags &^ (MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_WAITALL | MSG_NOSIGNAL | MSG_ERRQUEUE); bad != 0 {
		c.warn("netstack has no " + flagString(bad, msgFlags) + " for receiving")
		if bad == MSG_OOB && o.sock.stream() {
			return receive{got: -1}, c.ret("", EINVAL) // there never is urgent data: recv(2)
		}
		return receive{got: -1}, c.ret("", EOPNOTSUPP)
	}
	if (name == "read" || name == "readv") && len(buf) == 0 {
		return receive{}, c.ret("0", 0) // sock_read_iter
	}
	r := receive{p: p, s: o.sock, buf: buf, flags: flags, wait: !o.nonblock && flags&MSG_DONTWAIT == 0}
	deadline := c.deadline(o, flags, o.sock.rcvTimeout)
	if flags&MSG_ERRQUEUE != 0 {
		deadline = p.Now() // it never waits: ip(7)
	}
	errno = c.block(deadline, r.try, wait{o.sock.wq, waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr})
	if errno != 0 && (errno != EAGAIN || r.got == 0) {
		return receive{got: -1}, c.ret("", errno)
	}
	switch {
	case r.link != (LinkAddr{}):
		c.peer = r.link.String()
	case r.from.IsValid() && !o.sock.stream():
		c.peer = r.from.String()
	}
	result := itoa(r.got)
	if r.got == 0 && o.sock.stream() && len(buf) > 0 {
		result = "0 (end of stream)"
	}
	return r, c.ret(result, 0)
}
