package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// arrivals sends datagrams over one link and lists when each arrived.
func arrivals(t *testing.T, cfg sim.LinkConfig, gap time.Duration, texts ...string) (*lab, []string, []time.Duration) {
	t.Helper()
	l, a, b, _ := pair(t, cfg)
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", gap, texts...))
	l.run()
	var at []time.Duration
	for _, p := range l.trace.packets(trace.Delivered) {
		at = append(at, p.at)
	}
	return l, got, at
}

func letters(n int) []string { return strings.Split("abcdefghijklmnopqrstuvwxyz"[:n], "") }

// TestDelay: a packet takes the link's delay, to the nanosecond, whatever its
// size; with a rate, the time to send its bits comes first.
func TestDelay(t *testing.T) {
	_, got, at := arrivals(t, delay(3*ms+1), ms, letters(2)...)
	require.Equal(t, letters(2), got)
	require.Equal(t, []time.Duration{3*ms + 1, 4*ms + 1}, at)

	_, _, at = arrivals(t, sim.LinkConfig{}, 0, "x")
	require.Equal(t, []time.Duration{us}, at, "the least delay of a simulated link")

	// 972 bytes of data, 8 of UDP header and 20 of IP header are 8000 bits: 8
	// ms at 1 Mbit/s, and the second packet waits for the first.
	kb := strings.Repeat("x", 972)
	_, _, at = arrivals(t, sim.LinkConfig{Both: netem.Config{Delay: ms, Rate: 1_000_000}}, 0, kb, kb)
	require.Equal(t, []time.Duration{9 * ms, 17 * ms}, at)
}

func TestAsymmetricDelay(t *testing.T) {
	l, a, b, _ := pair(t, sim.LinkConfig{AB: &netem.Config{Delay: 3 * ms}, BA: &netem.Config{Delay: 50 * ms}})
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	var opened time.Duration
	a.Spawn("client", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		err := p.Connect(s, bEcho)
		opened = p.Now()
		return err
	})
	l.run()
	require.Equal(t, 53*ms, opened)
}

// TestQueueDrops: four packets at once into a queue for two. What is dropped
// is in the trace with its reason and is never sent or delivered.
func TestQueueDrops(t *testing.T) {
	kb := strings.Repeat("x", 972)
	l, got, _ := arrivals(t, sim.LinkConfig{Both: netem.Config{Rate: 1_000_000, Limit: 2}}, 0, kb, kb, kb, kb)
	require.Len(t, got, 2)
	require.Len(t, l.trace.packets(trace.Sent), 2)
	require.Equal(t, []string{"queue full (limit 2)", "queue full (limit 2)"}, l.trace.reasons(trace.Dropped))
	nums := map[uint64]int{}
	for _, what := range []trace.PacketWhat{trace.Sent, trace.Dropped} {
		for _, p := range l.trace.packets(what) {
			nums[p.Num]++
		}
	}
	require.Equal(t, map[uint64]int{1: 1, 2: 1, 3: 1, 4: 1}, nums, "each packet is sent or dropped, once")
	require.Equal(t, uint64(4), l.Packets())
	require.Equal(t, []time.Duration{0, 8 * ms}, []time.Duration{l.trace.packets(trace.Sent)[0].at, l.trace.packets(trace.Sent)[1].at},
		"a queued packet is sent when its first bit leaves")
}

func TestLossIsVisible(t *testing.T) {
	l, got, _ := arrivals(t, sim.LinkConfig{Both: netem.Config{DropNth: []uint64{2}}}, ms, letters(3)...)
	require.Equal(t, []string{"a", "c"}, got)
	require.Equal(t, []string{"drop packet 2"}, l.trace.reasons(trace.Dropped))
}

// TestDuplicate: the packet is sent once and delivered twice, under one number.
func TestDuplicate(t *testing.T) {
	l, got, _ := arrivals(t, sim.LinkConfig{Both: netem.Config{Duplicate: 1}}, 0, "x")
	require.Equal(t, []string{"x", "x"}, got)
	sent, delivered := l.trace.packets(trace.Sent), l.trace.packets(trace.Delivered)
	require.Len(t, sent, 1)
	require.Len(t, delivered, 2)
	for n, p := range delivered {
		require.Equal(t, n, p.Copy)
		require.Equal(t, sent[0].Num, p.Num)
		require.Equal(t, sent[0].id, p.cause)
	}
	require.Contains(t, sent[0].Note, "duplicate")
}

// notes is a sink that keeps what a writer would have written of each packet:
// what the event said when it was emitted.
type notes struct{ of []string }

func (n *notes) Close() error { return nil }
func (n *notes) Event(e *trace.Event) error {
	if p, ok := e.Body.(*trace.Packet); ok && p.What == trace.Sent {
		n.of = append(n.of, p.Note)
	}
	return nil
}

// TestDuplicateDropped: a duplicate that finds the queue full is lost, and the
// packet's own event says so when it is emitted, which is before that.
func TestDuplicateDropped(t *testing.T) {
	l, a, b, _ := pair(t, sim.LinkConfig{Both: netem.Config{Duplicate: 1, Rate: 1_000_000, Limit: 1}})
	n := &notes{}
	l.Bus().Attach(n)
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", ms, "x"))
	l.run()
	require.Equal(t, []string{"x"}, got)
	require.Len(t, n.of, 1)
	require.Contains(t, n.of[0], "its duplicate dropped: queue full (limit 1)")
}

