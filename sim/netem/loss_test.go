package netem_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"fivetuple/sim/netem"
)

// The statistical tests draw a fixed number of packets from a fixed seed, so they give one result
// for ever. Their bounds are five standard deviations of what the claim predicts: a right
// implementation fails for less than one seed in a million, and enough packets are drawn that a
// wrong probability lies far outside.

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func mustDirection(t testing.TB, text string, seed uint64, rules ...netem.Model) *netem.Direction {
	t.Helper()
	cfg, err := netem.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := netem.NewDirection(cfg, newRand(seed), rules...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// drops sends n packets and reports which were dropped.
func drops(t testing.TB, text string, seed uint64, n int) []bool {
	t.Helper()
	d := mustDirection(t, text, seed)
	lost := make([]bool, n)
	for i := range lost {
		lost[i] = d.Decide(0, &netem.Packet{Len: 100}).Drop != ""
	}
	return lost
}

func count(bs []bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}

// runs returns the lengths of the runs of true.
func runs(bs []bool) (lengths []int) {
	length := 0
	for _, b := range append(bs[:len(bs):len(bs)], false) {
		if b {
			length++
		} else if length > 0 {
			lengths = append(lengths, length)
			length = 0
		}
	}
	return lengths
}

// wantNear fails unless got is within five standard deviations of want.
func wantNear(t *testing.T, what string, got, want, sigma float64) {
	t.Helper()
	if math.Abs(got-want) > 5*sigma {
		t.Errorf("%s: got %.5g, want %.5g ± %.2g", what, got, want, 5*sigma)
	}
}

// A count of n independent packets lost with probability p is binomial: mean np, variance np(1-p).
func TestLossRate(t *testing.T) {
	const n = 50_000
	for _, test := range []struct {
		text string
		p    float64
	}{{"loss 1%", 0.01}, {"loss 30%", 0.3}, {"loss state 1%", 0.01}, {"loss gemodel 1%", 0.01}} {
		got := float64(count(drops(t, test.text, 1, n)))
		wantNear(t, test.text, got, n*test.p, math.Sqrt(n*test.p*(1-test.p)))
	}
}

func TestLossExtremes(t *testing.T) {
	if n := count(drops(t, "loss 100%", 1, 1000)); n != 1000 {
		t.Errorf("loss 100%% dropped %d of 1000", n)
	}
	if n := count(drops(t, "loss 0%", 1, 1000)); n != 0 {
		t.Errorf("loss 0%% dropped %d of 1000", n)
	}
}

func TestDropPacket(t *testing.T) {
	for i, lost := range drops(t, "drop packet 5,2", 1, 10) {
		if want := i+1 == 2 || i+1 == 5; lost != want {
			t.Errorf("packet %d: lost %v, want %v", i+1, lost, want)
		}
	}
}

// Correlated numbers crowd around the middle, so a low threshold is rarely reached. Their stationary
// variance is (1-ρ)/(1+ρ)/12; with ρ = 90% a value below 1% would be 7 standard deviations out.
// tc-netem(8) warns of this; here it is pinned, so that the documentation stays true.
func TestCorrelatedLossIsRare(t *testing.T) {
	const n = 50_000
	if got := count(drops(t, "loss 1% 90%", 1, n)); got > 10 { // the first numbers may still be extreme
		t.Errorf("loss 1%% 90%% lost %d of %d, want next to none", got, n)
	}
	lost := drops(t, "loss 50% 90%", 1, n)
	pairs := 0
	for i := 1; i < n; i++ {
		if lost[i] == lost[i-1] {
			pairs++
		}
	}
	// For a Gaussian process with lag-one correlation ρ the chance that neighbours lie on the same
	// side of the mean is 1/2 + asin(ρ)/π, 86% here. Independent losses give 50%.
	if share := float64(pairs) / n; share < 0.8 || share > 0.9 {
		t.Errorf("neighbours share a fate in %.1f%% of cases, want about 86%%", 100*share)
	}
}

// With 1-h = 100% and 1-k = 0%, a run of losses is a stay in the bad state. Its length is
// geometric: mean 1/r, variance (1-r)/r². The share of the bad state is p/(p+r).
func TestGilbertBurstLength(t *testing.T) {
	const n, p, r = 100_000, 0.01, 0.2
	lost := drops(t, "loss gemodel 1% 20%", 1, n)
	bursts := runs(lost)
	mean := float64(count(lost)) / float64(len(bursts))
	wantNear(t, "burst length", mean, 1/r, math.Sqrt((1-r)/(r*r)/float64(len(bursts))))

	// Bursts begin once per cycle of mean length 1/p + 1/r; the variance of the
	// cycle length gives that of their count over n packets (renewal theorem).
	cycle, variance := 1/p+1/r, (1-p)/(p*p)+(1-r)/(r*r)
	wantNear(t, "bursts", float64(len(bursts)), n/cycle, math.Sqrt(n*variance/(cycle*cycle*cycle)))
}

// With losses of 1-h and 1-k inside the states, the long-run loss is their average, weighted with
// the share of each state. Correlation between packets widens the variance of the count by at most
// (1+λ)/(1-λ), where λ = 1-p-r is the memory of the chain.
func TestGilbertElliottLoss(t *testing.T) {
	const n, p, r, bad, good = 100_000, 0.02, 0.1, 0.5, 0.01
	const share, memory = p / (p + r), 1 - p - r
	const want = share*bad + (1-share)*good
	got := float64(count(drops(t, "loss gemodel 2% 10% 50% 1%", 1, n)))
	wantNear(t, "lost", got, n*want, math.Sqrt(n*want*(1-want)*(1+memory)/(1-memory)))
}

func TestGilbertElliottReasons(t *testing.T) {
	d := mustDirection(t, "loss gemodel 10% 10% 50% 10%", 1)
	seen := map[string]int{}
	for range 1000 {
		seen[d.Decide(0, &netem.Packet{}).Drop]++
	}
	if len(seen) != 3 || seen["gemodel (bad state)"] < seen["gemodel (good state)"] || seen["gemodel (good state)"] == 0 {
		t.Errorf("reasons %v: want both states, the bad one more often", seen)
	}
}

// The 4-state chain: in the long run the shares s1..s4 satisfy
//
//	s4 = s1·p14,  s2·p23 = s3·p32,  s3·p31 = s1·p13 (what enters the burst leaves it)
//
// and a packet is lost in states 3 and 4. An isolated loss is a run of one.
func TestLossState(t *testing.T) {
	const n, p13, p31, p32, p23, p14 = 200_000, 0.01, 0.2, 0.3, 0.5, 0.05
	s3, s4 := p13/p31, p14 // relative to s1 = 1
	s2 := s3 * p32 / p23
	want := (s3 + s4) / (1 + s2 + s3 + s4)
	lost := drops(t, "loss state 1% 20% 30% 50% 5%", 1, n)
	// A burst has 1/p31 losses on average, which widens a binomial's variance by less than 2/p31.
	wantNear(t, "lost", float64(count(lost)), n*want, math.Sqrt(n*want*2/p31))

	d := mustDirection(t, "loss state 0% 100% 0% 100% 100%", 1) // 1 → 4 → 1 → 4
	for i := range 10 {
		want := ""
		if i%2 == 0 {
			want = "loss state (alone)"
		}
		if got := d.Decide(0, &netem.Packet{}).Drop; got != want {
			t.Errorf("packet %d: %q, want %q", i+1, got, want)
		}
	}
	d = mustDirection(t, "loss state 100% 0% 100% 100% 0%", 1) // 1 → 3 → 2 → 3
	for i := range 10 {
		want := ""
		if i%2 == 0 {
			want = "loss state (burst)"
		}
		if got := d.Decide(0, &netem.Packet{}).Drop; got != want {
			t.Errorf("packet %d: %q, want %q", i+1, got, want)
		}
	}
}
