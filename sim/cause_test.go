package sim_test

import (
	"strings"
	"testing"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// event returns the event with a number: they count from 1 without a gap.
func (c *collector) event(id trace.ID) *trace.Event { return c.events[id-1] }

// path lists the kinds of the events that led to one, up to the input that
// started it: "packet call process".
func (c *collector) path(id trace.ID) []*trace.Event {
	var out []*trace.Event
	for id = c.event(id).Cause; id != 0; id = c.event(id).Cause {
		out = append(out, c.event(id))
	}
	return out
}

// busy is a world in which everything happens: losses, retransmissions,
// queues, duplicates, corruption, timers, threads, a change of the link.
func busy(t testing.TB, seed uint64) *lab {
	t.Helper()
	l := newLab(t, sim.Config{Seed: seed})
	l.fill()
	return l
}

func (l *lab) fill() {
	t := l.t
	a, b := l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
	link := l.connect(a, b, sim.LinkConfig{Both: netem.Config{
		Delay: 5 * ms, Jitter: ms, Loss: 0.03, Duplicate: 0.03, Corrupt: 0.03, Rate: 10_000_000, Limit: 20,
	}})
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	for range 3 {
		a.Spawn("ask", ask(t, "10.0.0.2:7", strings.Repeat("x", 12_000)))
	}
	a.Spawn("threads", func(p *sockapi.Proc) error {
		p.Go(shoot(t, "10.0.0.2:9", 3*ms, letters(20)...))
		p.Fork(shoot(t, "10.0.0.2:9", 7*ms, letters(20)...))
		p.Mark("started")
		return nil
	})
	l.At(50*ms, func() { require.NoError(t, link.Impair(sim.BA, netem.Config{Delay: ms})) })
}

// TestEveryEventHasACause: an event's cause was emitted before it, and what
// has none is an input: the start of a process, or the lab's own doing.
func TestEveryEventHasACause(t *testing.T) {
	l := busy(t, 3)
	l.run()
	inputs := map[string]int{}
	for n, e := range l.trace.events {
		require.Equal(t, trace.ID(n+1), e.ID)
		require.Less(t, e.Cause, e.ID, "the cause comes first")
		if n > 0 {
			require.GreaterOrEqual(t, e.At, l.trace.events[n-1].At)
		}
		if e.Cause != 0 {
			require.LessOrEqual(t, l.trace.event(e.Cause).At, e.At)
			continue
		}
		inputs[e.Body.Kind()]++
		switch b := e.Body.(type) {
		case *trace.Process:
			require.Equal(t, "start", b.What)
		case *trace.LinkChange:
		default:
			t.Errorf("event %d, a %s at %v, has no cause: %+v", e.ID, e.Body.Kind(), e.At, e.Body)
		}
	}
	require.Equal(t, 6, inputs["process"])
	require.Equal(t, 1, inputs["link"])
}

// TestDataLeadsToItsSend: from a data segment's arrival, its causes lead over
// its departure to the call that sent the data, on the same host.
func TestDataLeadsToItsSend(t *testing.T) {
	l, a, b, _ := pair(t, delay(10*ms))
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	a.Spawn("ask", ask(t, "10.0.0.2:7", "hello"))
	l.run()
	found := 0
	for _, p := range l.trace.packets(trace.Delivered) {
		if p.Summary.Len == 0 {
			continue
		}
		path := l.trace.path(p.id)
		require.GreaterOrEqual(t, len(path), 2)
		sent := path[0].Body.(*trace.Packet)
		require.Equal(t, trace.Sent, sent.What)
		require.Equal(t, p.Num, sent.Num)
		call := path[1].Body.(*trace.Call)
		require.Equal(t, "send", call.Name)
		require.Equal(t, path[0].Host, path[1].Host)
		require.Equal(t, path[0].Proc, path[1].Proc, "the packet is known to be the caller's")
		found++
	}
	require.Equal(t, 2, found, "the text goes there and back")
}

// TestTimerIsACause: a retransmission's causes lead to the timer, and from it
// to the call that armed it.
func TestTimerIsACause(t *testing.T) {
	l := conversation(t)
	l.run()
	for _, p := range l.trace.packets(trace.Sent) {
		if !p.Retransmit {
			continue
		}
		path := l.trace.path(p.id)
		timer, ok := path[0].Body.(*trace.Timer)
		require.True(t, ok, "sent again because of a %s", path[0].Body.Kind())
		require.Less(t, timer.Armed, path[0].At)
		require.Equal(t, "a", path[0].Host)
		for _, e := range path {
			if c, ok := e.Body.(*trace.Call); ok {
				// The timer was set anew when the FIN left behind the data.
				require.Equal(t, "shutdown", c.Name)
				require.Equal(t, "a", e.Host)
				return
			}
		}
	}
	t.Error("nothing was sent again")
}

// TestReturnNamesWhatWokeIt: a call that blocked returns because of the packet
// or the timer that ended the wait.
func TestReturnNamesWhatWokeIt(t *testing.T) {
	l := conversation(t)
	l.run()
	blocked := 0
	for _, e := range l.trace.events {
		c, ok := e.Body.(*trace.Call)
		if !ok || c.What != trace.Return || !c.Blocked {
			continue
		}
		blocked++
		require.NotZero(t, c.Waited)
		kind := l.trace.event(e.Cause).Body.Kind()
		require.Contains(t, []string{"packet", "timer"}, kind, "%s(%s)", c.Name, c.Args)
	}
	require.GreaterOrEqual(t, blocked, 4, "accept, connect and two recv at least")
}
