package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// dialIn connects a client of the lab to a target's port.
func dialIn(p *sockapi.Proc, family int, to netip.AddrPort) (int, error) {
	fd, err := p.Socket(family, sockapi.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	return fd, p.Connect(fd, to)
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(b)
	return b
}

// TestTCPCarriesBytes sends 3 MB there and has them come back, on both
// families: more than all buffers on the way hold, so that both sides have to
// wait for each other, and the same bytes by their SHA-256.
func TestTCPCarriesBytes(t *testing.T) {
	for _, to := range targets {
		t.Run(to.name, func(t *testing.T) {
			sum := make(chan [sha256.Size]byte, 1)
			port := listen(t, to.loopback, func(c net.Conn) {
				b, _ := io.ReadAll(c)
				sum <- sha256.Sum256(b)
				_, _ = c.Write(b)
				c.Close()
			})
			l := newLab(t, gateway.Config{})
			data, back := randomBytes(1, 3<<20), []byte(nil)
			l.do(func(p *sockapi.Proc) error {
				fd, err := dialIn(p, to.family, netip.AddrPortFrom(to.addr, port))
				if err != nil {
					return err
				}
				if _, err := p.Send(fd, data, 0); err != nil {
					return err
				}
				if err := p.Shutdown(fd, sockapi.SHUT_WR); err != nil {
					return err
				}
				back, err = readAll(p, fd)
				return errors.Join(err, p.Close(fd))
			})
			want := sha256.Sum256(data)
			require.Equal(t, want, <-sum, "what the server has received")
			require.Equal(t, want, sha256.Sum256(back), "what the client has got back")
			c := l.gate.Counts()
			require.EqualValues(t, 1, c.TCP)
			require.EqualValues(t, len(data), c.Sent)
			require.EqualValues(t, len(data), c.Received)
			require.Len(t, l.events.marks, 1)
			require.Regexp(t, `^outside: tcp \S+:\d+ -> \S+:\d+, for \S+:\d+ -> \S+:\d+$`, l.events.marks[0])
		})
	}
}

// readAll reads up to the end of the stream.
func readAll(p *sockapi.Proc, fd int) ([]byte, error) {
	var out []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := p.RecvInto(fd, buf, 0)
		if err != nil || n == 0 {
			return out, err
		}
		out = append(out, buf[:n]...)
	}
}

// TestTCPHalfClose: either side may send its FIN first and still receive.
func TestTCPHalfClose(t *testing.T) {
	t.Run("client first", func(t *testing.T) {
		port := listen(t, "127.0.0.1", func(c net.Conn) {
			b, _ := io.ReadAll(c) // ends with the client's FIN alone
			_, _ = c.Write(append([]byte("got "), b...))
			c.Close()
		})
		l := newLab(t, gateway.Config{})
		var got []byte
		l.do(func(p *sockapi.Proc) error {
			fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
			if err != nil {
				return err
			}
			_, err = p.Send(fd, []byte("hello"), 0)
			err = errors.Join(err, p.Shutdown(fd, sockapi.SHUT_WR))
			b, rerr := readAll(p, fd)
			got = b
			return errors.Join(err, rerr, p.Close(fd))
		})
		require.Equal(t, "got hello", string(got))
		require.Empty(t, l.gate.Flows())
	})
	t.Run("server first", func(t *testing.T) {
		heard := make(chan string, 1)
		port := listen(t, "127.0.0.1", func(c net.Conn) {
			_ = c.(*net.TCPConn).CloseWrite()
			b, _ := io.ReadAll(c)
			heard <- string(b)
			c.Close()
		})
		l := newLab(t, gateway.Config{})
		l.do(func(p *sockapi.Proc) error {
			fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
			if err != nil {
				return err
			}
			if b, err := readAll(p, fd); err != nil || len(b) > 0 {
				return errors.Join(err, errors.New("the server has sent nothing but its FIN"))
			}
			_, err = p.Send(fd, []byte("still here"), 0)
			return errors.Join(err, p.Close(fd))
		})
		require.Equal(t, "still here", <-heard)
	})
}

// TestTCPReset: a RST of one side is a RST of the other.
func TestTCPReset(t *testing.T) {
	t.Run("from the server", func(t *testing.T) {
		port := listen(t, "127.0.0.1", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		})
		l := newLab(t, gateway.Config{})
		var got error
		l.do(func(p *sockapi.Proc) error {
			fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
			if err != nil {
				return err
			}
			_, err = p.Send(fd, []byte("x"), 0)
			_, got = p.Recv(fd, 1, 0)
			return err
		})
		require.ErrorIs(t, got, sockapi.ECONNRESET)
		require.Empty(t, l.gate.Flows())
	})
	t.Run("from the client", func(t *testing.T) {
		got := make(chan error, 1)
		port := listen(t, "127.0.0.1", func(c net.Conn) {
			_, err := io.ReadAll(c)
			got <- err
		})
		l := newLab(t, gateway.Config{})
		l.do(func(p *sockapi.Proc) error {
			fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
			if err != nil {
				return err
			}
			_, err = p.Send(fd, []byte("x"), 0)
			return errors.Join(err, p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true}), p.Close(fd))
		})
		require.ErrorIs(t, <-got, syscall.ECONNRESET)
	})
}

