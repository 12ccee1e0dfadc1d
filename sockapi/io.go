package sockapi

import (
	"bytes"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Send sends on a connected socket: send(2). On a blocking stream socket it
// returns when all of data is in the send buffer.
func (p *Proc) Send(fd int, data []byte, flags int) (int, error) {
	return p.send("send", fd, data, flags, netip.AddrPort{})
}

// Write is Send without flags: write(2).
func (p *Proc) Write(fd int, data []byte) (int, error) {
	return p.send("write", fd, data, 0, netip.AddrPort{})
}

// Sendto sends to an address: sendto(2). A stream socket ignores it.
func (p *Proc) Sendto(fd int, data []byte, flags int, to netip.AddrPort) (int, error) {
	return p.send("sendto", fd, data, flags, to)
}

func (p *Proc) send(name string, fd int, data []byte, flags int, to netip.AddrPort) (int, error) {
	c := p.begin(name, fd, ioArgs(fd, len(data), flags, to))
	o, errno := c.stdOr(name == "write" || name == "writev")
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	s := o.sock
	if s == nil {
		return len(data), c.ret(itoa(len(data)), 0)
	}
	able := MSG_DONTWAIT | MSG_NOSIGNAL
	if s.stream() {
		able |= MSG_MORE
	}
	if flags&^able != 0 {
		c.warn("netstack has no " + flagString(flags&^able, msgFlags) + " for sending here")
		return -1, c.ret("", EOPNOTSUPP)
	}
	var opts tcpip.WriteOptions
	if to.IsValid() && !s.stream() {
		full, errno := s.destination(to, ENETUNREACH)
		if errno != 0 {
			return -1, c.ret("", errno)
		}
		opts.To = &full
	}
	// netstack may stop in the middle of a datagram only if told it may not.
	opts.Atomic = !s.stream()
	sent := 0
	payload := bytes.NewReader(data)
	uncork := s.cork(flags&MSG_MORE != 0)
	errno = c.block(c.deadline(o, flags, s.sndTimeout), func() Errno {
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
	if sent > 0 || errno == 0 {
		return sent, c.ret(itoa(sent), 0)
	}
	return -1, c.ret("", errno)
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
		c := p.begin(name, fd, ioArgs(fd, n, flags, netip.AddrPort{}))
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
	c := p.begin(name, fd, ioArgs(fd, len(buf), flags, netip.AddrPort{}))
	o, errno := c.stdOr(name == "read" || name == "readv")
	if errno != 0 {
		return receive{got: -1}, c.ret("", errno)
	}
	if o.sock == nil {
		return receive{}, c.ret("0", 0)
	}
	if bad := flags &^ (MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_WAITALL | MSG_NOSIGNAL); bad != 0 {
		c.warn("netstack has no " + flagString(bad, msgFlags) + " for receiving")
		if bad == MSG_OOB && o.sock.stream() {
			return receive{got: -1}, c.ret("", EINVAL) // there never is urgent data: recv(2)
		}
		return receive{got: -1}, c.ret("", EOPNOTSUPP)
	}
	if (name == "read" || name == "readv") && len(buf) == 0 {
		return receive{}, c.ret("0", 0) // sock_read_iter
	}
	r := receive{s: o.sock, buf: buf, flags: flags, wait: !o.nonblock && flags&MSG_DONTWAIT == 0}
	errno = c.block(c.deadline(o, flags, o.sock.rcvTimeout), r.try, wait{o.sock.wq, waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr})
	if errno != 0 && (errno != EAGAIN || r.got == 0) {
		return receive{got: -1}, c.ret("", errno)
	}
	if r.from.IsValid() && !o.sock.stream() {
		c.peer = r.from.String()
	}
	result := itoa(r.got)
	if r.got == 0 && o.sock.stream() && len(buf) > 0 {
		result = "0 (end of stream)"
	}
	return r, c.ret(result, 0)
}

func ioArgs(fd, n, flags int, to netip.AddrPort) string {
	s := itoa(fd) + ", " + itoa(n)
	if flags != 0 || to.IsValid() {
		s = fmt.Sprintf("%s, %s", s, flagString(flags, msgFlags))
	}
	if to.IsValid() {
		s += ", " + to.String()
	}
	return s
}
