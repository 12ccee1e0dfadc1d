package gateway_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestLimitAgain: a gateway that stays at its limit, as flows end and others take
// their places, warns once, and again after it was half empty.
func TestLimitAgain(t *testing.T) {
	port := answer(t, "127.0.0.1")
	target := netip.MustParseAddrPort("192.0.2.9:53") // a flow lives for 30 seconds
	l := newLab(t, gateway.Config{MaxFlows: 4, Map: []gateway.Mapping{{Inside: target, Outside: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}}})
	client := l.client.SpawnCaller("client")
	send := func() { // from a port of its own
		l.ask(client, func(p *sockapi.Proc) error {
			fd, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			_, err = p.Sendto(fd, []byte("x"), 0, target)
			return errors.Join(err, p.Close(fd))
		})
	}
	pass := func(d time.Duration) { require.NoError(t, l.w.Run(t.Context(), sim.Until(l.w.Now()+d))) }
	for range 60 { // five begin in the time in which four may live
		send()
		pass(6 * time.Second)
	}
	require.Greater(t, l.gate.Counts().Overflowed, uint64(4), "the limit was hit again and again")
	require.Greater(t, l.gate.Counts().UDP, uint64(8), "others have taken the places")
	require.Len(t, l.events.warnings, 1)
	pass(time.Minute)
	require.Empty(t, l.gate.Flows())
	for range 6 {
		send()
	}
	pass(time.Second)
	require.Len(t, l.events.warnings, 2)
}

// TestEndedFlowsAreForgotten: the gateway does not keep flows, and their sockets,
// that have ended before their time: those of TCP have one while they begin.
func TestEndedFlowsAreForgotten(t *testing.T) {
	port := listen(t, "127.0.0.1", func(c net.Conn) {
		_, _ = io.Copy(c, c)
		c.Close()
	})
	l := newLab(t, gateway.Config{})
	l.quiet()
	most := 0
	l.do(func(p *sockapi.Proc) error {
		for range 300 {
			fd, err := dialIn(p, sockapi.AF_INET, netip.AddrPortFrom(target4, port))
			if err == nil {
				err = p.Close(fd)
			}
			if err != nil {
				return err
			}
			most = max(most, l.gate.Timed())
		}
		return nil
	})
	require.EqualValues(t, 300, l.gate.Counts().TCP)
	require.Less(t, most, 150, "of 300, of which a few are there at a time")
}