// TestTCPRefused: the client sees a connection refused, at once, and no
// connection that opens and closes.
func TestTCPRefused(t *testing.T) {
	for _, to := range targets {
		t.Run(to.name, func(t *testing.T) {
			closed, err := net.Listen("tcp", net.JoinHostPort(to.loopback, "0"))
			require.NoError(t, err)
			port := uint16(closed.Addr().(*net.TCPAddr).Port)
			require.NoError(t, closed.Close())
			l := newLab(t, gateway.Config{})
			var got error
			l.do(func(p *sockapi.Proc) error {
				_, got = dialIn(p, to.family, netip.AddrPortFrom(to.addr, port))
				return nil
			})
			require.ErrorIs(t, got, sockapi.ECONNREFUSED)
			require.EqualValues(t, 1, l.gate.Counts().Refused)
			require.Contains(t, l.events.marks[0], "connection refused (ECONNREFUSED)")
			require.Empty(t, l.host.Sockets(), "nothing has listened")
		})
	}
}

// TestTCPManyFlows has 1,200 connections open at a time: each client waits
// with its connection until all have theirs.
func TestTCPManyFlows(t *testing.T) {
	const flows = 1200
	port := listen(t, "127.0.0.1", func(c net.Conn) {
		_, _ = io.Copy(c, c)
		c.Close()
	})
	l := newLab(t, gateway.Config{})
	l.quiet()
	most, opened, failed := 0, 0, 0
	l.do(func(p *sockapi.Proc) error {
		for n := range flows {
			p.Go(func(p *sockapi.Proc) error {
				fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
				if err != nil {
					return err
				}
				if opened++; opened == flows {
					most = len(l.gate.Flows())
				}
				for opened < flows {
					p.Sleep(50 * time.Millisecond)
				}
				want := randomBytes(uint64(n), 1000)
				if _, err := p.Send(fd, want, 0); err != nil {
					return err
				}
				if err := p.Shutdown(fd, sockapi.SHUT_WR); err != nil {
					return err
				}
				if got, err := readAll(p, fd); err != nil || !bytes.Equal(want, got) {
					failed++
				}
				return p.Close(fd)
			})
		}
		return nil
	})
	require.Equal(t, flows, most)
	require.Zero(t, failed)
	require.EqualValues(t, flows, l.gate.Counts().TCP)
	require.Empty(t, l.gate.Flows())
}

// TestTCPStalledReader: a server that does not read stops the client, through
// both windows. What is on the way then is what two pairs of socket buffers
// and one buffer of the gateway's hold, and not what the client would send.
// Nothing of it is lost when the server reads again.
func TestTCPStalledReader(t *testing.T) {
	const all, bound = 32 << 20, 24 << 20
	read, sum := make(chan struct{}), make(chan [sha256.Size]byte, 1)
	port := listen(t, "127.0.0.1", func(c net.Conn) {
		_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		<-read
		h := sha256.New()
		_, _ = io.Copy(h, c)
		sum <- [sha256.Size]byte(h.Sum(nil))
		c.Close()
	})
	l := newLab(t, gateway.Config{})
	l.quiet()
	data, stalled, passed := randomBytes(9, all), 0, uint64(0)
	l.do(func(p *sockapi.Proc) error {
		fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
		if err != nil {
			return err
		}
		sent := 0
		for quiet := 0; quiet < 20 && sent < all; quiet++ { // until nothing has moved for a while
			n, err := p.Send(fd, data[sent:], sockapi.MSG_DONTWAIT)
			if err != nil && !errors.Is(err, sockapi.EAGAIN) {
				return err
			}
			if n > 0 {
				sent, quiet = sent+n, 0
			}
			p.Sleep(10 * time.Millisecond)
		}
		stalled, passed = sent, l.gate.Counts().Sent
		close(read)
		_, err = p.Send(fd, data[sent:], 0)
		err = errors.Join(err, p.Shutdown(fd, sockapi.SHUT_WR))
		_, rerr := readAll(p, fd)
		return errors.Join(err, rerr, p.Close(fd))
	})
	require.Less(t, stalled, bound)
	require.Positive(t, passed, "some of it was on its way")
	require.Equal(t, sha256.Sum256(data), <-sum)
}

// TestTCPStalledClient is the other direction.
func TestTCPStalledClient(t *testing.T) {
	const all, bound = 32 << 20, 24 << 20
	data := randomBytes(10, all)
	port := listen(t, "127.0.0.1", func(c net.Conn) {
		_, _ = c.Write(data)
		c.Close()
	})
	l := newLab(t, gateway.Config{})
	l.quiet()
	var stalled uint64
	h := sha256.New()
	l.do(func(p *sockapi.Proc) error {
		fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
		if err != nil {
			return err
		}
		for quiet := 0; quiet < 20; quiet++ {
			if now := l.gate.Counts().Received; now > stalled {
				stalled, quiet = now, 0
			}
			p.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 256<<10)
		for {
			n, err := p.RecvInto(fd, buf, 0)
			if err != nil || n == 0 {
				return errors.Join(err, p.Close(fd))
			}
			h.Write(buf[:n])
		}
	})
	require.Positive(t, stalled)
	require.Less(t, stalled, uint64(bound))
	want := sha256.Sum256(data)
	require.Equal(t, want[:], h.Sum(nil))
}
