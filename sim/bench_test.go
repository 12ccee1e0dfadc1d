package sim_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// bulkBytes is what the bulk benchmarks transfer: as in bench/ns3.
const bulkBytes = 100_000_000

// BenchmarkBulk transfers 100 MB over 100 Mbit/s, 10 ms, 0.2 % loss in the data
// direction: the transfer that bench/ns3 makes in ns-3. Nobody listens to the
// trace.
func BenchmarkBulk(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as the command runs
	for range b.N {
		start := time.Now()
		w := bulkWorld(b)
		require.NoError(b, w.Run(context.Background(), sim.UntilQuiet))
		b.ReportMetric(float64(w.Packets())/time.Since(start).Seconds(), "packets/s")
		b.ReportMetric(float64(w.Packets()), "packets")
		b.ReportMetric((w.Now() - time.Minute).Seconds(), "virtual-s") // less TIME-WAIT
		w.Close()
	}
}

func bulkWorld(tb testing.TB) *sim.World {
	w := sim.New(sim.Config{Seed: 7})
	add := func(name, addr string) *sim.Host {
		h, err := w.AddHost(sim.HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		require.NoError(tb, err)
		return h
	}
	client, server := add("client", "10.0.0.1/24"), add("server", "10.0.0.2/24")
	data := netem.Config{Delay: 10 * time.Millisecond, Rate: 100_000_000, Loss: 0.002}
	acks := data
	acks.Loss = 0
	_, err := w.Connect(client, server, sim.LinkConfig{AB: &data, BA: &acks})
	require.NoError(tb, err)
	addr := netip.MustParseAddrPort("10.0.0.2:9")
	got := 0
	server.Spawn("discard", func(p *sockapi.Proc) error {
		l, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := errors.Join(p.Bind(l, addr), p.Listen(l, 1)); err != nil {
			return err
		}
		c, _, err := p.Accept(l)
		if err != nil {
			return err
		}
		buf := make([]byte, 256<<10)
		for {
			n, err := p.RecvInto(c, buf, 0)
			if err != nil {
				return err
			}
			if n == 0 {
				require.Equal(tb, bulkBytes, got)
				return nil
			}
			got += n
		}
	})
	client.Spawn("source", func(p *sockapi.Proc) error {
		s, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := p.Connect(s, addr); err != nil {
			return err
		}
		buf := make([]byte, 250_000)
		for sent := 0; sent < bulkBytes; sent += len(buf) {
			if _, err := p.Send(s, buf, 0); err != nil {
				return err
			}
		}
		return p.Close(s)
	})
	return w
}

// connections is how many BenchmarkConnections holds open at once.
const connections = 1000

// BenchmarkConnections opens 1,000 connections to one server that serves each in
// a thread of its own, echoes over all of them while all are open, and closes
// them. It reports the memory that Go has from the system at that moment.
func BenchmarkConnections(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range b.N {
		w := sim.New(sim.Config{Seed: 7})
		open := connect1000(b, w)
		require.NoError(b, w.Run(context.Background(), sim.Until(time.Second)))
		require.Equal(b, connections, *open, "every connection has echoed, and is open")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-peak")
		require.NoError(b, w.Run(context.Background(), sim.UntilQuiet))
		w.Close()
	}
	b.ReportMetric(float64(b.N*connections)/b.Elapsed().Seconds(), "connections/s")
}

// connect1000 sets the world up and returns the count of connections that have
// echoed and are open.
func connect1000(tb testing.TB, w *sim.World) *int {
	open := new(int)
	server, err := w.AddHost(sim.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	require.NoError(tb, err)
	client, err := w.AddHost(sim.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	require.NoError(tb, err)
	_, err = w.Connect(client, server, sim.LinkConfig{Both: netem.Config{Delay: 10 * time.Millisecond}})
	require.NoError(tb, err)
	addr := netip.MustParseAddrPort("10.0.0.2:7")
	server.SpawnConfig(sim.SpawnConfig{Name: "echo", Daemon: true}, func(p *sockapi.Proc) error {
		l, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := errors.Join(p.Bind(l, addr), p.Listen(l, connections)); err != nil {
			return err
		}
		for {
			c, _, err := p.Accept(l)
			if err != nil {
				return err
			}
			p.Go(func(p *sockapi.Proc) error {
				for {
					b, err := p.Recv(c, 100, 0)
					if err != nil {
						return err
					}
					if len(b) == 0 {
						return p.Close(c)
					}
					if _, err := p.Send(c, b, 0); err != nil {
						return err
					}
				}
			})
		}
	})
	for range connections {
		client.Spawn("nc", func(p *sockapi.Proc) error {
			s, _ := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
			if err := p.Connect(s, addr); err != nil {
				return err
			}
			if _, err := p.Send(s, []byte("x"), 0); err != nil {
				return err
			}
			if _, err := p.Recv(s, 100, 0); err != nil {
				return err
			}
			*open++
			p.Sleep(2 * time.Second)
			return p.Close(s)
		})
	}
	return open
}
