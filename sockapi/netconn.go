package sockapi

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is what TCPConn, UDPConn and TCPListener share: a descriptor and the
// operations in progress on it.
type conn struct {
	n            *Net
	network      network
	fd           int
	laddr, raddr net.Addr // raddr is nil if it is not connected
	in, out      direction
	closed       atomic.Bool // Close was called
	closer       *Proc       // waits for the operations to end
}

// direction is half of a connection. One thread at a time writes, so that what
// two write is not mixed.
type direction struct {
	limit
	busy  bool
	queue []*Proc // wait for it not to be busy
}

// do makes fn's calls on a thread, limited by one direction's deadline. It
// returns fn's count and what belongs into an OpError.
func (c *conn) do(d *direction, fn func(*Proc) (int, error)) (n int, err error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	err = c.n.do(func(p *Proc) (err error) {
		d.enter(p)
		defer func() {
			d.leave(p)
			if c.closer != nil {
				c.closer.parker.Wake()
			}
		}()
		if d == &c.out {
			if err := c.lock(p); err != nil {
				return err
			}
			defer c.unlock()
		}
		if err := c.check(p, d); err != nil {
			return err
		}
		n, err = fn(p)
		if errors.Is(err, EAGAIN) {
			if e := c.check(p, d); e != nil {
				return e
			}
		}
		return err
	})
	return n, reason(err)
}

// check says why an operation may not begin, or was ended.
func (c *conn) check(p *Proc, d *direction) error {
	switch {
	case c.closed.Load():
		return net.ErrClosed
	case d.passed(p.Now()):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// lock waits until no other thread writes.
func (c *conn) lock(p *Proc) error {
	d := &c.out
	for d.busy {
		if err := c.check(p, d); err != nil {
			return err
		}
		d.queue = append(d.queue, p)
		p.waiting = &call{name: "futex", args: "write lock of " + itoa(c.fd)}
		p.parker.Park(d.before(NoDeadline))
		p.waiting = nil
		for i, o := range d.queue {
			if o == p {
				d.queue = append(d.queue[:i], d.queue[i+1:]...)
				break
			}
		}
	}
	d.busy = true
	return nil
}

func (c *conn) unlock() {
	d := &c.out
	if d.busy = false; len(d.queue) > 0 {
		d.queue[0].parker.Wake()
	}
}

// opError is err as the failure of an operation; io.EOF stays bare.
func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.network.name, Source: c.laddr, Addr: c.raddr, Err: err}
}

// Read reads what has arrived, waiting for the first byte, or one datagram.
// The end of a stream is io.EOF.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.do(&c.in, func(p *Proc) (int, error) {
		r, err := p.recvInto("read", c.fd, b, 0)
		switch {
		case err != nil:
			return 0, err
		case r.got == 0 && len(b) > 0 && c.network.typ == SOCK_STREAM:
			return 0, io.EOF
		}
		return r.got, nil
	})
	return n, c.opError("read", err)
}

// Write writes all of b, or one datagram. It returns when the stack has taken
// it.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.do(&c.out, func(p *Proc) (int, error) {
		sent := 0
		for {
			n, err := p.Write(c.fd, b[sent:])
			sent += max(n, 0)
			if err != nil || sent >= len(b) {
				return sent, err
			}
			if err := c.check(p, &c.out); err != nil {
				return sent, err
			}
		}
	})
	return n, c.opError("write", err)
}

// Close ends the operations in progress, with net.ErrClosed, and then closes the
// descriptor.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	return c.opError("close", reason(c.n.do(func(p *Proc) error {
		c.in.set(0)
		c.out.set(0)
		for c.closer = p; len(c.in.users)+len(c.out.users) > 0; {
			p.parker.Park(NoDeadline)
		}
		c.closer = nil
		return p.Close(c.fd)
	})))
}

// LocalAddr is the address of this end: a *net.TCPAddr or *net.UDPAddr.
func (c *conn) LocalAddr() net.Addr { return c.laddr }

// RemoteAddr is the address of the other end; nil if there is none.
func (c *conn) RemoteAddr() net.Addr { return c.raddr }

// FD is the descriptor in the process.
func (c *conn) FD() int { return c.fd }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.in, &c.out) }

// SetReadDeadline makes reads fail from t on, an instant of [Net.Now], also those
// that are waiting: os.ErrDeadlineExceeded. The zero Time is never.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.in) }

// SetWriteDeadline is the same for writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.out) }

