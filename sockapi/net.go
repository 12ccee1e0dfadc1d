package sockapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Net is package net for one process: Dial, Listen and ListenPacket make its
// socket calls, and so do the connections that they return. There are two ways
// to one:
//
//   - [Proc.Net] in a process: the calls are those of the thread that is
//     running, deadlines are in virtual time, and the bytes are the same each
//     time. No goroutine but the world's may use it.
//   - sim's Host.Net for code outside of the world, such as net/http: any
//     goroutine may use it while the world is run in step with the wall clock.
//
// As with package net, errors are *net.OpError: errors.Is finds net.ErrClosed,
// os.ErrDeadlineExceeded or the Errno in them, and io.EOF is bare. Connections
// have TCP_NODELAY set; keep-alive is off until it is asked for.
type Net struct {
	// Resolve finds the addresses of a host name. Nil finds none. Literals,
	// "localhost" and the empty host do not come to it.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	ps   *Process
	pool *pool // nil: for the process's own threads

	made     uint64    // connections and listeners, so far
	dialed   uint64    // dials that have begun
	replayed *replayed // nil, unless its operations are a recording's
}

// Net is package net for the threads of this process.
func (p *Proc) Net() *Net { return &Net{ps: p.Process} }

// Dial connects to an address, as [net.Dial] does: network is "tcp", "tcp4",
// "tcp6", "udp", "udp4" or "udp6". The result is a [*TCPConn] or a [*UDPConn].
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.dial(context.Background(), network, address, 0)
}

// DialTimeout is Dial that fails with os.ErrDeadlineExceeded after timeout of
// the world's time.
func (n *Net) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	return n.dial(context.Background(), network, address, timeout)
}

// DialContext is Dial that ends with ctx. In a process only a ctx that is
// done before counts: a thread that waits hears of nothing outside of its
// world.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dial(ctx, network, address, 0)
}

func (n *Net) dial(ctx context.Context, network, address string, timeout time.Duration) (net.Conn, error) {
	fail := func(to net.Addr, err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: to, Err: dialReason(err)}
	}
	nw, err := parseNetwork(network)
	if err != nil {
		return fail(nil, err)
	}
	addrs, err := n.resolve(ctx, nw, address, false)
	if err != nil {
		return fail(nil, err)
	}
	o := &operation{Op: opDial, Network: network, Addrs: addrs, Time: max(timeout, 0), limit: limit{at: NoDeadline}}
	if err := n.doContext(ctx, o); err != nil {
		return fail(nw.addr(addrs[0]), err)
	}
	return nw.wrap(o.made), nil
}

// connect makes a connected socket.
func (n *Net) connect(p *Proc, nw network, to netip.AddrPort) (*conn, error) {
	fd, err := p.Socket(familyOf(to.Addr()), nw.typ, 0)
	if err != nil {
		return nil, err
	}
	if err = p.Connect(fd, to); err == nil {
		var c *conn
		if c, err = n.newConn(p, nw, fd, to); err == nil {
			return c, nil
		}
	}
	_ = p.Close(fd)
	return nil, err
}

// newConn makes a connection of a socket that is connected.
func (n *Net) newConn(p *Proc, nw network, fd int, peer netip.AddrPort) (*conn, error) {
	if nw.typ == SOCK_STREAM {
		if err := p.Setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1); err != nil {
			return nil, err
		}
	}
	local, err := p.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	c := n.conn(nw, fd, local)
	c.raddr = nw.addr(peer)
	return c, nil
}

func (n *Net) conn(nw network, fd int, local netip.AddrPort) *conn {
	c := &conn{n: n, network: nw, fd: fd, laddr: nw.addr(local)}
	c.in.at, c.out.at = NoDeadline, NoDeadline
	n.made++
	c.number = n.made
	if n.replayed != nil {
		n.replayed.conns[c.number] = c
	}
	return c
}

// Listen listens for connections, as [net.Listen] does: network is "tcp",
// "tcp4" or "tcp6". The result is a [*TCPListener].
func (n *Net) Listen(network, address string) (net.Listener, error) {
	c, err := n.listen(context.Background(), network, address, SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	return &TCPListener{c}, nil
}

// ListenPacket makes a socket that is bound and not connected, as
// [net.ListenPacket] does: network is "udp", "udp4" or "udp6". The result is a
// [*UDPConn].
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := n.listen(context.Background(), network, address, SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	return &UDPConn{c}, nil
}

func (n *Net) listen(ctx context.Context, network, address string, typ int) (c *conn, err error) {
	fail := func(at net.Addr, err error) (*conn, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: at, Err: reason(err)}
	}
	nw, err := parseNetwork(network)
	if err != nil {
		return fail(nil, err)
	}
	addrs, err := n.resolve(ctx, nw, address, true)
	if err != nil {
		return fail(nil, err)
	}
	at := addrs[0]
	if nw.typ != typ {
		return fail(nw.addr(at), &net.AddrError{Err: "unexpected address type", Addr: address})
	}
	o := &operation{Op: opListen, Network: network, Addrs: []netip.AddrPort{at}}
	if err := n.do(o); err != nil {
		return fail(nw.addr(at), err)
	}
	return o.made, nil
}

// passive makes a socket that is bound, and listens if it is one for streams.
func (n *Net) passive(p *Proc, nw network, at netip.AddrPort) (*conn, error) {
	fd, err := p.Socket(familyOf(at.Addr()), nw.typ, 0)
	if err != nil {
		return nil, err
	}
	local, err := func() (netip.AddrPort, error) {
		if nw.family == AF_INET6 {
			if err := p.Setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); err != nil {
				return netip.AddrPort{}, err
			}
		}
		if nw.typ == SOCK_STREAM {
			if err := p.Setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1); err != nil {
				return netip.AddrPort{}, err
			}
		}
		if err := p.Bind(fd, at); err != nil {
			return netip.AddrPort{}, err
		}
		if nw.typ == SOCK_STREAM {
			if err := p.Listen(fd, SOMAXCONN); err != nil {
				return netip.AddrPort{}, err
			}
		}
		return p.Getsockname(fd)
	}()
	if err != nil {
		_ = p.Close(fd)
		return nil, err
	}
	return n.conn(nw, fd, local), nil
}

// TCPListener is a listening socket.
type TCPListener struct{ c *conn }

var _ net.Listener = (*TCPListener)(nil)

// Accept waits for a connection: a [*TCPConn].
func (l *TCPListener) Accept() (net.Conn, error) {
	o := operation{Op: opAccept}
	_, err := l.c.do(&o)
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: l.c.network.name, Addr: l.c.laddr, Err: err}
	}
	return &TCPConn{o.made}, nil
}

// Close ends the listener, and the Accepts that wait.
func (l *TCPListener) Close() error { return l.c.Close() }

// Addr is the address it listens on: a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr { return l.c.laddr }

// SetDeadline ends the Accepts that wait at t, an instant of [Net.Now].
func (l *TCPListener) SetDeadline(t time.Time) error { return l.c.SetReadDeadline(t) }

// FD is the descriptor in the process.
func (l *TCPListener) FD() int { return l.c.fd }

// errNotOurs is a call by what is no thread of the Net's process.
var errNotOurs = errors.New("sockapi: no thread of the process that this belongs to is running; outside of a process, use the host's Net")
