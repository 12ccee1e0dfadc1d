package netem_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"fivetuple/sim/netem"
)

// everything configures all kinds of impairment at once.
const everything = "delay 10ms 2ms 25% distribution normal loss 5% 10% duplicate 5% corrupt 5% " +
	"reorder 10% 20% rate 10mbit limit 20"

func verdicts(t testing.TB, text string, seed uint64, n int) []netem.Verdict {
	t.Helper()
	d := mustDirection(t, text, seed)
	vs := make([]netem.Verdict, n)
	for i := range vs {
		vs[i] = d.Decide(0, &netem.Packet{Len: 1000})
	}
	return vs
}

func TestSameSeedSameVerdicts(t *testing.T) {
	if !reflect.DeepEqual(verdicts(t, everything, 7, 1000), verdicts(t, everything, 7, 1000)) {
		t.Error("one seed gave two histories")
	}
	if reflect.DeepEqual(verdicts(t, everything, 7, 1000), verdicts(t, everything, 8, 1000)) {
		t.Error("two seeds gave one history")
	}
}

// The package documentation promises that impairments do not share luck.
func TestLuckIsNotShared(t *testing.T) {
	plain := verdicts(t, "delay 10ms 2ms", 7, 1000)
	other := verdicts(t, "delay 10ms 2ms drop packet 2 loss 10% duplicate 10% corrupt 10%", 7, 1000)
	survivors := 0
	for i, v := range other {
		if v.Drop != "" {
			continue
		}
		survivors++
		if v.Delay != plain[i].Delay {
			t.Fatalf("packet %d is delayed %v, and %v with other impairments around", i+1, plain[i].Delay, v.Delay)
		}
	}
	if survivors == 1000 || !slices.Equal(drops(t, "loss 10%", 7, 1000), drops(t, "delay 9ms 1ms loss 10% corrupt 50%", 7, 1000)) {
		t.Error("losses depend on other impairments")
	}
}

// Rules get streams of their own, after those of the kinds.
func TestRulesDoNotShareLuck(t *testing.T) {
	rule := netem.ModelFunc(func(_ time.Duration, _ *netem.Packet, rng *rand.Rand) netem.Verdict {
		rng.Uint64()
		return netem.Verdict{}
	})
	with, without := mustDirection(t, "loss 10%", 7, rule), mustDirection(t, "loss 10%", 7)
	for i := range 1000 {
		if a, b := with.Decide(0, &netem.Packet{}), without.Decide(0, &netem.Packet{}); a.Drop != b.Drop {
			t.Fatalf("packet %d: %q with a rule, %q without", i+1, a.Drop, b.Drop)
		}
	}
}

func TestTheCallersStreamIsLeftAlone(t *testing.T) {
	pcg := rand.NewPCG(7, 0)
	cfg, _ := netem.Parse(everything)
	d, err := netem.NewDirection(cfg, rand.New(pcg))
	if err != nil {
		t.Fatal(err)
	}
	before, _ := pcg.MarshalBinary()
	for range 100 {
		d.Send(0, &netem.Packet{Len: 100})
	}
	if after, _ := pcg.MarshalBinary(); !slices.Equal(before, after) {
		t.Error("packets drew from the stream given to NewDirection")
	}
}

func TestNewDirectionValidates(t *testing.T) {
	if d, err := netem.NewDirection(netem.Config{Loss: 2}, newRand(1)); d != nil || err == nil {
		t.Errorf("got %v, %v; want an error", d, err)
	}
}

