package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"

	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// bell is a source that goroutines outside of the world ring, and that a process
// in it hears.
type bell struct {
	mu    sync.Mutex
	rings int
	p     *sockapi.Proc
	heard func(rings int) int // asks the machine; in the recorded run it tells
}

func (b *bell) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rings > 0
}

func (b *bell) Take() { b.p.Rouse() }

// serve marks how often it was rung, until that was ten times.
func (b *bell) serve(p *sockapi.Proc) error {
	b.p = p
	for n := 0; n < 10; {
		p.Rest(sockapi.NoDeadline)
		b.mu.Lock()
		n += b.heard(b.rings)
		b.rings = 0
		b.mu.Unlock()
		p.Mark(fmt.Sprintf("%d", n))
	}
	return nil
}

// belfry is a world with a bell.
func belfry(t *testing.T, out io.Writer, heard func(w *sim.World) func(int) int) (*sim.World, *bell) {
	w := sim.New(sim.Config{})
	t.Cleanup(w.Close)
	w.Bus().Attach(jsonl.New(out, jsonl.Config{Epoch: w.Epoch()}))
	h, err := w.AddHost(sim.HostConfig{Name: "h", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	require.NoError(t, err)
	b := &bell{heard: heard(w)}
	w.Attend(b)
	h.Spawn("bell", b.serve)
	return w, b
}

// recordBell rings a bell ten times.
func recordBell(t *testing.T) (live string, file []byte) {
	var trace, out bytes.Buffer
	w, b := belfry(t, &trace, func(w *sim.World) func(int) int {
		return func(n int) int {
			w.Answered([]byte("how often"), []byte{byte(n)})
			return n
		}
	})
	rec, err := record.NewWriter(&out, record.Header{})
	require.NoError(t, err)
	w.Record(rec)
	ctx, over := context.WithCancel(t.Context())
	var ringing sync.WaitGroup
	ringing.Go(func() {
		for range 10 {
			b.mu.Lock()
			b.rings++
			b.mu.Unlock()
			w.Ask(ctx)
		}
	})
	require.NoError(t, w.RunPaced(t.Context(), sim.UntilQuiet))
	over()
	ringing.Wait()
	w.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: w.Events(), Now: w.Now()}))
	require.NoError(t, w.Bus().Close())
	return trace.String(), out.Bytes()
}

// replayBell replays that, asking as how says.
func replayBell(t *testing.T, file []byte, ask string) (trace string, err error) {
	var again bytes.Buffer
	r, err := record.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	var p *sim.Replayer
	w, _ := belfry(t, &again, func(w *sim.World) func(int) int {
		p = w.Replayer(r)
		return func(int) int {
			a, ok := p.Answer([]byte(ask))
			if !ok {
				return 0
			}
			return int(a[0])
		}
	})
	_, err = p.End(t.Context())
	require.NoError(t, w.Bus().Close())
	return again.String(), err
}

// TestReplaySource: when a source had something, and what the machine answered
// then, is recorded: the replay has the same trace, without the source.
func TestReplaySource(t *testing.T) {
	live, file := recordBell(t)
	again, err := replayBell(t, file, "how often")
	require.NoError(t, err)
	require.Equal(t, live, again)
	require.Contains(t, live, `"10"`)
}

// TestReplayAnswers: who asks something else than was asked, or more, ends the
// replay with an error that says so.
func TestReplayAnswers(t *testing.T) {
	_, file := recordBell(t)
	_, err := replayBell(t, file, "how loud")
	require.ErrorContains(t, err, `the machine is asked to "how loud", and was asked to "how often" then: this is not what was recorded`)

	var short bytes.Buffer
	rec, err := record.NewWriter(&short, record.Header{})
	require.NoError(t, err)
	require.NoError(t, rec.Input(record.Input{Taken: true}))
	require.NoError(t, rec.End(record.End{Ran: 9}))
	_, err = replayBell(t, short.Bytes(), "how often")
	require.EqualError(t, err, `input 2: before it, the machine is asked to "how often", and was asked nothing more then: this is not what was recorded`)
}

// TestReplayWithoutSource: a recording of a world with a source needs one.
func TestReplayWithoutSource(t *testing.T) {
	_, file := recordBell(t)
	l := newLab(t, sim.Config{})
	r, err := record.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	_, err = l.Replay(t.Context(), r)
	require.ErrorContains(t, err, "input 1: something has happened to sockets of the machine, and nobody here has any")
}

// TestAskEnds: who asks is let go with its context, whether the world runs or not.
func TestAskEnds(t *testing.T) {
	l := newLab(t, sim.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool)
	go func() { asked <- l.Ask(ctx) }()
	cancel()
	require.False(t, <-asked)
}
