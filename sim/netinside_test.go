package sim_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// httpd answers the requests of one connection after the other, each in a
// thread, with package net/http's reader and writer.
func httpd(p *sockapi.Proc) error {
	l, err := p.Net().Listen("tcp", ":80")
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		p.Go(func(p *sockapi.Proc) error {
			defer c.Close()
			in := bufio.NewReader(c)
			for {
				req, err := http.ReadRequest(in)
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				p.Sleep(30 * ms)
				resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: req,
					Body: io.NopCloser(strings.NewReader(strings.Repeat("hello\n", 10000))), ContentLength: 60000}
				if err := resp.Write(c); err != nil {
					return err
				}
			}
		})
	}
}

// TestNetInside: code that knows net.Conn and nothing of fivetuple, in virtual
// time: the same bytes each time.
func TestNetInside(t *testing.T) {
	run := func() string {
		l, a, b, _ := pair(t, delay(10*ms))
		serve(b, "httpd", httpd)
		var took []time.Duration
		for range 2 {
			a.Spawn("curl", func(p *sockapi.Proc) error {
				n := p.Net()
				c, err := n.Dial("tcp4", "10.0.0.2:80")
				if err != nil {
					return err
				}
				start := n.Now()
				require.Equal(t, l.Epoch().Add(20*ms), start)
				req, err := http.NewRequest(http.MethodGet, "http://server/", nil)
				require.NoError(t, err)
				require.NoError(t, req.Write(c))
				resp, err := http.ReadResponse(bufio.NewReader(c), req)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Len(t, body, 60000)
				took = append(took, n.Now().Sub(start))
				return c.Close()
			})
		}
		l.run()
		require.Len(t, took, 2)
		require.GreaterOrEqual(t, took[0], 50*ms)
		return l.trace.jsonl(t)
	}
	require.Equal(t, run(), run())
}

// TestNetInsideDeadlines: deadlines are instants of virtual time, and another
// thread can move them under one that waits.
func TestNetInsideDeadlines(t *testing.T) {
	l, a, b, _ := pair(t, delay(10*ms))
	b.Spawn("server", func(p *sockapi.Proc) error {
		n := p.Net()
		ls, err := n.Listen("tcp", ":80")
		require.NoError(t, err)
		c, err := ls.Accept()
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(n.Now().Add(time.Second)))
		before := p.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, p.Now()-before)

		require.NoError(t, c.SetReadDeadline(time.Time{}))
		p.Go(func(p *sockapi.Proc) error {
			p.Sleep(5 * time.Second)
			require.NoError(t, c.SetReadDeadline(n.Now().Add(time.Hour))) // later: it goes on waiting
			p.Sleep(5 * time.Second)
			return c.SetReadDeadline(n.Now())
		})
		before = p.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 10*time.Second, p.Now()-before)

		require.NoError(t, c.SetReadDeadline(time.Time{}))
		p.Go(func(p *sockapi.Proc) error {
			p.Sleep(time.Second)
			return c.Close()
		})
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = n.DialTimeout("tcp", "10.0.0.9:80", 3*time.Second)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 15*time.Second+30*ms, p.Now())
		return ls.Close()
	})
	a.Spawn("client", func(p *sockapi.Proc) error {
		c, err := p.Net().Dial("tcp", "10.0.0.2:80")
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		return c.Close()
	})
	l.run()
	require.Empty(t, b.Sockets())
}

// TestNetInsideWriters: what two threads write is not mixed, even if each has
// to wait for room, and one that waits for its turn can be timed out.
func TestNetInsideWriters(t *testing.T) {
	l, a, b, _ := pair(t, delay(10*ms))
	const size = 3 << 20
	b.Spawn("server", func(p *sockapi.Proc) error {
		n := p.Net()
		ls, err := n.Listen("tcp", ":80")
		require.NoError(t, err)
		c, err := ls.Accept()
		require.NoError(t, err)
		left := 2
		for _, letter := range "ab" {
			p.Go(func(*sockapi.Proc) error {
				w, err := c.Write([]byte(strings.Repeat(string(letter), size)))
				require.NoError(t, err)
				require.Equal(t, size, w)
				if left--; left == 0 {
					return c.Close()
				}
				return nil
			})
		}
		return nil
	})
	a.Spawn("client", func(p *sockapi.Proc) error {
		c, err := p.Net().Dial("tcp", "10.0.0.2:80")
		require.NoError(t, err)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("a", size)+strings.Repeat("b", size), string(got))
		return c.Close()
	})
	l.run()
}