// TestCorrupt: whatever bit is flipped, the application sees the data as it
// was sent or not at all; what the stack throws away is in the trace.
func TestCorrupt(t *testing.T) {
	const n = 200
	l, a, b, link := pair(t, sim.LinkConfig{Both: netem.Config{Corrupt: 1}})
	var got, texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("datagram %d", i))
	}
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", ms, texts...))
	l.run()
	require.Subset(t, texts, got)
	require.Equal(t, uint64(n), link.Stats(sim.AB).Corrupted)
	discarded := l.trace.packets(trace.Discarded)
	// Bits that no checksum protects (none in IPv4's header and UDP) or that
	// lead the packet elsewhere (its protocol, its address) are what is left.
	require.Greater(t, len(discarded), n*3/4, "one flipped bit is found by one of the two checksums")
	for _, p := range discarded {
		require.Equal(t, "bad checksum", p.Reason)
		require.Equal(t, "b", p.host, "the receiver discards")
	}
	for _, p := range l.trace.packets(trace.Delivered) {
		sent := l.trace.events[p.cause-1].Body.(*trace.Packet)
		require.NotEqual(t, sent.Data, p.Data, "the capture at the receiver has the flipped bit, the sender's has not")
	}
}

// TestReorder: every packet but the first of its gap waits; with a probability
// of 1 and a gap of 3, the third overtakes the two before.
func TestReorder(t *testing.T) {
	l, got, _ := arrivals(t, sim.LinkConfig{Both: netem.Config{Delay: 10 * ms, Reorder: 1, Gap: 3}}, ms, letters(6)...)
	require.Equal(t, []string{"c", "f", "a", "b", "d", "e"}, got)
	require.Contains(t, l.trace.packets(trace.Sent)[2].Note, "reorder")
}

// TestImpairAtRunTime: a change holds from the next packet on, in its own
// direction, and is in the trace.
func TestImpairAtRunTime(t *testing.T) {
	l, a, b, link := pair(t, delay(ms))
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", 10*ms, letters(4)...))
	l.At(5*ms, func() { require.NoError(t, link.Impair(sim.AB, netem.Config{Loss: 1})) })
	l.At(25*ms, func() { require.NoError(t, link.Impair(sim.AB, netem.Config{Delay: 20 * ms})) })
	l.At(25*ms, func() { require.Error(t, link.Impair(sim.AB, netem.Config{Loss: 2}), "200%") })
	l.run()
	require.Equal(t, []string{"a", "d"}, got)
	require.Equal(t, netem.Config{Delay: 20 * ms}, link.Impairments(sim.AB), "a refused change changes nothing")
	require.Equal(t, netem.Config{Delay: ms}, link.Impairments(sim.BA))
	delivered := l.trace.packets(trace.Delivered)
	require.Equal(t, 50*ms, delivered[len(delivered)-1].at)
	var changes []trace.LinkChange
	for _, e := range l.trace.events {
		if c, ok := e.Body.(*trace.LinkChange); ok {
			changes = append(changes, *c)
		}
	}
	require.Equal(t, []trace.LinkChange{
		{Link: "a-b", Direction: "a → b", Now: "loss 100%"},
		{Link: "a-b", Direction: "a → b", Now: "delay 20ms"},
	}, changes)
}

// TestChangeDoesNotReachPacketsInFlight: what has left is not called back.
func TestChangeDoesNotReachPacketsInFlight(t *testing.T) {
	l, a, b, link := pair(t, delay(10*ms))
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	a.Spawn("shoot", shoot(t, "10.0.0.2:9", 0, "x"))
	l.At(ms, func() { require.NoError(t, link.Impair(sim.AB, netem.Config{Loss: 1})) })
	require.NoError(t, l.Run(context.Background(), sim.Until(10*ms)))
	require.Equal(t, []string{"x"}, got)
}

func TestLinkNames(t *testing.T) {
	l := newLab(t, sim.Config{})
	a, b := l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
	for _, want := range []string{"a-b", "a-b-2", "a-b-3"} {
		require.Equal(t, want, l.connect(a, b, sim.LinkConfig{}).Name())
	}
	require.Equal(t, "wire", l.connect(a, b, sim.LinkConfig{Name: "wire"}).Name())
	require.Len(t, l.Links(), 4)
	_, err := l.Connect(a, b, sim.LinkConfig{Both: netem.Config{Loss: 1.2}})
	require.EqualError(t, err, "link a-b-4: loss 120%: must be between 0% and 100%")
}

// TestLinkNamesDiffer: a host whose name looks like a link's number does not get
// the name of another link.
func TestLinkNamesDiffer(t *testing.T) {
	l := newLab(t, sim.Config{})
	a, b, b2 := l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24"), l.host("b-2", "10.0.0.3/24")
	names := map[string]bool{}
	for _, h := range []*sim.Host{b2, b, b, b2} {
		names[l.connect(a, h, sim.LinkConfig{}).Name()] = true
	}
	require.Len(t, names, 4, "%v", names)
}

// TestLosslessTransferOverABadLink: TCP delivers every byte once and in order
// over a link that does everything to it at once.
func TestLosslessTransferOverABadLink(t *testing.T) {
	bad := netem.Config{Delay: 5 * ms, Jitter: 2 * ms, Loss: 0.02, Duplicate: 0.02, Corrupt: 0.02, Reorder: 0.02}
	l, a, b, _ := pair(t, sim.LinkConfig{Both: bad})
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	a.Spawn("ask", ask(t, "10.0.0.2:7", strings.Repeat("0123456789", 20_000)))
	l.run()
	require.NotEmpty(t, l.trace.packets(trace.Dropped))
	require.NotEmpty(t, l.trace.packets(trace.Discarded))
}
