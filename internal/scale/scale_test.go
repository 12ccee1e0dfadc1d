package main

import (
	"bytes"
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/stack"

	"github.com/stretchr/testify/require"
)

// TestLinear compares each load at two sizes that are a factor of ten apart.
//
// Virtual time knows no speed, so the number of events and of packets is exact:
// if both sizes need the same of them per connection, a connection causes no
// event for another, such as a retransmission because a queue was full or a
// wakeup of somebody else's thread. What an event costs is memory to allocate and
// memory to look through. Allocations are counted: something that is built anew
// of all connections for one of them would be ten times as many. So is what
// stays in the heap: a connection that is known to all others would hold ten
// times as many bytes. The quarter that the bound leaves is for tables that
// double as they grow; a factor that grows with the size does not fit into it,
// even the logarithm would be 1.4. What is looked through without being
// allocated is left to `make scale`, which measures time.
func TestLinear(t *testing.T) {
	const small, large = 200, 2000
	for _, kind := range []string{"epoll", "idle", "threads"} { // traced is not: docs/benchmarks.md
		t.Run(kind, func(t *testing.T) {
			run := func(n int) row {
				r, err := measure(kind, n)
				require.NoError(t, err)
				return row{result: r}
			}
			s, l := run(small), run(large)
			require.Equal(t, s.Events*large/small, l.Events, "events")
			require.Equal(t, s.Packets*large/small, l.Packets, "packets")
			for name, of := range map[string]func(r row) uint64{
				"allocations":       func(r row) uint64 { return r.Allocs },
				"objects that stay": func(r row) uint64 { return r.Objects },
				"bytes that stay":   func(r row) uint64 { return r.Heap },
				"bytes of stacks":   func(r row) uint64 { return max(r.Stacks, 1<<20) }, // a few threads' say nothing
			} {
				require.LessOrEqual(t, l.each(float64(of(l))), 1.25*s.each(float64(of(s))), "%s per connection", name)
			}
		})
	}
}

// TestTraceChangesNothing: with a sink the same things happen.
func TestTraceChangesNothing(t *testing.T) {
	bare, err := measure("epoll", 100)
	require.NoError(t, err)
	traced, err := measure("traced", 100)
	require.NoError(t, err)
	require.Equal(t, [2]uint64{bare.Events, bare.Packets}, [2]uint64{traced.Events, traced.Packets})
}

// TestNothingStays: a world that has made and closed many connections, one
// after the other, holds no more than one that has made few. A connection that
// is kept is more than 60 objects; the bound is 10 for each that was added, so
// that it fails if one in six stayed. It is not zero because what has closed is
// forgotten in batches.
func TestNothingStays(t *testing.T) {
	const step, timeWait = 2000, 100 * time.Millisecond
	l := &load{World: sim.New(sim.Config{Seed: 7})}
	host := func(name string, i int) *sim.Host {
		h, err := l.AddHost(sim.HostConfig{Name: name, Addrs: prefix(i), TCP: stack.TCPConfig{TimeWait: timeWait}})
		require.NoError(t, err)
		return h
	}
	server, client := host("server", 0), host("client", 1)
	_, err := l.Connect(client, server, sim.LinkConfig{})
	require.NoError(t, err)
	server.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, func(p *sockapi.Proc) error {
		ls, err := listen(p)
		for err == nil {
			var c int
			if c, _, err = p.Accept(ls); err == nil {
				err = p.Close(c)
			}
		}
		return err
	})
	client.SpawnConfig(sim.SpawnConfig{Name: "client", Daemon: true}, func(p *sockapi.Proc) error {
		for {
			s, err := dial(p, 0)
			if err == nil {
				_, err = p.RecvInto(s, make([]byte, 1), 0)
			}
			if err == nil {
				err = p.Close(s)
			}
			if err != nil {
				return err
			}
			l.open++
			p.Sleep(time.Millisecond)
		}
	})
	objects := func(n int) uint64 {
		for l.open < n {
			require.NoError(t, l.Run(context.Background(), sim.Until(l.Now()+time.Millisecond)))
		}
		return collect().HeapObjects
	}
	before := objects(step)
	more := int(objects(2*step)) - int(before)
	t.Logf("%d objects, and %d more after as many connections again", before, more)
	require.Less(t, more, 10*step)
	runtime.KeepAlive(l)
	l.Close()
}

// TestRunOne measures a row as the child process does.
func TestRunOne(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, runOne("idle:10", "", &out))
	require.Contains(t, out.String(), `"Load":"idle","N":10,`)
	require.ErrorContains(t, runOne("idle", "", &out), "need load:connections")
	require.ErrorContains(t, runOne("full:10", "", &out), `no load is called "full"`)
}

func TestSummarize(t *testing.T) {
	r := summarize([]result{{Load: "idle", N: 2, Open: 3, Heap: 9}, {Open: 1, Heap: 8}, {Open: 2, Heap: 7}})
	require.Equal(t, result{Load: "idle", N: 2, Open: 2, Heap: 8}, r.result)
	require.Equal(t, [2]time.Duration{1, 3}, [2]time.Duration{r.least, r.most})
	require.Equal(t, netip.MustParseAddrPort("10.0.0.1:7"), serverAddr())
}