func TestDropReasons(t *testing.T) {
	firstSYN := netem.ModelFunc(func(_ time.Duration, p *netem.Packet, _ *rand.Rand) netem.Verdict {
		if p.Num == 1 {
			return netem.Verdict{Drop: "first SYN"}
		}
		return netem.Verdict{}
	})
	d := mustDirection(t, "loss 100% drop packet 1,2", 1, firstSYN)
	for i, want := range []string{"first SYN", "drop packet 2", "loss 100%"} {
		if v := d.Decide(0, &netem.Packet{}); v.Drop != want {
			t.Errorf("packet %d: %q, want %q: the first to drop names the reason", i+1, v.Drop, want)
		}
	}
	if got, want := d.Stats(), (netem.Stats{Packets: 3, Lost: 3}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestPerfectWire(t *testing.T) {
	d := mustDirection(t, "", 1)
	v, copies := d.Send(5*ms, &netem.Packet{Len: 1500})
	if want := []netem.Copy{{Start: 5 * ms, Depart: 5 * ms, Arrive: 5 * ms}}; !reflect.DeepEqual(v, netem.Verdict{}) || !reflect.DeepEqual(copies, want) {
		t.Errorf("got %+v %+v, want %+v", v, copies, want)
	}
}

// Each chance is binomial, as in TestLossRate.
func TestChances(t *testing.T) {
	const n, p = 20_000, 0.05
	sigma := math.Sqrt(n * p * (1 - p))
	d := mustDirection(t, "delay 1ms duplicate 5% corrupt 5% reorder 5%", 1)
	for range n {
		d.Decide(0, &netem.Packet{Len: 100})
	}
	wantNear(t, "duplicated", float64(d.Stats().Duplicated), n*p, sigma)
	wantNear(t, "corrupted", float64(d.Stats().Corrupted), n*p, sigma)
	wantNear(t, "reordered", float64(d.Stats().Reordered), n*p, sigma)
}

// Every bit of a 10-byte packet is equally likely to flip: 80 binomial counts.
func TestCorruptFlipsAnyBit(t *testing.T) {
	const n, bits = 16_000, 80
	var hits [bits]int
	d := mustDirection(t, "corrupt 100%", 1)
	for range n {
		v := d.Decide(0, &netem.Packet{Len: 24, Data: make([]byte, 10)}) // Data bounds the bits, not Len
		if len(v.Corrupt) != 1 {
			t.Fatalf("corrupt %v, want one bit", v.Corrupt)
		}
		hits[v.Corrupt[0]]++
	}
	for bit, got := range hits {
		if math.Abs(float64(got)-n/bits) > 5*math.Sqrt(n/bits) {
			t.Errorf("bit %d flipped %d times, want %d ± 5σ", bit, got, n/bits)
		}
	}
	if v := d.Decide(0, &netem.Packet{}); v.Corrupt != nil {
		t.Errorf("an empty packet has no bit %v", v.Corrupt)
	}
}

// Two draws for every packet, so that the chance of corruption does not move the bits.
func TestCorruptLuckBelongsToThePacket(t *testing.T) {
	always := verdicts(t, "corrupt 100%", 1, 1000)
	for i, v := range verdicts(t, "corrupt 5%", 1, 1000) {
		if v.Corrupt != nil && !slices.Equal(v.Corrupt, always[i].Corrupt) {
			t.Fatalf("packet %d: bit %v at 5%%, bit %v at 100%%", i+1, v.Corrupt, always[i].Corrupt)
		}
	}
}

// The mean of n delays has a standard deviation of σ/√n, and their sample deviation one of at most
// about 2σ/√n for these shapes (kurtosis below 17).
func TestJitter(t *testing.T) {
	const n = 20_000
	for _, test := range []struct {
		text        string
		mean, sigma float64 // in jitters
		low, high   time.Duration
	}{
		{"delay 10ms 2ms", 0, 1 / math.Sqrt(3), 8 * ms, 12 * ms},
		{"delay 10ms 2ms distribution normal", 0, 1, 2 * ms, 18 * ms},
		{"delay 10ms 2ms distribution pareto", -0.0335, 0.82, 8*ms + 666*time.Microsecond, 18 * ms},
		{"delay 10ms 2ms distribution paretonormal", -0.0253, 0.834, 6 * ms, 18 * ms},
	} {
		var sum, squares float64
		for _, v := range verdicts(t, test.text, 1, n) {
			if v.Delay < test.low || v.Delay > test.high {
				t.Fatalf("%s: %v is outside of %v to %v", test.text, v.Delay, test.low, test.high)
			}
			x := float64(v.Delay-10*ms) / float64(2*ms)
			sum += x
			squares += x * x
		}
		mean := sum / n
		wantNear(t, test.text+": mean", mean, test.mean, test.sigma/math.Sqrt(n))
		wantNear(t, test.text+": deviation", math.Sqrt(squares/n-mean*mean), test.sigma, 2*test.sigma/math.Sqrt(n))
	}
}

func TestDelayIsNeverNegative(t *testing.T) {
	zeros := 0
	for _, v := range verdicts(t, "delay 1ms 2ms", 1, 1000) {
		if v.Delay < 0 {
			t.Fatalf("delay %v", v.Delay)
		}
		if v.Delay == 0 {
			zeros++
		}
	}
	if zeros < 150 || zeros > 350 { // 1 in 4 falls below 0: binomial, σ = 13.7
		t.Errorf("%d of 1000 delays are 0, want about 250", zeros)
	}
}

// tc-netem(8): "To cause a repeatable pattern where every 5th packet is reordered reliably, a
// reorder probability of 100% can be used."
func TestReorderGap(t *testing.T) {
	for i, v := range verdicts(t, "delay 10ms reorder 100% gap 5", 1, 20) {
		want := netem.Verdict{Delay: 10 * ms}
		if (i+1)%5 == 0 {
			want = netem.Verdict{Reordered: true, Note: "reorder 100%"}
		}
		if !reflect.DeepEqual(v, want) {
			t.Errorf("packet %d: %+v, want %+v", i+1, v, want)
		}
	}
}

// A reordered packet overtakes, even at a rate, but no faster than the rate.
func TestReorderOvertakes(t *testing.T) {
	d := mustDirection(t, "delay 10ms reorder 100% gap 3 rate 10mbit", 1)
	var arrive []time.Duration
	for range 4 {
		_, copies := d.Send(0, &netem.Packet{Len: 1250})
		arrive = append(arrive, copies[0].Arrive)
	}
	if want := []time.Duration{11 * ms, 12 * ms, 3 * ms, 14 * ms}; !slices.Equal(arrive, want) {
		t.Errorf("arrivals %v, want %v", arrive, want)
	}
}

func TestCopies(t *testing.T) {
	d := mustDirection(t, "delay 10ms duplicate 100% corrupt 100% rate 10mbit limit 3", 1)
	v, copies := d.Send(0, &netem.Packet{Len: 1250})
	want := []netem.Copy{
		{Start: 0, Depart: 1 * ms, Arrive: 11 * ms, Corrupt: v.Corrupt},
		{Start: 1 * ms, Depart: 2 * ms, Arrive: 12 * ms},
	}
	if len(v.Corrupt) != 1 || !reflect.DeepEqual(copies, want) {
		t.Errorf("got %+v, want %+v", copies, want)
	}
	_, copies = d.Send(0, &netem.Packet{Len: 1250})
	if copies[0].Drop != "" || copies[1].Drop != "queue full (limit 3)" {
		t.Errorf("got %+v, want room for one", copies)
	}
	if got, want := d.Stats(), (netem.Stats{Packets: 2, Duplicated: 2, Corrupted: 2, Overflowed: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if packets, size := d.Backlog(0); packets != 3 || size != 3750 {
		t.Errorf("backlog %d packets, %d bytes; want 3, 3750", packets, size)
	}
}

// arrivals sends a packet of 1250 bytes every 100 µs.
func arrivals(t *testing.T, text string, n int) (times []time.Duration) {
	t.Helper()
	d := mustDirection(t, text, 1)
	for i := range n {
		_, copies := d.Send(time.Duration(i)*100*time.Microsecond, &netem.Packet{Len: 1250})
		times = append(times, copies[0].Arrive)
	}
	return times
}

func TestJitterAndOrder(t *testing.T) {
	const n = 1000
	if slices.IsSorted(arrivals(t, "delay 10ms 5ms", n)) {
		t.Error("10 ms of spread at 100 µs spacing reordered nothing")
	}
	if !slices.IsSorted(arrivals(t, "delay 10ms 5ms keeporder", n)) {
		t.Error("keeporder did not keep the order")
	}
	times := arrivals(t, "delay 10ms 5ms rate 100mbit", n)
	for i := 1; i < n; i++ {
		if gap := times[i] - times[i-1]; gap < 100*time.Microsecond { // 1250 bytes at 100mbit
			t.Fatalf("packet %d arrives %v after the one before, faster than the rate", i+1, gap)
		}
	}
}

// With a constant delay, kernel netem's arithmetic (delay first, then the rate) gives the same
// arrivals as ours: next = max(now+delay, last) + size/rate.
func TestRateAndDelayAsInNetem(t *testing.T) {
	rng, last, now := newRand(1), time.Duration(0), time.Duration(0)
	d := mustDirection(t, "delay 10ms rate 8mbit limit 100000", 1) // a byte per µs
	for i := range 1000 {
		now += time.Duration(rng.IntN(2_000_000))
		n := 1 + rng.IntN(1500)
		last = max(now+10*ms, last) + time.Duration(n)*time.Microsecond
		if _, copies := d.Send(now, &netem.Packet{Len: n}); copies[0].Arrive != last {
			t.Fatalf("packet %d arrives at %v, in netem at %v", i+1, copies[0].Arrive, last)
		}
	}
}

func TestChange(t *testing.T) {
	d := mustDirection(t, "rate 10mbit limit 10", 1)
	d.Send(0, &netem.Packet{Len: 12500})
	cfg, _ := netem.Parse("delay 1ms drop packet 3 rate 1mbit limit 10")
	if err := d.Change(cfg); err != nil {
		t.Fatal(err)
	}
	_, copies := d.Send(0, &netem.Packet{Len: 125})
	if want := (netem.Copy{Start: 10 * ms, Depart: 11 * ms, Arrive: 12 * ms}); !reflect.DeepEqual(copies[0], want) {
		t.Errorf("got %+v, want %+v: behind the backlog, at the new rate and delay", copies[0], want)
	}
	if v, _ := d.Send(0, &netem.Packet{Len: 125}); v.Drop != "drop packet 3" {
		t.Errorf("packet 3: drop %q: the count must go on", v.Drop)
	}
	if err := d.Change(netem.Config{Loss: 2}); err == nil || d.Config().String() != cfg.String() {
		t.Errorf("Change to nonsense: error %v, config %q", err, d.Config())
	}
}

func BenchmarkSend(b *testing.B) {
	d := mustDirection(b, everything, 1)
	now := time.Duration(0)
	for b.Loop() {
		now += ms
		d.Send(now, &netem.Packet{Len: 1000})
	}
}
