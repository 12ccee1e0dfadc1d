package sim

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLoopOrder schedules, moves and cancels events at random and compares
// what comes out with a sort: by time, and at equal times by when they were
// scheduled. Times are drawn from few values, so that most are equal.
func TestLoopOrder(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		l := &loop{}
		events := make([]event, 400)
		type entry struct {
			at  time.Duration
			seq int
			ev  *event
		}
		var want []entry
		drop := func(e *event) { want = slices.DeleteFunc(want, func(x entry) bool { return x.ev == e }) }
		for n := range 1500 {
			e := &events[rng.IntN(len(events))]
			if rng.IntN(3) == 0 {
				require.Equal(t, e.scheduled(), l.cancel(e), "cancel says whether there was something to cancel")
				drop(e)
				continue
			}
			l.cancel(e)
			drop(e)
			at := time.Duration(rng.IntN(20))
			l.schedule(e, at)
			want = append(want, entry{at, n, e})
		}
		slices.SortFunc(want, func(a, b entry) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return a.seq - b.seq
		})
		for _, w := range want {
			require.Same(t, w.ev, l.peek())
			require.Same(t, w.ev, l.pop())
			require.Equal(t, w.at, l.now)
			require.False(t, w.ev.scheduled())
		}
		require.Nil(t, l.peek())
		require.Equal(t, uint64(len(want)), l.ran)
	}
}

func TestLoopPast(t *testing.T) {
	l := &loop{now: 10}
	var past, now event
	l.schedule(&now, 10)
	l.schedule(&past, 3)
	require.Same(t, &now, l.pop(), "a time that has passed means now, after what is due already")
	require.Same(t, &past, l.pop())
	require.Equal(t, time.Duration(10), l.now, "time does not go back")
	l.schedule(&now, 11)
	require.PanicsWithValue(t, "sim: event scheduled twice", func() { l.schedule(&now, 12) })
}

// TestLoopForgets: the loop keeps nothing of events that have happened or were
// cancelled: a timer leads to its connection, with all its memory.
func TestLoopForgets(t *testing.T) {
	var l loop
	var freed atomic.Int32
	func() {
		var events []*event
		for n := range 100 {
			e := &event{}
			runtime.SetFinalizer(e, func(*event) { freed.Add(1) })
			l.schedule(e, time.Duration(n))
			events = append(events, e)
		}
		for _, e := range events[:50] {
			l.cancel(e)
		}
		for l.peek() != nil {
			l.pop()
		}
	}()
	for n := 0; n < 100 && freed.Load() < 90; n++ {
		runtime.GC()
		runtime.Gosched()
	}
	require.GreaterOrEqual(t, freed.Load(), int32(90), "of 100; a stack slot may keep some")
	runtime.KeepAlive(&l)
}
