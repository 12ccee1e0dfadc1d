package netem_test

import (
	"testing"
	"time"

	"fivetuple/sim/netem"
)

// TestQueueTimes works the arithmetic by hand: 1250 bytes at 10mbit take exactly 1 ms.
func TestQueueTimes(t *testing.T) {
	q := netem.NewQueue(netem.Config{Rate: 10e6})
	for i, test := range []struct {
		now           time.Duration
		n             int
		start, depart time.Duration
	}{
		{0, 1250, 0, 1 * ms},
		{0, 1250, 1 * ms, 2 * ms}, // waits for the first
		{1500 * time.Microsecond, 125, 2 * ms, 2100 * time.Microsecond}, // waits for the second
		{5 * ms, 0, 5 * ms, 5 * ms},                                     // idle again, and nothing to send
		{5 * ms, 1, 5 * ms, 5*ms + 800},                                 // 8 bits at 0.1 µs each
	} {
		start, depart, drop := q.Enqueue(test.now, test.n)
		if start != test.start || depart != test.depart || drop != "" {
			t.Errorf("packet %d: start %v depart %v drop %q; want %v %v", i, start, depart, drop, test.start, test.depart)
		}
	}
}

// TestQueueRoundsUp: the last bit has not left before the time given.
func TestQueueRoundsUp(t *testing.T) {
	for _, test := range []struct {
		rate netem.BitsPerSecond
		n    int
		want time.Duration
	}{
		{3, 1, 2_666_666_667},                 // 8/3 s
		{7e9, 1, 2},                           // 8/7 ns
		{1e12, 1500, 12},                      // exactly 12 ns
		{1e12, 1501, 13},                      // 12.008 ns
		{1e6, 1 << 40, 8_796_093_022_208_000}, // 2⁴³ µs: the product needs more than 64 bits
	} {
		_, depart, _ := netem.NewQueue(netem.Config{Rate: test.rate}).Enqueue(0, test.n)
		if depart != test.want {
			t.Errorf("%d bytes at %s depart at %d ns, want %d", test.n, test.rate, depart, test.want)
		}
	}
}

func TestQueueOverhead(t *testing.T) {
	for _, test := range []struct {
		overhead int
		want     time.Duration
	}{{50, 120}, {-50, 40}, {-200, 0}} {
		q := netem.NewQueue(netem.Config{Rate: 10e9, RateOverhead: test.overhead})
		if _, depart, _ := q.Enqueue(0, 100); depart != test.want {
			t.Errorf("100%+d bytes at 10gbit depart at %d ns, want %d", test.overhead, depart, test.want)
		}
		if packets, size := q.Backlog(0); test.want > 0 && (packets != 1 || size != 100) {
			t.Errorf("backlog %d packets %d bytes, want 1 and 100: the overhead is not in the queue", packets, size)
		}
	}
}

// TestQueueLimit fills a queue of 3, and checks that room appears exactly when a last bit leaves.
func TestQueueLimit(t *testing.T) {
	q := netem.NewQueue(netem.Config{Rate: 10e6, Limit: 3})
	for range 3 {
		if _, _, drop := q.Enqueue(0, 1250); drop != "" {
			t.Fatal(drop)
		}
	}
	for _, now := range []time.Duration{0, 1*ms - 1} {
		if _, _, drop := q.Enqueue(now, 1250); drop != "queue full (limit 3)" {
			t.Errorf("at %v: drop %q, want queue full (limit 3)", now, drop)
		}
	}
	start, depart, drop := q.Enqueue(1*ms, 1250)
	if start != 3*ms || depart != 4*ms || drop != "" {
		t.Errorf("at 1ms: %v %v %q, want 3ms 4ms: drops must not have taken time", start, depart, drop)
	}
}

func TestQueueLimitBytes(t *testing.T) {
	q := netem.NewQueue(netem.Config{Rate: 8e3, LimitBytes: 2048}) // a byte per ms
	q.Enqueue(0, 1000)
	q.Enqueue(0, 1000)
	if _, _, drop := q.Enqueue(0, 49); drop != "queue full (limit 2kb)" {
		t.Errorf("49 bytes on top of 2000: %q, want queue full (limit 2kb)", drop)
	}
	if _, _, drop := q.Enqueue(0, 48); drop != "" {
		t.Errorf("48 bytes on top of 2000: %q, want room, since 2048 is allowed", drop)
	}
}

func TestQueueBacklog(t *testing.T) {
	q := netem.NewQueue(netem.Config{Rate: 8e3}) // a byte per ms
	q.Enqueue(0, 10)
	q.Enqueue(0, 20)
	q.Enqueue(0, 30)
	for _, test := range []struct {
		now     time.Duration
		packets int
		size    int64
	}{{0, 3, 60}, {10*ms - 1, 3, 60}, {10 * ms, 2, 50}, {29 * ms, 2, 50}, {30 * ms, 1, 30}, {60 * ms, 0, 0}} {
		if packets, size := q.Backlog(test.now); packets != test.packets || size != test.size {
			t.Errorf("at %v: %d packets, %d bytes; want %d, %d", test.now, packets, size, test.packets, test.size)
		}
	}
}

// TestQueueAgainstModel compares the arithmetic with the plainest queue there is, which keeps every
// departure for ever, over a load that fills and empties the queue many times.
func TestQueueAgainstModel(t *testing.T) {
	const limit = 20
	rng := newRand(1)
	q := netem.NewQueue(netem.Config{Rate: 8e6, Limit: limit}) // a byte per µs
	var departs []time.Duration
	now, idle, drops := time.Duration(0), time.Duration(0), 0
	for i := range 20000 {
		now += time.Duration(rng.IntN(150_000))
		n := 1 + rng.IntN(150)
		inside := 0
		for _, at := range departs[max(0, len(departs)-limit):] {
			if at > now {
				inside++
			}
		}
		start, depart, drop := q.Enqueue(now, n)
		if (drop != "") != (inside >= limit) {
			t.Fatalf("packet %d: drop %q with %d inside", i, drop, inside)
		}
		if drop != "" {
			drops++
			continue
		}
		wantStart := max(now, idle)
		idle = wantStart + time.Duration(n)*time.Microsecond
		if start != wantStart || depart != idle {
			t.Fatalf("packet %d: %v %v, want %v %v", i, start, depart, wantStart, idle)
		}
		departs = append(departs, depart)
	}
	if drops == 0 || drops > 10000 {
		t.Errorf("%d drops: the load does not both fill and empty the queue", drops)
	}
}

func TestQueueWithoutRate(t *testing.T) {
	q := netem.NewQueue(netem.Config{})
	for i := range 2 * netem.DefaultLimit {
		if start, depart, drop := q.Enqueue(ms, 1500); start != ms || depart != ms || drop != "" {
			t.Fatalf("packet %d: %v %v %q, want it to leave at once", i, start, depart, drop)
		}
	}
}

func TestQueueRefusesThePast(t *testing.T) {
	q := netem.NewQueue(netem.Config{})
	q.Enqueue(2, 1)
	defer func() {
		if recover() == nil {
			t.Error("no panic when time goes back")
		}
	}()
	q.Enqueue(1, 1)
}
