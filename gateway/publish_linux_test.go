package gateway_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// insides are the two families: the machine's address, and the program's.
var insides = []struct {
	name, loopback string
	addr           netip.AddrPort
	family         int
}{
	{"IPv4", "127.0.0.1", netip.MustParseAddrPort("10.77.0.1:80"), sockapi.AF_INET},
	{"IPv6", "::1", netip.MustParseAddrPort("[fd77::1]:80"), sockapi.AF_INET6},
}

// publish publishes a port of loopback that is free, and returns its address.
func (l *lab) publish(proto, loopback string, inside netip.AddrPort) string {
	l.t.Helper()
	at := freePort(l.t, proto, loopback)
	require.NoError(l.t, l.gate.Publish(gateway.Publication{Proto: proto, Host: at, Inside: inside, Ports: 1}))
	return at.String()
}

// freePort is a port of loopback that nobody has.
func freePort(t *testing.T, proto, loopback string) netip.AddrPort {
	t.Helper()
	if proto == "udp" {
		c, err := net.ListenPacket("udp", net.JoinHostPort(loopback, "0"))
		require.NoError(t, err)
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serveOne is a server inside, for one connection.
func serveOne(family int, at netip.AddrPort, listening chan<- struct{}, serve func(p *sockapi.Proc, fd int) error) func(*sockapi.Proc) error {
	return func(p *sockapi.Proc) error {
		s, err := p.Socket(family, sockapi.SOCK_STREAM, 0)
		if err == nil {
			err = errors.Join(p.Bind(s, at), p.Listen(s, 8))
		}
		if err != nil {
			return err
		}
		close(listening)
		fd, _, err := p.Accept(s)
		if err != nil {
			return err
		}
		return errors.Join(serve(p, fd), p.Close(fd), p.Close(s))
	}
}

// admit runs a server inside, and a client outside that connects to it once it
// listens.
func (l *lab) admit(family int, at netip.AddrPort, to string, serve func(p *sockapi.Proc, fd int) error, client func(c *net.TCPConn)) {
	l.t.Helper()
	listening, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		<-listening
		c, err := net.Dial("tcp", to)
		if err == nil {
			client(c.(*net.TCPConn))
			c.Close()
		}
	}()
	l.do(serveOne(family, at, listening, serve))
	<-done
}

// TestPublishCarriesBytes sends 3 MB in and has them come back, on both families:
// the same bytes by their SHA-256, from netstack's own address inside.
func TestPublishCarriesBytes(t *testing.T) {
	for _, to := range insides {
		t.Run(to.name, func(t *testing.T) {
			l := newLab(t, gateway.Config{})
			at := l.publish("tcp", to.loopback, to.addr)
			data := randomBytes(1, 3<<20)
			var inside, back []byte
			var peer netip.AddrPort
			l.admit(to.family, to.addr, at, func(p *sockapi.Proc, fd int) (err error) {
				if peer, err = p.Getpeername(fd); err != nil {
					return err
				}
				if inside, err = readAll(p, fd); err != nil { // ends with the client's FIN
					return err
				}
				_, err = p.Send(fd, inside, 0)
				return err
			}, func(c *net.TCPConn) {
				_, _ = c.Write(data)
				_ = c.CloseWrite()
				back, _ = io.ReadAll(c)
			})
			want := sha256.Sum256(data)
			require.Equal(t, want, sha256.Sum256(inside), "what the server inside has received")
			require.Equal(t, want, sha256.Sum256(back), "what the client outside has got back")
			require.Equal(t, netip.MustParsePrefix(map[string]string{"IPv4": "10.77.0.2/32", "IPv6": "fd77::2/128"}[to.name]).Addr(), peer.Addr())
			c := l.gate.Counts()
			require.EqualValues(t, 1, c.TCP)
			require.EqualValues(t, 1, c.Published)
			require.EqualValues(t, len(data), c.Sent)
			require.EqualValues(t, len(data), c.Received)
			require.Len(t, l.events.marks, 1)
			require.Regexp(t, `^inside: tcp \S+:\d+ -> \S+:80, for \S+:\d+ -> `, l.events.marks[0])
			require.EqualValues(t, 1, l.gate.Published()[0].Opened)
			require.Empty(t, l.gate.Flows())
		})
	}
}

// TestPublishServerFirst: the server may send its FIN first and still receive.
func TestPublishServerFirst(t *testing.T) {
	l := newLab(t, gateway.Config{})
	at := l.publish("tcp", "127.0.0.1", insides[0].addr)
	var heard, ended string
	l.admit(sockapi.AF_INET, insides[0].addr, at, func(p *sockapi.Proc, fd int) error {
		err := p.Shutdown(fd, sockapi.SHUT_WR)
		b, rerr := readAll(p, fd)
		heard = string(b)
		return errors.Join(err, rerr)
	}, func(c *net.TCPConn) {
		b, err := io.ReadAll(c)
		if err == nil && len(b) == 0 {
			ended = "FIN"
		}
		_, _ = c.Write([]byte("still here"))
	})
	require.Equal(t, "FIN", ended)
	require.Equal(t, "still here", heard)
}

// TestPublishReset: a RST of one side is a RST of the other.
func TestPublishReset(t *testing.T) {
	t.Run("from the outside", func(t *testing.T) {
		l := newLab(t, gateway.Config{})
		at := l.publish("tcp", "127.0.0.1", insides[0].addr)
		var got error
		l.admit(sockapi.AF_INET, insides[0].addr, at, func(p *sockapi.Proc, fd int) error {
			_, err := p.Send(fd, []byte("x"), 0)
			_, got = p.RecvInto(fd, make([]byte, 1), 0)
			return err
		}, func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
		})
		require.ErrorIs(t, got, sockapi.ECONNRESET)
	})
	t.Run("from the inside", func(t *testing.T) {
		l := newLab(t, gateway.Config{})
		at := l.publish("tcp", "127.0.0.1", insides[0].addr)
		var got error
		l.admit(sockapi.AF_INET, insides[0].addr, at, func(p *sockapi.Proc, fd int) error {
			_, err := p.RecvInto(fd, make([]byte, 1), 0)
			return errors.Join(err, p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true}))
		}, func(c *net.TCPConn) {
			_, _ = c.Write([]byte("x"))
			_, got = c.Read(make([]byte, 1))
		})
		require.ErrorIs(t, got, syscall.ECONNRESET)
	})
	t.Run("refused inside", func(t *testing.T) {
		l := newLab(t, gateway.Config{})
		at := l.publish("tcp", "127.0.0.1", netip.MustParseAddrPort("10.77.0.1:81"))
		var got error
		l.admit(sockapi.AF_INET, insides[0].addr, l.publish("tcp", "127.0.0.1", insides[0].addr), func(p *sockapi.Proc, fd int) error {
			_, err := readAll(p, fd)
			return err
		}, func(*net.TCPConn) {
			var c net.Conn
			if c, got = net.Dial("tcp", at); got == nil {
				_, got = c.Read(make([]byte, 1))
				c.Close()
			}
		})
		require.ErrorIs(t, got, syscall.ECONNRESET)
		require.EqualValues(t, 1, l.gate.Counts().Refused)
		require.Contains(t, l.events.marks[1], "inside: tcp connect 10.77.0.1:81: connection refused (ECONNREFUSED), for 127.0.0.1:")
	})
}

