package netem

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Queue is the sending end of a direction: a first-in first-out queue in front of a
// transmitter of fixed rate, as arithmetic. It holds no packets, only when each departs.
//
// A packet occupies the queue from when it is enqueued until its last bit has left, so the packet
// being sent counts towards the limit; at the instant of departure it counts no more.
// A packet that finds no room is dropped (tail drop).
type Queue struct {
	rate       BitsPerSecond
	overhead   int
	limit      int
	limitBytes int64

	now     time.Duration // of the latest call
	idle    time.Duration // when the transmitter has sent everything enqueued
	waiting []departure   // in order; waiting[head:] have not departed
	head    int
	bytes   int64 // sum of waiting[head:]
}

type departure struct {
	at    time.Duration
	bytes int
}

// never bounds all times, so that two of them can be added: 146 years.
const never = math.MaxInt64 / 2

// NewQueue returns an empty queue with the Rate, RateOverhead, Limit and LimitBytes of cfg.
func NewQueue(cfg Config) *Queue {
	q := &Queue{}
	q.change(cfg)
	return q
}

// change sets new parameters. Packets already enqueued keep their departure times.
func (q *Queue) change(cfg Config) {
	q.rate, q.overhead = cfg.Rate, cfg.RateOverhead
	q.limit, q.limitBytes = cmp.Or(cfg.Limit, DefaultLimit), cfg.LimitBytes
}

// Enqueue adds a packet of n bytes. Its first bit leaves at start and its last bit at depart; the
// difference is the serialisation time, (n + RateOverhead)·8/Rate rounded up to a nanosecond. If
// there is no room, drop says why, and the packet is gone. Without a rate both times are now and
// there is always room, once the packets enqueued under an earlier rate have left.
//
// The time must not go back between calls; Enqueue panics if it does.
func (q *Queue) Enqueue(now time.Duration, n int) (start, depart time.Duration, drop string) {
	packets, size := q.Backlog(now)
	if packets >= q.limit {
		return 0, 0, fmt.Sprintf("queue full (limit %d)", q.limit)
	}
	if q.limitBytes > 0 && size+int64(n) > q.limitBytes {
		return 0, 0, fmt.Sprintf("queue full (limit %s)", FormatSize(q.limitBytes))
	}
	start = max(now, q.idle)
	depart = min(start+q.serialise(n), never)
	q.waiting = append(q.waiting, departure{depart, n})
	q.bytes += int64(n)
	q.idle = depart
	return start, depart, ""
}

// Backlog counts the packets and bytes that have not departed by now.
func (q *Queue) Backlog(now time.Duration) (packets int, size int64) {
	if now < q.now {
		panic(fmt.Sprintf("netem: time went back from %v to %v", q.now, now))
	}
	q.now = now
	for q.head < len(q.waiting) && q.waiting[q.head].at <= now {
		q.bytes -= int64(q.waiting[q.head].bytes)
		q.head++
	}
	if q.head > len(q.waiting)/2 { // reuse the space of those that left
		q.waiting = append(q.waiting[:0], q.waiting[q.head:]...)
		q.head = 0
	}
	return len(q.waiting) - q.head, q.bytes
}

// serialise returns how long n bytes occupy the transmitter.
func (q *Queue) serialise(n int) time.Duration {
	if q.rate == 0 {
		return 0
	}
	rate := uint64(q.rate)
	high, low := bits.Mul64(uint64(max(0, n+q.overhead))*8, uint64(time.Second))
	if high >= rate {
		return never
	}
	nanos, rest := bits.Div64(high, low, rate)
	if rest > 0 {
		nanos++
	}
	return time.Duration(min(nanos, never))
}
