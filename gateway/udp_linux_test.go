package gateway_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// answer is a UDP server on loopback that sends back what comes.
func answer(t *testing.T, addr string) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(addr, "0"))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// query sends a datagram and waits for the answer.
func query(p *sockapi.Proc, family int, to netip.AddrPort, data []byte) ([]byte, error) {
	fd, err := p.Socket(family, sockapi.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	if err := p.Connect(fd, to); err != nil {
		return nil, err
	}
	if _, err := p.Send(fd, data, 0); err != nil {
		return nil, err
	}
	b, err := p.Recv(fd, 65536, 0)
	return b, errors.Join(err, p.Close(fd))
}

// TestUDPEcho: a datagram of any size, in fragments too, comes back whole.
func TestUDPEcho(t *testing.T) {
	for _, to := range targets {
		t.Run(to.name, func(t *testing.T) {
			port := answer(t, to.loopback)
			l := newLab(t, gateway.Config{})
			for n, size := range []int{0, 1, 1400, 9000} {
				var got []byte
				want := randomBytes(uint64(n), size)
				l.do(func(p *sockapi.Proc) (err error) {
					got, err = query(p, to.family, netip.AddrPortFrom(to.addr, port), want)
					return err
				})
				require.Equal(t, want, append([]byte{}, got...), "%d bytes", size)
			}
			require.EqualValues(t, 4, l.gate.Counts().UDP)
			for _, f := range l.gate.Flows() {
				require.Equal(t, f.Sent, f.Received)
				require.Equal(t, to.loopback, f.Remote.Addr().String())
				require.NotZero(t, f.Local.Port())
			}
		})
	}
}

// TestUDPRefused: where the outside has nobody, the client hears so.
func TestUDPRefused(t *testing.T) {
	for _, to := range targets {
		t.Run(to.name, func(t *testing.T) {
			c, err := net.ListenPacket("udp", net.JoinHostPort(to.loopback, "0"))
			require.NoError(t, err)
			port := uint16(c.LocalAddr().(*net.UDPAddr).Port)
			require.NoError(t, c.Close())
			l := newLab(t, gateway.Config{})
			var got error
			l.do(func(p *sockapi.Proc) error {
				_, got = query(p, to.family, netip.AddrPortFrom(to.addr, port), []byte("hello"))
				return nil
			})
			require.ErrorIs(t, got, sockapi.ECONNREFUSED)
		})
	}
}

// TestUDPIdle: a flow ends when nothing has passed for its time, to the second,
// and not before; one that is used lives on. The time is the world's, which
// jumps.
func TestUDPIdle(t *testing.T) {
	for _, tt := range []struct {
		name string
		port uint16 // inside
		idle time.Duration
	}{
		{"a query for a name", 53, 30 * time.Second},
		{"any other", 9999, 180 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := answer(t, "127.0.0.1")
			target := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), tt.port)
			l := newLab(t, gateway.Config{Map: []gateway.Mapping{{Inside: target, Outside: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}}})
			var fd int
			ask := func(p *sockapi.Proc) error {
				if _, err := p.Send(fd, []byte("x"), 0); err != nil {
					return err
				}
				_, err := p.Recv(fd, 10, 0)
				return err
			}
			client := l.client.SpawnCaller("client")
			pass := func(d time.Duration) { require.NoError(t, l.w.Run(t.Context(), sim.Until(l.w.Now()+d))) }
			l.ask(client, func(p *sockapi.Proc) (err error) {
				if fd, err = p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0); err != nil {
					return err
				}
				return errors.Join(p.Connect(fd, target), ask(p))
			})
			require.Len(t, l.gate.Flows(), 1)
			pass(tt.idle - 2*time.Second)
			require.Len(t, l.gate.Flows(), 1, "not yet")
			l.ask(client, ask)
			pass(tt.idle - 2*time.Second)
			require.Len(t, l.gate.Flows(), 1, "it was used meanwhile")
			pass(4 * time.Second)
			require.Empty(t, l.gate.Flows())
			require.EqualValues(t, 1, l.gate.Counts().Expired)
			require.Empty(t, l.host.Sockets(), "its socket is closed")
			l.ask(client, ask)
			require.Len(t, l.gate.Flows(), 1, "the next datagram begins another one")
		})
	}
}

// TestLimit: what would be a flow too many is dropped, and one warning says so.
func TestLimit(t *testing.T) {
	port := answer(t, "127.0.0.1")
	l := newLab(t, gateway.Config{MaxFlows: 1})
	l.do(func(p *sockapi.Proc) error {
		_, err := query(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port), []byte("first"))
		fd, e := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		for range 2 {
			_, se := p.Sendto(fd, []byte("second"), 0, netip.AddrPortFrom(target4, port))
			e = errors.Join(e, se)
		}
		p.Sleep(10 * time.Millisecond)
		return errors.Join(err, e)
	})
	require.Len(t, l.gate.Flows(), 1)
	require.EqualValues(t, 2, l.gate.Counts().Overflowed)
	require.Equal(t, []string{"gateway: 1 flows are the limit", "gateway: 1 flows are the limit"}, l.events.reasons)
	require.Equal(t, []string{"gateway: all of its 1 flows are in use; what would begin another one is dropped"}, l.events.warnings)
}

// TestClosed: addresses that mean the machine itself lead nowhere, and the
// trace says why.
func TestClosed(t *testing.T) {
	l := newLab(t, gateway.Config{})
	l.do(func(p *sockapi.Proc) error {
		fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		_, se := p.Sendto(fd, []byte("x"), 0, netip.MustParseAddrPort("169.254.169.254:80"))
		p.Sleep(10 * time.Millisecond)
		return errors.Join(err, se)
	})
	require.Empty(t, l.gate.Flows())
	require.Equal(t, []string{"gateway: 169.254.169.254 is an address of the machine itself: only --gateway-map leads there"}, l.events.reasons)
}