// TestPublishGivenUp: a client that goes away before the inside has answered ends its
// flow; a link that loses all keeps the inside from answering.
func TestPublishGivenUp(t *testing.T) {
	l := newLab(t, gateway.Config{})
	at := l.publish("tcp", "127.0.0.1", insides[0].addr)
	require.NoError(t, l.link.Impair(sim.BA, netem.Config{Loss: 1}))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c, err := net.Dial("tcp", at)
		if err != nil {
			return
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}()
	l.do(func(p *sockapi.Proc) error {
		for len(l.events.marks) == 0 {
			p.Sleep(time.Millisecond)
		}
		return nil
	})
	<-gone
	require.Regexp(t, `^inside: tcp connect 10\.77\.0\.1:80: given up by 127\.0\.0\.1:\d+$`, l.events.marks[0])
	require.Empty(t, l.gate.Flows())
	require.Zero(t, l.gate.Counts().TCP)
}

// TestPublishLimit: a connection beyond the limit of flows is reset, and a
// warning says so once. The one that has its place goes on.
func TestPublishLimit(t *testing.T) {
	l := newLab(t, gateway.Config{MaxFlows: 1})
	at := l.publish("tcp", "127.0.0.1", insides[0].addr)
	var errs []error
	var back []byte
	l.admit(sockapi.AF_INET, insides[0].addr, at, func(p *sockapi.Proc, fd int) error {
		b, err := readAll(p, fd)
		_, serr := p.Send(fd, b, 0)
		return errors.Join(err, serr)
	}, func(c *net.TCPConn) {
		for range 3 {
			more, err := net.Dial("tcp", at)
			if err == nil {
				_, err = more.Read(make([]byte, 1))
				more.Close()
			}
			errs = append(errs, err)
		}
		_, _ = c.Write([]byte("mine"))
		_ = c.CloseWrite()
		back, _ = io.ReadAll(c)
	})
	for _, err := range errs {
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	require.Equal(t, "mine", string(back))
	require.EqualValues(t, 3, l.gate.Counts().Overflowed)
	require.Len(t, l.events.warnings, 1)
}

// TestPublishErrors: what cannot be listened at is said, with the remedy, and
// nothing of it is left.
func TestPublishErrors(t *testing.T) {
	l := newLab(t, gateway.Config{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	used := taken.Addr().(*net.TCPAddr).AddrPort()
	err = l.gate.Publish(gateway.Publication{Proto: "tcp", Host: used, Inside: insides[0].addr, Ports: 1})
	require.ErrorContains(t, err, used.String()+": address already in use (EADDRINUSE); another program has the port")
	err = l.gate.Publish(gateway.Publication{Proto: "tcp", Host: netip.MustParseAddrPort("192.0.2.77:8080"), Inside: insides[0].addr, Ports: 1})
	require.ErrorContains(t, err, "the machine does not have the address")
	require.Empty(t, l.gate.Published())

	at := freePort(t, "tcp", "127.0.0.1")
	p := gateway.Publication{Proto: "tcp", Host: at, Inside: insides[0].addr, Ports: 1}
	require.NoError(t, l.gate.Publish(p))
	require.ErrorContains(t, l.gate.Publish(p), "is published already, as "+p.String())
	require.True(t, l.gate.Unpublish(p))
	require.False(t, l.gate.Unpublish(p))
	again, err := net.Listen("tcp", at.String())
	require.NoError(t, err, "the port is free again")
	again.Close()
}