// TestNetInsideOptions: what the extras of a TCPConn do is in the trace.
func TestNetInsideOptions(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("h", "10.0.0.1/24")
	h.Spawn("p", func(p *sockapi.Proc) error {
		n := p.Net()
		ls, err := n.Listen("tcp6", "[::]:80")
		require.NoError(t, err)
		_, err = n.Dial("tcp4", ":80")
		require.ErrorIs(t, err, sockapi.ECONNREFUSED, "tcp6 is IPv6 only")
		c, err := n.Dial("tcp", "localhost:http") // IPv4 is refused, then IPv6
		require.NoError(t, err)
		require.Equal(t, "[::1]:80", c.RemoteAddr().String())
		tc := c.(*sockapi.TCPConn)
		require.NoError(t, tc.SetNoDelay(false))
		require.NoError(t, tc.SetKeepAlive(true))
		require.NoError(t, tc.SetKeepAlivePeriod(1500*ms))
		require.NoError(t, tc.SetReadBuffer(10000))
		require.NoError(t, tc.SetWriteBuffer(10000))
		require.NoError(t, tc.SetLinger(0))
		v, err := p.Getsockopt(tc.FD(), sockapi.IPPROTO_TCP, sockapi.TCP_KEEPINTVL)
		require.NoError(t, err)
		require.Equal(t, 2, v)
		s, err := ls.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.ErrorIs(t, tc.SetNoDelay(true), net.ErrClosed)
		p.Sleep(ms)
		_, err = s.Read(make([]byte, 1))
		require.ErrorIs(t, err, sockapi.ECONNRESET)
		return ls.Close()
	})
	l.run()
	var sets []string
	for _, e := range l.trace.events {
		if c, ok := e.Body.(*trace.Call); ok && c.What == trace.Enter && c.Name == "setsockopt" {
			sets = append(sets, strings.SplitN(c.Args, ", ", 3)[2])
		}
	}
	require.Contains(t, sets, "TCP_NODELAY, 0")
	require.Contains(t, sets, "SO_KEEPALIVE, 1")
}

// TestNetNames: wrong names and addresses fail as package net's do.
func TestNetNames(t *testing.T) {
	l := newLab(t, sim.Config{})
	l.host("h", "10.0.0.1/24").Spawn("p", func(p *sockapi.Proc) error {
		n := p.Net()
		dial := func(network, addr string) error {
			_, err := n.Dial(network, addr)
			_, isOp := errors.AsType[*net.OpError](err)
			require.True(t, isOp, "%v", err)
			return err
		}
		require.ErrorAs(t, dial("ip", "10.0.0.1"), new(net.UnknownNetworkError))
		require.EqualError(t, dial("tpc", "10.0.0.1:80"), "dial tpc: unknown network tpc")
		require.EqualError(t, dial("tcp", "10.0.0.1"), "dial tcp: address 10.0.0.1: missing port in address")
		require.EqualError(t, dial("tcp", "10.0.0.1:99999"), "dial tcp: address 99999: invalid port")
		require.EqualError(t, dial("tcp6", "10.0.0.1:80"), "dial tcp6: address 10.0.0.1: no suitable address found")
		require.EqualError(t, dial("tcp", "example.org:80"), "dial tcp: lookup example.org: no such host")
		n.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			require.Equal(t, "example.org", host)
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		require.ErrorIs(t, dial("tcp", "example.org:80"), sockapi.ECONNREFUSED)
		_, err := n.Listen("udp", ":80")
		require.EqualError(t, err, "listen udp [::]:80: address :80: unexpected address type")
		_, err = n.ListenPacket("tcp", ":80")
		require.ErrorAs(t, err, new(*net.AddrError))
		u, err := n.ListenPacket("udp4", ":80")
		require.NoError(t, err)
		require.Equal(t, "0.0.0.0:80", u.LocalAddr().String())
		_, err = u.WriteTo([]byte("x"), &net.TCPAddr{})
		require.ErrorIs(t, err, sockapi.EINVAL)
		_, err = u.(net.Conn).Write([]byte("x"))
		require.ErrorIs(t, err, sockapi.EDESTADDRREQ)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = n.DialContext(ctx, "tcp", "10.0.0.1:80")
		require.ErrorIs(t, err, context.Canceled)
		return nil
	})
	l.run()
}

// TestNetInsideOnly: a process's Net is of use to its own threads alone.
func TestNetInsideOnly(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("h", "10.0.0.1/24")
	var n *sockapi.Net
	h.Spawn("p", func(p *sockapi.Proc) error {
		n = p.Net()
		p.Sleep(ms)
		return nil
	})
	h.Spawn("q", func(*sockapi.Proc) error {
		_, err := n.Dial("tcp", ":80")
		require.ErrorContains(t, err, "no thread of the process")
		return nil
	})
	l.run()
	_, err := n.Listen("tcp", ":80")
	require.ErrorContains(t, err, "no thread of the process")
}