func (c *conn) setDeadline(t time.Time, ds ...*direction) error {
	err := net.ErrClosed
	if !c.closed.Load() {
		err = c.n.control(func() {
			if c.closed.Load() {
				return // its directions have ended
			}
			for _, d := range ds {
				d.set(c.n.at(t))
			}
		})
	}
	if err != nil {
		return &net.OpError{Op: "set", Net: c.network.name, Addr: c.laddr, Err: err}
	}
	return nil
}

// set makes fn's calls, which do not wait.
func (c *conn) set(op string, fn func(*Proc) error) error {
	err := net.ErrClosed
	if !c.closed.Load() {
		err = c.n.do(func(p *Proc) error {
			if c.closed.Load() {
				return net.ErrClosed
			}
			return fn(p)
		})
	}
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: c.network.name, Source: c.laddr, Addr: c.raddr, Err: reason(err)}
}

func (c *conn) option(level, num int, value any) error {
	return c.set("set", func(p *Proc) error { return p.Setsockopt(c.fd, level, num, value) })
}

// SetReadBuffer sets SO_RCVBUF, in bytes.
func (c *conn) SetReadBuffer(bytes int) error { return c.option(SOL_SOCKET, SO_RCVBUF, bytes) }

// SetWriteBuffer sets SO_SNDBUF, in bytes.
func (c *conn) SetWriteBuffer(bytes int) error { return c.option(SOL_SOCKET, SO_SNDBUF, bytes) }

// TCPConn is a TCP connection: [net.TCPConn] with what is here of it.
type TCPConn struct{ *conn }

// UDPConn is a UDP socket, connected or not: [net.UDPConn] with what is here of
// it.
type UDPConn struct{ *conn }

var (
	_ net.Conn       = (*TCPConn)(nil)
	_ io.ReaderFrom  = (*TCPConn)(nil)
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
)

// CloseRead shuts down the direction to here: shutdown(2), SHUT_RD.
func (c *TCPConn) CloseRead() error {
	return c.set("close", func(p *Proc) error { return p.Shutdown(c.fd, SHUT_RD) })
}

// CloseWrite sends a FIN: shutdown(2), SHUT_WR.
func (c *TCPConn) CloseWrite() error {
	return c.set("close", func(p *Proc) error { return p.Shutdown(c.fd, SHUT_WR) })
}

// SetNoDelay sets TCP_NODELAY, which is on at first.
func (c *TCPConn) SetNoDelay(on bool) error { return c.option(IPPROTO_TCP, TCP_NODELAY, on) }

// SetKeepAlive sets SO_KEEPALIVE, which is off at first.
func (c *TCPConn) SetKeepAlive(on bool) error { return c.option(SOL_SOCKET, SO_KEEPALIVE, on) }

// SetKeepAlivePeriod sets TCP_KEEPIDLE and TCP_KEEPINTVL, rounded up to seconds.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	s := int((d + time.Second - 1) / time.Second)
	return c.set("set", func(p *Proc) error {
		return errors.Join(p.Setsockopt(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, s), p.Setsockopt(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, s))
	})
}

// SetLinger sets SO_LINGER as [net.TCPConn.SetLinger] does: Close sends on in the
// background if sec is negative, resets the connection if it is 0, and else
// waits for that long.
func (c *TCPConn) SetLinger(sec int) error {
	return c.option(SOL_SOCKET, SO_LINGER, Linger{On: sec >= 0, Seconds: max(sec, 0)})
}

// copyBuffers are those of ReadFrom. A write costs a turn of the world's loop,
// so they are large.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// ReadFrom writes what it reads from r, until its end: io.Copy uses it.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, *buf)
}

// ReadFrom receives one datagram. Of one that is longer than b the rest is
// lost.
func (c *UDPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	var from netip.AddrPort
	n, err := c.do(&c.in, func(p *Proc) (int, error) {
		r, err := p.recvInto("recvfrom", c.fd, b, 0)
		from = r.from
		return max(r.got, 0), err
	})
	if err != nil {
		return n, nil, c.opError("read", err)
	}
	return n, c.network.addr(from), nil
}

// WriteTo sends one datagram to an address, a *net.UDPAddr.
func (c *UDPConn) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := c.writeTo(b, to)
	if err != nil {
		return n, &net.OpError{Op: "write", Net: c.network.name, Source: c.laddr, Addr: to, Err: err}
	}
	return n, nil
}

func (c *UDPConn) writeTo(b []byte, to net.Addr) (int, error) {
	if c.raddr != nil {
		return 0, net.ErrWriteToConnected
	}
	a, ok := to.(*net.UDPAddr)
	if !ok || a == nil {
		return 0, EINVAL
	}
	at := unmapped(a.AddrPort())
	return c.do(&c.out, func(p *Proc) (int, error) {
		n, err := p.Sendto(c.fd, b, 0, at)
		return max(n, 0), err
	})
}
