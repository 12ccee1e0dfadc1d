package netem

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The values are entries i of the 4096 in the tables that iproute2 generates (pareto.dist and so
// on), in units of 1/8192 jitter: the formulas here mean the same distributions. Half of the
// distance to the next entry is allowed, since ours lies between two of theirs.
func TestQuantilesAgainstTcTables(t *testing.T) {
	for d, table := range map[Distribution]map[int]float64{
		Normal:       {0: -32768, 41: -19045, 410: -10493, 1024: -5525, 2048: 0, 3072: 5526, 3686: 10495, 4055: 19064},
		Pareto:       {0: -5461, 41: -5425, 410: -5071, 1024: -4362, 2048: -2622, 3072: 955, 3686: 7141, 4055: 32767},
		ParetoNormal: {0: -12305, 41: -8830, 410: -6426, 1024: -4652, 2048: -1966, 3072: 2097, 3686: 7979, 4055: 29341},
	} {
		for i, want := range table {
			got := float64(d.quantile(uint16(i<<4))) * 8192 / quantileScale
			step := float64(d.quantile(uint16((i+1)<<4)))*8192/quantileScale - got
			if math.Abs(got-want) > 2+step/2 {
				t.Errorf("%v at %d/4096: %.1f, want %.0f", d, i, got, want)
			}
		}
	}
}

// Every platform must compute these quantiles to the bit, because they end up in traces. The hash
// covers all of them, so a platform whose floating point rounds one differently fails here.
func TestQuantilesOnEveryPlatform(t *testing.T) {
	hash := fnv.New64a()
	for d := Uniform; d <= ParetoNormal; d++ {
		previous := int64(math.MinInt64)
		for i := range 1 << 16 {
			x := d.quantile(uint16(i))
			if x < previous || x < -4*quantileScale || x > 4*quantileScale {
				t.Fatalf("%v at %d: %d after %d: must rise within 4 jitters", d, i, x, previous)
			}
			previous = x
			fmt.Fprintln(hash, x)
		}
	}
	if got, want := hash.Sum64(), uint64(0xbe6c0a293a2b400b); got != want {
		t.Errorf("hash %#x, want %#x", got, want)
	}
}

// The blend of independent numbers has lag-one correlation ρ and variance (1-ρ)/(1+ρ) of the
// uniform's 1/12. The sample correlation of n numbers has a standard deviation below
// 1/√n; that of the sample variance is below variance·√(2(1+ρ²)/(1-ρ²)/n).
func TestCorrelation(t *testing.T) {
	const n = 50_000
	for _, rho := range []float64{0, 0.25, 0.9} {
		rng := rand.New(rand.NewPCG(1, 0))
		s := newSource(rho)
		var sum, squares, products, previous float64
		for i := range n {
			x := float64(s.next(rng))/(1<<32) - 0.5
			sum += x
			squares += x * x
			if i > 0 {
				products += x * previous
			}
			previous = x
		}
		mean := sum / n
		variance := squares/n - mean*mean
		if got := (products/n - mean*mean) / variance; math.Abs(got-rho) > 5/math.Sqrt(n) {
			t.Errorf("ρ = %v: correlation of neighbours is %.4f", rho, got)
		}
		want := (1 - rho) / (1 + rho) / 12
		if sigma := want * math.Sqrt(2*(1+rho*rho)/(1-rho*rho)/n); math.Abs(variance-want) > 5*sigma {
			t.Errorf("ρ = %v: variance is %.5f, want %.5f ± %.5f", rho, variance, want, 5*sigma)
		}
	}
}

func TestFullCorrelationRepeats(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	s := newSource(1)
	first := s.next(rng)
	for range 100 {
		if got := s.next(rng); got != first {
			t.Fatalf("ρ = 1 went from %d to %d", first, got)
		}
	}
}

func TestDeviationRange(t *testing.T) {
	for _, jitter := range []time.Duration{1, 3, 2 * time.Millisecond, maxDelay} {
		low, high := Uniform.deviation(jitter, 0), Uniform.deviation(jitter, math.MaxUint32)
		if low != -jitter || high >= jitter || high < jitter-1-jitter>>31 {
			t.Errorf("uniform, jitter %d: from %d to %d, want [-jitter, jitter)", jitter, low, high)
		}
		if low, high := Normal.deviation(jitter, 0), Normal.deviation(jitter, math.MaxUint32); low != -4*jitter || high != 4*jitter {
			t.Errorf("normal, jitter %d: from %d to %d, want ±4 jitters", jitter, low, high)
		}
	}
}

// Streams are told apart by their place in this list, so a new kind goes to the end.
func TestKindsKeepTheirPlace(t *testing.T) {
	if kindLoss != 0 || kindDuplicate != 1 || kindCorrupt != 2 || kindDelay != 3 || kindReorder != 4 {
		t.Error("the order of kinds has changed: every recorded trace would, too")
	}
}
