package trace_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

// recorder is a sink that remembers, and fails when told to.
type recorder struct {
	events   []trace.Event
	closed   int
	failAt   trace.ID // Event fails from this event on, if not 0
	closeErr error
}

var errFull = errors.New("a.jsonl: no space left on device")

func (r *recorder) Event(ev *trace.Event) error {
	r.events = append(r.events, *ev)
	if r.failAt != 0 && ev.ID >= r.failAt {
		return errFull
	}
	return nil
}

func (r *recorder) Close() error {
	r.closed++
	return r.closeErr
}

// line is an event as the tests compare it.
type line struct {
	id, cause trace.ID
	at        time.Duration
	host      string
	text      string
}

func (r *recorder) lines() (out []line) {
	for _, ev := range r.events {
		text := ev.Body.Kind()
		if m, ok := ev.Body.(*trace.Mark); ok {
			text = m.Text
		}
		out = append(out, line{ev.ID, ev.Cause, ev.At, ev.Host, text})
	}
	return out
}

func mark(text string) *trace.Mark { return &trace.Mark{Text: text} }

var onA, onB = trace.Origin{Host: "a"}, trace.Origin{Host: "b"}

func TestBusOrderAndCauses(t *testing.T) {
	var now time.Duration
	bus := trace.Bus{Clock: func() time.Duration { return now }}
	first, second := &recorder{}, &recorder{}
	bus.Attach(first)
	bus.Attach(second)

	require.Equal(t, trace.ID(1), bus.Emit(onA, mark("one")))
	bus.SetCause(1)
	require.Equal(t, trace.ID(2), bus.Emit(onA, mark("two")))
	now = 5
	require.Equal(t, trace.ID(3), bus.EmitCaused(2, onB, mark("three")))
	require.Equal(t, trace.ID(1), bus.Cause(), "EmitCaused leaves the cause alone")
	bus.SetCause(0)
	bus.Emit(onB, mark("four"))

	want := []line{{1, 0, 0, "a", "one"}, {2, 1, 0, "a", "two"}, {3, 2, 5, "b", "three"}, {4, 0, 5, "b", "four"}}
	require.Equal(t, want, first.lines())
	require.Equal(t, want, second.lines())
	require.NoError(t, bus.Err())
	require.NoError(t, bus.Close())
	require.Equal(t, []int{1, 1}, []int{first.closed, second.closed})
	require.False(t, bus.Enabled())
}

func TestDeferCause(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(*trace.Bus)
		want []line
	}{
		{"a timer with nothing to do leaves no line", func(b *trace.Bus) {
			b.DeferCause(onA, 0, mark("timer"))
			b.SetCause(0)
			b.Emit(onA, mark("later"))
		}, []line{{1, 0, 0, "a", "later"}}},
		{"one with consequences leaves one, before them", func(b *trace.Bus) {
			b.DeferCause(onA, 0, mark("timer"))
			b.Emit(onB, mark("x"))
			b.Emit(onB, mark("y"))
		}, []line{{1, 0, 0, "a", "timer"}, {2, 1, 0, "b", "x"}, {3, 1, 0, "b", "y"}}},
		{"it has a cause of its own", func(b *trace.Bus) {
			armed := b.Emit(onA, mark("send"))
			b.DeferCause(onA, armed, mark("timer"))
			b.Emit(onA, mark("resend"))
		}, []line{{1, 0, 0, "a", "send"}, {2, 1, 0, "a", "timer"}, {3, 2, 0, "a", "resend"}}},
		{"to ask for the cause brings it into being", func(b *trace.Bus) {
			b.DeferCause(onA, 0, mark("timer"))
			b.EmitCaused(b.Cause(), onB, mark("x"))
		}, []line{{1, 0, 0, "a", "timer"}, {2, 1, 0, "b", "x"}}},
		{"what was caused by something else does not", func(b *trace.Bus) {
			b.DeferCause(onA, 0, mark("timer"))
			b.EmitCaused(0, onB, mark("x"))
		}, []line{{1, 0, 0, "b", "x"}}},
		{"the second replaces the first", func(b *trace.Bus) {
			b.DeferCause(onA, 0, mark("first"))
			b.DeferCause(onA, 0, mark("second"))
			b.Emit(onB, mark("x"))
		}, []line{{1, 0, 0, "a", "second"}, {2, 1, 0, "b", "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bus trace.Bus
			sink := &recorder{}
			bus.Attach(sink)
			tt.run(&bus)
			require.Equal(t, tt.want, sink.lines())
		})
	}
}

