package netem

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Distribution is the shape of the jitter, tc-netem(8) "distribution".
//
// Uniform spreads evenly over delay ± jitter. The others scale a fixed shape by the jitter. They
// are the formulas from which iproute2 generates its tables, as quantiles of a uniform u:
//
//	normal        √2·erf⁻¹(2u−1)
//	pareto        4/3·((1−u)^(−1/3) − 3/2), a Pareto tail with exponent 3
//	paretonormal  1/4·normal + 3/4·pareto
//
// each within ±4 jitters, as in the tables (16 bits, scaled by 8192). So pareto and paretonormal
// have a mean 3% of the jitter below 0, and a standard deviation of 0.82 jitters.
//
// The zero value is Uniform, which is what the kernel does when tc sends it no table, although
// tc-netem(8) says that the default is normal.
type Distribution int

// The distributions, by the names tc-netem(8) gives them.
const (
	Uniform Distribution = iota
	Normal
	Pareto
	ParetoNormal
)

var distributionNames = [...]string{"uniform", "normal", "pareto", "paretonormal"}

// String returns the name in tc-netem(8).
func (d Distribution) String() string {
	if d < Uniform || d > ParetoNormal {
		return fmt.Sprintf("Distribution(%d)", int(d))
	}
	return distributionNames[d]
}

// ParseDistribution finds a distribution by its name in tc-netem(8).
func ParseDistribution(s string) (Distribution, error) {
	if i := slices.Index(distributionNames[:], s); i >= 0 {
		return Distribution(i), nil
	}
	return 0, fmt.Errorf("%q: must be one of %s", s, strings.Join(distributionNames[:], ", "))
}

// quantileScale is 1 jitter in the fixed-point numbers of quantile.
const quantileScale = 1 << 16

// quantile returns, for the u in the middle of the i-th of 65536 equal parts of [0, 1), the
// deviation in units of 1/quantileScale jitter. It is rounded to an integer here so that the
// last bits of floating point, which differ between platforms, never reach a trace.
func (d Distribution) quantile(i uint16) int64 {
	u := (float64(i) + 0.5) / (1 << 16)
	x := 0.0
	switch d {
	case Normal:
		x = normalQuantile(u)
	case Pareto:
		x = paretoQuantile(u)
	case ParetoNormal:
		x = (normalQuantile(u) + 3*paretoQuantile(u)) / 4
	default:
		x = 2*u - 1
	}
	return int64(math.Round(x * quantileScale))
}

func normalQuantile(u float64) float64 {
	return max(-4, min(4, math.Sqrt2*math.Erfinv(2*u-1)))
}

func paretoQuantile(u float64) float64 {
	return min(4, (1/math.Cbrt(1-u)-1.5)*4/3)
}

// deviation turns a random number into how far a delay lies from its mean.
func (d Distribution) deviation(jitter time.Duration, random uint32) time.Duration {
	if d == Uniform { // all 32 bits, so that a long jitter has no steps
		high, low := bits.Mul64(uint64(2*jitter), uint64(random))
		return time.Duration(high<<32|low>>32) - jitter
	}
	x := d.quantile(uint16(random >> 16))
	whole, rest := int64(jitter)/quantileScale, int64(jitter)%quantileScale
	return time.Duration(whole*x + rest*x/quantileScale)
}
