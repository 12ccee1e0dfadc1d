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

// answerInside is a UDP server inside that sends back what comes, n times.
func answerInside(family int, at netip.AddrPort, bound chan<- struct{}, n int) func(*sockapi.Proc) error {
	return func(p *sockapi.Proc) error {
		fd, err := p.Socket(family, sockapi.SOCK_DGRAM, 0)
		if err == nil {
			err = p.Bind(fd, at)
		}
		if err != nil {
			return err
		}
		close(bound)
		for range n {
			b, from, err := p.Recvfrom(fd, 65536, 0)
			if err == nil {
				_, err = p.Sendto(fd, b, 0, from)
			}
			if err != nil {
				return err
			}
		}
		return p.Close(fd)
	}
}

// exchange sends datagrams of these sizes to a published port from one socket, and
// fails unless each comes back whole, from where it was sent to.
func exchange(t *testing.T, to string, sizes ...int) {
	c, err := net.Dial("udp", to) // its socket takes what comes from to alone
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for i, size := range sizes {
		want, got := randomBytes(uint64(i), size), make([]byte, 65536)
		_, err := c.Write(want)
		n, rerr := c.Read(got)
		if err = errors.Join(err, rerr); err != nil || string(got[:n]) != string(want) {
			t.Errorf("%d bytes: %d came back: %v", size, n, err)
			return
		}
	}
}

// until runs the world until done is closed.
func (l *lab) until(done <-chan struct{}) {
	l.t.Helper()
	l.host.Spawn("end", func(p *sockapi.Proc) error {
		for {
			select {
			case <-done:
				return nil
			default:
				p.Sleep(time.Millisecond)
			}
		}
	})
	l.run()
}

// TestPublishUDP: datagrams of any size, in fragments too, go in and their answers
// out, each peer's in a flow of its own.
func TestPublishUDP(t *testing.T) {
	for _, to := range insides {
		t.Run(to.name, func(t *testing.T) {
			l := newLab(t, gateway.Config{})
			at := l.publish("udp", to.loopback, to.addr)
			bound, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				<-bound
				exchange(t, at, 0, 1, 1400, 9000)
				exchange(t, at, 7)
			}()
			l.client.Spawn("answer", answerInside(to.family, to.addr, bound, 5))
			l.until(done)
			c := l.gate.Counts()
			require.EqualValues(t, 2, c.UDP)
			require.EqualValues(t, 2, c.Published)
			require.EqualValues(t, 10408, c.Received)
			require.EqualValues(t, 10408, c.Sent)
			require.Len(t, l.gate.Flows(), 2)
			for _, f := range l.gate.Flows() {
				require.True(t, f.Inbound)
				require.Equal(t, to.addr, f.Client)
				require.Equal(t, at, f.Local.String())
			}
		})
	}
}

// TestPublishUDPAnyAddress: a socket that is bound to all addresses answers from the
// one that was asked: 127.0.0.7 is another address of loopback.
func TestPublishUDPAnyAddress(t *testing.T) {
	l := newLab(t, gateway.Config{})
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), freePort(t, "udp", "127.0.0.7").Port())
	require.NoError(t, l.gate.Publish(gateway.Publication{Proto: "udp", Host: at, Inside: insides[0].addr, Ports: 1}))
	asked := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), at.Port())
	bound, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		<-bound
		exchange(t, asked.String(), 100)
	}()
	l.client.Spawn("answer", answerInside(sockapi.AF_INET, insides[0].addr, bound, 1))
	l.until(done)
	require.Equal(t, asked, l.gate.Flows()[0].Local)
}

// TestPublishUDPExpires: a flow ends when nothing has passed for its time, and one
// whose publication ends does so at once.
func TestPublishUDPExpires(t *testing.T) {
	l := newLab(t, gateway.Config{})
	at := freePort(t, "udp", "127.0.0.1")
	p := gateway.Publication{Proto: "udp", Host: at, Inside: insides[0].addr, Ports: 1}
	require.NoError(t, l.gate.Publish(p))
	send := func() {
		c, err := net.Dial("udp", at.String())
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		for !l.gate.Ready() { // it is on its way
			require.NoError(t, t.Context().Err())
		}
		l.gate.Take()
		require.NoError(t, l.w.Run(t.Context(), sim.Until(l.w.Now()+time.Second)))
	}
	require.NoError(t, l.w.Run(t.Context(), sim.Until(time.Second)))
	send()
	require.Len(t, l.gate.Flows(), 1)
	require.NoError(t, l.w.Run(t.Context(), sim.Until(l.w.Now()+185*time.Second)))
	require.Empty(t, l.gate.Flows())
	require.EqualValues(t, 1, l.gate.Counts().Expired)
	send()
	require.Len(t, l.gate.Flows(), 1)
	require.True(t, l.gate.Unpublish(p))
	require.NoError(t, l.w.Run(t.Context(), sim.Until(l.w.Now()+time.Second)))
	require.Empty(t, l.gate.Flows())
}
