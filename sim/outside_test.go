package sim_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// paced is a world of two hosts that a goroutine of its own runs, and a Net on
// each.
type paced struct {
	t      *testing.T
	a, b   *sockapi.Net
	cancel func()
	ended  chan struct{}
	world  *lab
	hostA  *sim.Host
}

func newPaced(t *testing.T) *paced { return newPacedExpecting(t, false) }

func newPacedExpecting(t *testing.T, failure bool) *paced {
	t.Helper()
	l := newLab(t, sim.Config{Seed: 7})
	ha, hb := l.host("a", "10.0.0.1/24", "fd00::1/64"), l.host("b", "10.0.0.2/24", "fd00::2/64")
	l.connect(ha, hb, sim.LinkConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	p := &paced{t: t, a: ha.Net("client"), b: hb.Net("server"), cancel: cancel, ended: make(chan struct{}), world: l, hostA: ha}
	go func() {
		defer close(p.ended)
		if err := l.RunPaced(ctx, sim.Forever); (err != nil) != failure {
			t.Error(err)
		}
	}()
	t.Cleanup(p.end)
	return p
}

// end ends the run and waits for it: the world is the caller's then.
func (p *paced) end() {
	p.cancel()
	<-p.ended
}

// connect makes a connection from a to b.
func (p *paced) connect(network, addr string) (client, server net.Conn, l net.Listener) {
	p.t.Helper()
	l, err := p.b.Listen(network, addr)
	require.NoError(p.t, err)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			p.t.Error(err)
		}
		accepted <- c
	}()
	client, err = p.a.Dial(network, l.Addr().String())
	require.NoError(p.t, err)
	return client, <-accepted, l
}

// TestNetTest is what golang.org/x/net asks of a net.Conn.
func TestNetTest(t *testing.T) {
	p := newPaced(t)
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		c, s, l := p.connect("tcp", "10.0.0.2:0")
		return c, s, func() { _, _, _ = c.Close(), s.Close(), l.Close() }, nil
	})
}

// TestNetHTTP: the server and the client of net/http, each on a stack of its
// own.
func TestNetHTTP(t *testing.T) {
	p := newPaced(t)
	data := make([]byte, 300<<10)
	rand.NewChaCha8([32]byte{1}).Read(data)
	l, err := p.b.Listen("tcp", ":80")
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(data)
	}))
	require.NoError(t, s.Listener.Close())
	s.Listener = l
	s.Start()
	client := &http.Client{Transport: &http.Transport{DialContext: p.a.DialContext}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				resp, err := client.Get("http://[fd00::2]/")
				if err != nil {
					t.Error(err)
					return
				}
				h := sha256.New()
				_, err = io.Copy(h, resp.Body)
				if err != nil || [32]byte(h.Sum(nil)) != sha256.Sum256(data) {
					t.Error("wrong body", err)
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	s.Close()
	_, err = client.Get("http://10.0.0.2/")
	require.ErrorIs(t, err, sockapi.ECONNREFUSED)
}

// TestNetErrors: errors are what package net's are.
func TestNetErrors(t *testing.T) {
	p := newPaced(t)
	c, s, l := p.connect("tcp", "10.0.0.2:80")
	require.Equal(t, "tcp", c.LocalAddr().Network())
	require.Equal(t, "10.0.0.2:80", c.RemoteAddr().String())
	require.Equal(t, c.LocalAddr().String(), s.RemoteAddr().String())

	require.NoError(t, c.SetReadDeadline(p.a.Now().Add(-time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.Equal(t, "read tcp "+c.LocalAddr().String()+"->10.0.0.2:80: i/o timeout", err.Error())

	require.NoError(t, s.(*sockapi.TCPConn).CloseWrite())
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	_, err = c.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)

	require.NoError(t, s.(*sockapi.TCPConn).SetLinger(0))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), net.ErrClosed)
	_, err = s.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, s.SetDeadline(time.Time{}), net.ErrClosed)
	for err = nil; err == nil; { // until the reset arrives
		_, err = c.Write([]byte("x"))
	}
	op, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok)
	require.Equal(t, []any{"write", "tcp", c.LocalAddr(), c.RemoteAddr()}, []any{op.Op, op.Net, op.Source, op.Addr})

	_, err = p.b.Listen("tcp", "10.0.0.2:80")
	require.ErrorIs(t, err, sockapi.EADDRINUSE)
	require.Equal(t, "listen tcp 10.0.0.2:80: bind: address already in use", err.Error())
	require.NoError(t, l.Close())
	_, err = p.a.Dial("tcp", "10.0.0.2:80")
	require.ErrorIs(t, err, sockapi.ECONNREFUSED)
	require.Equal(t, "dial tcp 10.0.0.2:80: connect: connection refused", err.Error())
}

// TestNetAcceptEnds: a listener that is closed lets go of those who wait.
func TestNetAcceptEnds(t *testing.T) {
	p := newPaced(t)
	l, err := p.a.Listen("tcp4", "localhost:80")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:80", l.Addr().String())
	require.NoError(t, l.(*sockapi.TCPListener).SetDeadline(p.a.Now().Add(-1)))
	_, err = l.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, l.(*sockapi.TCPListener).SetDeadline(time.Time{}))
	ends := make(chan error)
	for range 3 {
		go func() {
			_, err := l.Accept()
			ends <- err
		}()
	}
	require.NoError(t, l.Close())
	for range 3 {
		err := <-ends
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, "accept tcp4 127.0.0.1:80: use of closed network connection", err.Error())
	}
}

