package sim_test

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

var bEcho = netip.MustParseAddrPort("10.0.0.2:7")

// TestDeadlock: the report names every process that waits, the call with its
// arguments, and nobody who is a daemon or sleeps.
func TestDeadlock(t *testing.T) {
	l, a, b, _ := pair(t, delay(10*ms))
	serve(b, "daemon", echo(t, "10.0.0.2:7"))
	b.Spawn("httpd", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Listen(s, 1))
		_, _, err := p.Accept(s)
		return err
	})
	a.Spawn("reader", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
		p.Go(func(p *sockapi.Proc) error {
			_, err := p.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLIN}}, -1)
			return err
		})
		p.Sleep(time.Second)
		_, err := p.Recv(s, 100, 0)
		return err
	})
	err := l.Run(context.Background(), sim.UntilQuiet)
	var dead *sim.DeadlockError
	require.ErrorAs(t, err, &dead)
	require.EqualError(t, err, `deadlock at 1s: no packet is in flight and no timer is armed, but
  httpd on b waits in accept(3)
  reader on a waits in recv(3, 100)
  reader (thread 1) on a waits in poll([3:POLLIN], -1)`)
	require.Equal(t, time.Second, dead.At)
}

// TestUntilIsNoDeadlock: a run up to a time does not judge who waits.
func TestUntilIsNoDeadlock(t *testing.T) {
	l := newLab(t, sim.Config{})
	l.host("a").Spawn("reader", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
		_, err := p.Recv(s, 1, 0)
		return err
	})
	require.NoError(t, l.Run(context.Background(), sim.Until(time.Hour)))
	require.Error(t, l.Run(context.Background(), sim.UntilQuiet))
}

// TestThreadsShare: a thread has the descriptors of its process; a fork has a
// copy, so what either opens or closes later does not concern the other.
func TestThreadsShare(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("a", "10.0.0.1/24")
	var log []string
	h.Spawn("p", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
		p.Go(func(q *sockapi.Proc) error {
			require.Equal(t, 1, q.Thread)
			require.Equal(t, p.PID, q.PID)
			require.NoError(t, q.Close(s))
			require.Equal(t, s, must(t)(q.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)))
			log = append(log, "thread")
			return nil
		})
		p.Sleep(ms)
		fds := p.FDs()
		require.Len(t, fds, 1)
		require.Equal(t, "tcp", fds[0].Proto, "the thread has put another socket there")
		p.Fork(func(c *sockapi.Proc) error {
			require.NoError(t, c.Close(s))
			require.Empty(t, c.FDs())
			must(t)(c.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
			log = append(log, "child")
			return nil
		})
		p.Sleep(ms)
		require.Len(t, p.FDs(), 1)
		require.Equal(t, 1, p.FDs()[0].Refs, "the child has given up its reference")
		log = append(log, "parent")
		return nil
	})
	l.run()
	require.Equal(t, []string{"thread", "child", "parent"}, log)
	require.Empty(t, h.Processes())
}

// TestSpawnOrder: processes that become ready at the same instant run in the
// order in which they were spawned, whoever spawned them and when.
func TestSpawnOrder(t *testing.T) {
	l := newLab(t, sim.Config{})
	a, b := l.host("a"), l.host("b")
	var log []string
	say := func(name string) func(*sockapi.Proc) error {
		return func(p *sockapi.Proc) error {
			log = append(log, name)
			p.Sleep(10*ms - p.Now())
			log = append(log, name+" at 10ms")
			return nil
		}
	}
	b.SpawnConfig(sim.SpawnConfig{Name: "later", At: 5 * ms}, say("later"))
	a.Spawn("first", func(p *sockapi.Proc) error {
		b.Spawn("inner", say("inner"))
		return say("first")(p)
	})
	b.Spawn("second", say("second"))
	l.At(3*ms, func() { a.Spawn("posted", say("posted")) })
	l.run()
	require.Equal(t, []string{
		"first", "second", "inner", "posted", "later",
		"first at 10ms", "second at 10ms", "inner at 10ms", "posted at 10ms", "later at 10ms",
	}, log)
	var starts []time.Duration
	for _, e := range l.trace.events {
		if p, ok := e.Body.(*trace.Process); ok && p.What == "start" {
			starts = append(starts, e.At)
		}
	}
	require.Equal(t, []time.Duration{0, 0, 0, 0, 3 * ms}, starts)
}

// TestCloseLeavesNothing: a closed world has no coroutine, no worker and no
// memory left, wherever its processes were. Each world below has two stacks
// with a worker each and three blocked processes, so a leak of any kind would
// show as at least 40 goroutines; the bound allows for the runtime's own.
func TestCloseLeavesNothing(t *testing.T) {
	const worlds, bound = 40, 10
	before := runtime.NumGoroutine()
	for range worlds {
		l, a, b, _ := pair(t, delay(10*ms))
		serve(b, "echo", echo(t, "10.0.0.2:7"))
		a.Spawn("sleeper", func(p *sockapi.Proc) error { p.Sleep(time.Hour); return nil })
		a.Spawn("ask", ask(t, "10.0.0.2:7", "x"))
		require.NoError(t, l.Run(context.Background(), sim.Until(25*ms))) // in the middle of the conversation
		a.Spawn("never", func(*sockapi.Proc) error { t.Error("a closed world runs nobody"); return nil })
		l.Close()
		l.Close()
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before+bound)
}

// TestKilledProcessRunsNoMore: a process that is blocked when its world is
// closed unwinds: its deferred calls run, the code after its call does not.
func TestKilledProcessRunsNoMore(t *testing.T) {
	l := newLab(t, sim.Config{})
	deferred := false
	l.host("a").Spawn("p", func(p *sockapi.Proc) error {
		defer func() { deferred = true }()
		p.Sleep(time.Hour)
		t.Error("it woke")
		return nil
	})
	require.NoError(t, l.Run(context.Background(), sim.Until(ms)))
	l.Close()
	require.True(t, deferred)
}

// TestExitClosesSockets: the peer of a process that ends without closing sees
// the end of the stream.
func TestExitClosesSockets(t *testing.T) {
	l, a, b, _ := pair(t, sim.LinkConfig{Both: netem.Config{Delay: ms}})
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	a.Spawn("rude", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		return p.Connect(s, bEcho)
	})
	l.run()
	var fins []string
	for _, p := range l.trace.packets(trace.Sent) {
		if p.Summary.Flags == "F." {
			fins = append(fins, p.host)
		}
	}
	require.Equal(t, []string{"a", "b"}, fins)
	require.Len(t, b.Sockets(), 1, "only the listener is left")
	require.Empty(t, a.Sockets())
}