// TestBecause: what is emitted in between follows from the new event, what
// comes after from the old cause.
func TestBecause(t *testing.T) {
	r := &recorder{}
	b := &trace.Bus{}
	b.Because(onA, mark("nobody listens"))()
	b.Attach(r)
	b.SetCause(b.EmitCaused(0, onA, mark("input")))
	back := b.Because(onB, mark("start"))
	b.Emit(onB, mark("in between"))
	back()
	b.Emit(onA, mark("after"))
	require.Equal(t, []line{
		{1, 0, 0, "a", "input"}, {2, 1, 0, "b", "start"}, {3, 2, 0, "b", "in between"}, {4, 1, 0, "a", "after"},
	}, r.lines())
}

func TestBusWithoutSinks(t *testing.T) {
	var bus trace.Bus
	require.False(t, bus.Enabled())
	require.Zero(t, bus.Emit(onA, mark("x")))
	require.Zero(t, bus.EmitCaused(7, onA, mark("x")))
	bus.DeferCause(onA, 0, mark("x"))
	require.Zero(t, bus.Cause())
	require.NoError(t, bus.Err())
	require.NoError(t, bus.Close())
}

// A failing sink is stopped, closed and reported, and the others go on.
func TestBusSinkFails(t *testing.T) {
	var bus trace.Bus
	closeErr := errors.New("a.jsonl: torn")
	bad, good := &recorder{failAt: 2, closeErr: closeErr}, &recorder{}
	bus.Attach(bad)
	bus.Attach(good)
	bus.Emit(onA, mark("one"))
	require.NoError(t, bus.Err())
	bus.Emit(onA, mark("two"))
	bus.Emit(onA, mark("three"))

	require.Len(t, bad.events, 2)
	require.Equal(t, 1, bad.closed)
	require.Len(t, good.events, 3)
	require.True(t, bus.Enabled())
	require.ErrorIs(t, bus.Err(), errFull)

	err := bus.Close()
	require.ErrorIs(t, err, errFull)
	require.ErrorIs(t, err, closeErr)
	require.Equal(t, []int{1, 1}, []int{bad.closed, good.closed}, "no sink is closed twice")
	require.NoError(t, bus.Close(), "nothing is reported twice")
}

func TestBusCloseFails(t *testing.T) {
	var bus trace.Bus
	one, two := &recorder{closeErr: errors.New("one")}, &recorder{closeErr: errors.New("two")}
	bus.Attach(one)
	bus.Attach(two)
	require.EqualError(t, bus.Close(), "one\ntwo")
}

func TestBusTimeGoesBack(t *testing.T) {
	now := time.Duration(10)
	bus := trace.Bus{Clock: func() time.Duration { return now }}
	bus.Attach(&recorder{})
	bus.Emit(onA, mark("ten"))
	bus.Emit(onA, mark("ten again"))
	now = 9
	require.PanicsWithValue(t, "trace: time went back: events must be emitted in (time, sequence) order",
		func() { bus.Emit(onA, mark("nine")) })
}

func TestStateSS(t *testing.T) {
	for _, tt := range []struct {
		name trace.TCPState
		want string
	}{
		{trace.Established, "ESTAB"}, {trace.SynReceived, "SYN-RECV"}, {trace.Closed, "UNCONN"},
		{trace.Listen, "LISTEN"}, {trace.TimeWait, "TIME-WAIT"},
	} {
		t.Run(string(tt.name), func(t *testing.T) { require.Equal(t, tt.want, tt.name.SS()) })
	}
}