// TestNetDialEnds: a Dial that nobody answers ends with its context, or after
// its timeout, and leaves no socket.
func TestNetDialEnds(t *testing.T) {
	p := newPaced(t)
	_, err := p.a.DialTimeout("tcp", "10.0.0.9:80", time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithCancel(context.Background())
	ends := make(chan error)
	go func() {
		_, err := p.a.DialContext(ctx, "tcp", "10.0.0.9:80")
		ends <- err
	}()
	cancel()
	err = <-ends
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "dial tcp 10.0.0.9:80: operation was canceled", err.Error())
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = p.a.DialContext(ctx, "tcp", "10.0.0.9:80")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	for left := make(chan int, 1); ; { // those who gave up are told later
		require.True(t, p.world.Post(context.Background(), func() { left <- len(p.hostA.Sockets()) }))
		if <-left == 0 {
			break
		}
	}
}

func TestNetUDP(t *testing.T) {
	p := newPaced(t)
	for _, addr := range []string{"10.0.0.2:53", "[fd00::2]:53"} {
		server, err := p.b.ListenPacket("udp", ":53")
		require.NoError(t, err)
		require.Equal(t, "[::]:53", server.LocalAddr().String())
		client, err := p.a.Dial("udp", addr)
		require.NoError(t, err)
		_, err = client.Write([]byte("question"))
		require.NoError(t, err)
		b := make([]byte, 100)
		n, from, err := server.ReadFrom(b)
		require.NoError(t, err)
		require.Equal(t, "question", string(b[:n]))
		require.Equal(t, client.LocalAddr(), from)
		_, err = server.WriteTo([]byte("answer"), from)
		require.NoError(t, err)
		n, err = client.Read(b)
		require.NoError(t, err)
		require.Equal(t, "answer", string(b[:n]))
		_, err = client.(net.PacketConn).WriteTo([]byte("x"), from)
		require.ErrorIs(t, err, net.ErrWriteToConnected)
		require.NoError(t, server.SetReadDeadline(p.b.Now().Add(time.Millisecond)))
		_, _, err = server.ReadFrom(b)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, server.Close())
		_, err = client.Write([]byte("anybody there?"))
		require.NoError(t, err)
		_, err = client.Read(b)
		require.ErrorIs(t, err, sockapi.ECONNREFUSED)
		require.NoError(t, client.Close())
	}
}

// TestNetRunEnds: whoever waits when the run ends is let go, and so is whoever
// comes later.
func TestNetRunEnds(t *testing.T) {
	for name, end := range map[string]func(*paced){
		"context": func(p *paced) { p.end() },
		"failure": func(p *paced) {
			p.world.Post(context.Background(), func() { p.hostA.Spawn("bad", func(*sockapi.Proc) error { return errors.New("bad") }) })
			<-p.ended
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPacedExpecting(t, name == "failure")
			c, _, l := p.connect("tcp", "10.0.0.2:80")
			ops := map[string]func() error{
				"read":   func() error { _, err := c.Read(make([]byte, 1)); return err },
				"write":  func() error { _, err := io.Copy(c, zeros{}); return err }, // the other end would be read from
				"accept": func() error { _, err := l.Accept(); return err },
				"dial":   func() error { _, err := p.a.Dial("tcp", "10.0.0.9:80"); return err },
				"udp":    func() error { return receive(p.a) },
			}
			ends := make(chan error, len(ops))
			for _, op := range ops {
				go func() { ends <- op() }()
			}
			end(p)
			for range ops {
				require.ErrorIs(t, <-ends, net.ErrClosed)
			}
			for name, op := range ops {
				require.ErrorIs(t, op(), net.ErrClosed, name)
			}
			require.ErrorIs(t, c.Close(), net.ErrClosed)
			require.NotEmpty(t, p.hostA.Sockets(), "sockets stay for Hangup to close")
			p.world.Hangup()
			p.world.Close()
		})
	}
}

// TestNetNeverRun: without a run, operations wait; the world's end lets them go.
func TestNetNeverRun(t *testing.T) {
	for name, end := range map[string]func(*lab){
		"Close":  func(l *lab) { l.Close() },
		"Hangup": func(l *lab) { l.Hangup() },
		"a run that was cancelled before": func(l *lab) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.NoError(t, l.RunPaced(ctx, sim.Forever))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, sim.Config{})
			h := l.host("h", "10.0.0.1/24")
			n := h.Net("never")
			ends := make(chan error)
			for range 500 { // more than can be posted
				go func() { ends <- receive(n) }()
			}
			ctx, cancel := context.WithCancel(context.Background())
			go func() { _, err := n.DialContext(ctx, "tcp", ":80"); ends <- err }()
			cancel()
			require.ErrorIs(t, <-ends, context.Canceled)
			end(l)
			for range 500 {
				require.ErrorIs(t, <-ends, net.ErrClosed)
			}
			_, err := n.Dial("tcp", ":80")
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = h.Net("late").Listen("tcp", ":80")
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

// TestNetGoesOn: operations wait from one run to the next.
func TestNetGoesOn(t *testing.T) {
	l := newLab(t, sim.Config{})
	n := l.host("h", "10.0.0.1/24").Net("n")
	ends := make(chan error)
	go func() {
		ls, err := n.Listen("tcp", ":80")
		if err == nil {
			_, err = ls.Accept()
		}
		ends <- err
	}()
	require.NoError(t, l.RunPaced(context.Background(), sim.Until(ms)))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if c, err := n.Dial("tcp", ":80"); err == nil { // once it listens
				_ = c.Close()
				return
			}
		}
	}()
	var err error
	go func() { err = <-ends; cancel() }()
	require.NoError(t, l.RunPaced(ctx, sim.Forever))
	require.NoError(t, err)
}

// receive waits for a datagram that nobody sends.
func receive(n *sockapi.Net) error {
	u, err := n.ListenPacket("udp", ":0")
	if err == nil {
		_, _, err = u.ReadFrom(make([]byte, 1))
	}
	return err
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
