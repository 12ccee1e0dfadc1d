package sockapi

import (
	"io"
	"net"
	"net/netip"
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
	laddr, raddr net.Addr    // raddr is nil if it is not connected
	number       uint64      // among those that n has made, from 1
	gone         atomic.Bool // Close was called, by any goroutine

	// What follows belongs to the world's goroutine.
	in, out direction
	closed  bool  // Close is being carried out
	closer  *Proc // waits for the operations to end
}

// direction is half of a connection. One thread at a time writes, so that what
// two write is not mixed.
type direction struct {
	limit
	busy  bool
	queue []*Proc // wait for it not to be busy
}

// do carries out an operation of the connection. It returns its count, and what
// belongs into an OpError.
func (c *conn) do(o *operation) (n int, err error) {
	if c.gone.Load() {
		return 0, net.ErrClosed
	}
	o.c = c
	err = c.n.do(o)
	return o.got, reason(err)
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
	n, err := c.do(&operation{Op: opRead, data: b})
	return n, c.opError("read", err)
}

// Write writes all of b, or one datagram. It returns when the stack has taken
// it.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.do(&operation{Op: opWrite, data: b})
	return n, c.opError("write", err)
}

// Close ends the operations in progress, with net.ErrClosed, and then closes the
// descriptor.
func (c *conn) Close() error {
	if c.gone.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	return c.opError("close", reason(c.n.do(&operation{Op: opClose, c: c})))
}

// LocalAddr is the address of this end: a *net.TCPAddr or *net.UDPAddr.
func (c *conn) LocalAddr() net.Addr { return c.laddr }

// RemoteAddr is the address of the other end; nil if there is none.
func (c *conn) RemoteAddr() net.Addr { return c.raddr }

// FD is the descriptor in the process.
func (c *conn) FD() int { return c.fd }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadline(t, readSide|writeSide) }

// SetReadDeadline makes reads fail from t on, an instant of [Net.Now], also those
// that are waiting: os.ErrDeadlineExceeded. The zero Time is never.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, readSide) }

// SetWriteDeadline is the same for writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, writeSide) }

func (c *conn) setDeadline(t time.Time, sides int) error {
	err := net.ErrClosed
	if !c.gone.Load() {
		err = c.n.control(&operation{Op: opDeadline, c: c, Sides: sides, instant: t})
	}
	if err != nil {
		return &net.OpError{Op: "set", Net: c.network.name, Addr: c.laddr, Err: err}
	}
	return nil
}

// set carries out an operation that does not wait.
func (c *conn) set(name string, o *operation) error {
	_, err := c.do(o)
	if err == nil {
		return nil
	}
	return &net.OpError{Op: name, Net: c.network.name, Source: c.laddr, Addr: c.raddr, Err: err}
}

func (c *conn) option(level, num, value int) error {
	return c.set("set", &operation{Op: opSet, Options: []setting{{level, num, value}}})
}

// onOff is the value of an option that is on or off.
func onOff(on bool) int {
	if on {
		return 1
	}
	return 0
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
	return c.set("close", &operation{Op: opShutdown, How: SHUT_RD})
}

// CloseWrite sends a FIN: shutdown(2), SHUT_WR.
func (c *TCPConn) CloseWrite() error {
	return c.set("close", &operation{Op: opShutdown, How: SHUT_WR})
}

// SetNoDelay sets TCP_NODELAY, which is on at first.
func (c *TCPConn) SetNoDelay(on bool) error { return c.option(IPPROTO_TCP, TCP_NODELAY, onOff(on)) }

// SetKeepAlive sets SO_KEEPALIVE, which is off at first.
func (c *TCPConn) SetKeepAlive(on bool) error { return c.option(SOL_SOCKET, SO_KEEPALIVE, onOff(on)) }

// SetKeepAlivePeriod sets TCP_KEEPIDLE and TCP_KEEPINTVL, rounded up to seconds.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	s := int((d + time.Second - 1) / time.Second)
	return c.set("set", &operation{Op: opSet, Options: []setting{{IPPROTO_TCP, TCP_KEEPIDLE, s}, {IPPROTO_TCP, TCP_KEEPINTVL, s}}})
}

// SetLinger sets SO_LINGER as [net.TCPConn.SetLinger] does: Close sends on in the
// background if sec is negative, resets the connection if it is 0, and else
// waits for that long.
func (c *TCPConn) SetLinger(sec int) error {
	return c.set("set", &operation{Op: opSet, Linger: &Linger{On: sec >= 0, Seconds: max(sec, 0)}})
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
	o := operation{Op: opReadFrom, data: b}
	n, err := c.do(&o)
	if err != nil {
		return n, nil, c.opError("read", err)
	}
	return n, c.network.addr(o.from), nil
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
	return c.do(&operation{Op: opWriteTo, data: b, Addrs: []netip.AddrPort{unmapped(a.AddrPort())}})
}
