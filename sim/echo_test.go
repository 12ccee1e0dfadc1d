package sim_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"testing"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// BenchmarkEcho sends one byte and waits for it to come back, over and over: what
// a packet costs when nobody listens to the trace. A round trip is four of them, since
// netstack acknowledges before the answer.
func BenchmarkEcho(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as the command runs
	b.ReportAllocs()
	roundTrips(b, b.N, b.ResetTimer, b.StopTimer)
}

// roundTrips makes n round trips on a connection, between start and end.
func roundTrips(tb testing.TB, n int, start, end func()) {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	add := func(name, addr string) *sim.Host {
		h, err := w.AddHost(sim.HostConfig{Name: name, Addrs: prefixes(addr)})
		require.NoError(tb, err)
		return h
	}
	client, server := add("client", "10.0.0.1/24"), add("server", "10.0.0.2/24")
	_, err := w.Connect(client, server, sim.LinkConfig{Both: netem.Config{Delay: 10 * us}})
	require.NoError(tb, err)
	addr := netip.MustParseAddrPort("10.0.0.2:7")
	server.Spawn("server", func(p *sockapi.Proc) error {
		l, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := errors.Join(p.Bind(l, addr), p.Listen(l, 1)); err != nil {
			return err
		}
		s, _, err := p.Accept(l)
		for buf := make([]byte, 100); err == nil; {
			err = bounce(p, s, buf)
		}
		require.ErrorIs(tb, err, io.EOF)
		return nil
	})
	client.Spawn("client", func(p *sockapi.Proc) error {
		s, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := p.Connect(s, addr); err != nil {
			return err
		}
		buf := make([]byte, 1)
		if _, err := p.Send(s, buf, 0); err != nil {
			return err
		}
		for range 100 { // pools fill, and stacks grow
			if err := bounce(p, s, buf); err != nil {
				return err
			}
		}
		start()
		defer end()
		for range n {
			if err := bounce(p, s, buf); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(tb, w.Run(context.Background(), sim.UntilQuiet))
}

// bounce sends back what it receives.
func bounce(p *sockapi.Proc, s int, buf []byte) error {
	n, err := p.RecvInto(s, buf, 0)
	switch {
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	_, err = p.Send(s, buf[:n], 0)
	return err
}
