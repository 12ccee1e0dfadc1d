package netem

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// BitsPerSecond is the rate of a link. 0 means no limit where a [Config] holds it.
type BitsPerSecond int64

// String formats r as tc does: "10mbit".
func (r BitsPerSecond) String() string { return FormatRate(r) }

// A quantity is one kind of human-written value: a number directly followed by a unit.
type quantity struct {
	noun    string           // "a duration"
	example string           // how it should look
	list    string           // the usual units, for the error text
	units   map[string]int64 // lower-case unit → how many of the smallest unit it is
}

var durations = quantity{"a duration", "10ms", "ns, us, ms, s, m, h", map[string]int64{
	"ns": 1, "nsec": 1, "nsecs": 1,
	"us": 1e3, "usec": 1e3, "usecs": 1e3, "µs": 1e3, "μs": 1e3,
	"ms": 1e6, "msec": 1e6, "msecs": 1e6,
	"s": 1e9, "sec": 1e9, "secs": 1e9,
	"m": 60e9, "h": 3600e9,
}}

var rates = quantity{"a rate", "10mbit", "bit, kbit, mbit, gbit; bps, kbps, mbps are bytes per second", map[string]int64{
	"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12,
	"kibit": 1 << 10, "mibit": 1 << 20, "gibit": 1 << 30, "tibit": 1 << 40,
	"bps": 8, "kbps": 8e3, "mbps": 8e6, "gbps": 8e9, "tbps": 8e12,
	"kibps": 8 << 10, "mibps": 8 << 20, "gibps": 8 << 30, "tibps": 8 << 40,
}}

var sizes = quantity{"a size", "64kb", "b, kb, mb, gb", map[string]int64{
	"b": 1,
	"k": 1 << 10, "kb": 1 << 10, "kbit": 1 << 7,
	"m": 1 << 20, "mb": 1 << 20, "mbit": 1 << 17,
	"g": 1 << 30, "gb": 1 << 30, "gbit": 1 << 27,
}}

// ParseDuration reads a duration in tc's notation ("10ms", "1.5s", "100us", "2sec") or in Go's
// ("2m", "1m30s"). A bare number is refused. tc(8), "TIMES".
func ParseDuration(s string) (time.Duration, error) {
	n, err := durations.parse(s)
	if err == nil {
		return time.Duration(n), nil
	}
	if d, goErr := time.ParseDuration(s); goErr == nil && d > 0 { // several units
		return d, nil
	}
	return 0, err
}

// ParseRate reads a rate in tc's notation: "10mbit", "1gbit", "64kbit". As in tc, the case does not
// matter, prefixes are powers of 1000 ("kibit" is 1024), and bps counts bytes: "1mbps" is 8 Mbit/s.
// A bare number is refused. tc(8), "RATES".
func ParseRate(s string) (BitsPerSecond, error) {
	n, err := rates.parse(s)
	return BitsPerSecond(n), err
}

// ParseSize reads an amount of data in tc's notation and returns bytes: "1500b", "64kb", "4k",
// "1mb". As in tc, prefixes are powers of 1024. A bare number is refused. tc(8), "SIZES".
func ParseSize(s string) (int64, error) { return sizes.parse(s) }

// ParsePercent reads a percentage and returns a probability from 0 to 1: "1%" is 0.01. A bare
// number is refused, because 1 could mean one percent or always.
func ParsePercent(s string) (float64, error) {
	num, unit := splitNumber(s)
	switch {
	case !isDecimal(strings.TrimPrefix(num, "-")):
		return 0, fmt.Errorf(`%q: not a percentage, as in "1%%"`, s)
	case unit == "":
		return 0, fmt.Errorf(`%q: a percentage needs its sign, as in "1%%"`, s)
	case unit != "%":
		return 0, fmt.Errorf(`%q: unknown unit %q; a percentage is written as in "1%%"`, s, unit)
	}
	p, err := strconv.ParseFloat(num+"e-2", 64)
	if err != nil || p < 0 || p > 1 {
		return 0, fmt.Errorf("%q: must be between 0%% and 100%%", s)
	}
	return p, nil
}

// parse reads a number and its unit and returns it in the smallest unit, rounded half up.
func (q *quantity) parse(s string) (int64, error) {
	num, unit := splitNumber(s)
	switch {
	case !isDecimal(strings.TrimPrefix(num, "-")):
		return 0, fmt.Errorf("%q: not %s, as in %q", s, q.noun, q.example)
	case num[0] == '-':
		return 0, fmt.Errorf("%q: %s cannot be negative", s, q.noun)
	case unit == "":
		return 0, fmt.Errorf("%q: %s needs a unit, as in %q", s, q.noun, q.example)
	case len(num) > 40: // keeps the exact arithmetic below cheap
		return 0, fmt.Errorf("%q: too many digits", s)
	}
	scale, ok := q.units[strings.ToLower(unit)]
	if !ok {
		return 0, fmt.Errorf("%q: unknown unit %q; %s is written as in %q (%s)", s, unit, q.noun, q.example, q.list)
	}
	return q.scale(s, num, scale)
}

// scale multiplies the decimal number num by scale, exactly.
func (q *quantity) scale(s, num string, scale int64) (int64, error) {
	exact, _ := new(big.Rat).SetString(num)
	exact.Mul(exact, new(big.Rat).SetInt64(scale))
	half := exact.Sign() // 0 or 1
	exact.Add(exact, big.NewRat(int64(half), 2))
	n := new(big.Int).Quo(exact.Num(), exact.Denom())
	switch {
	case !n.IsInt64():
		return 0, fmt.Errorf("%q: too large", s)
	case half != 0 && n.Sign() == 0:
		return 0, fmt.Errorf("%q: too small, and not 0", s)
	}
	return n.Int64(), nil
}

// splitNumber cuts s after its leading sign, digits and points.
func splitNumber(s string) (num, unit string) {
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && s[end] == '-') {
		end++
	}
	return s[:end], s[end:]
}

// isDecimal reports whether s is made of digits with at most one point.
func isDecimal(s string) bool {
	return strings.ContainsAny(s, "0123456789") && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1
}

// FormatDuration writes d for [ParseDuration] in one unit and in ASCII: "10ms", "1.5s", "100us".
func FormatDuration(d time.Duration) string {
	if d > -time.Second && d < time.Second {
		return strings.Replace(d.String(), "µ", "u", 1)
	}
	sign, secs, nanos := "", uint64(d/time.Second), uint64(d%time.Second)
	if d < 0 {
		sign, secs, nanos = "-", uint64(-(d / time.Second)), uint64(-(d % time.Second))
	}
	if nanos == 0 {
		return fmt.Sprintf("%s%ds", sign, secs)
	}
	return fmt.Sprintf("%s%d.%ss", sign, secs, strings.TrimRight(fmt.Sprintf("%09d", nanos), "0"))
}

// FormatRate writes r for [ParseRate] in the largest unit that leaves no fraction: "10mbit".
func FormatRate(r BitsPerSecond) string {
	return largestUnit(int64(r), 1000, "bit", "kbit", "mbit", "gbit", "tbit")
}

// FormatSize writes n bytes for [ParseSize] in the largest unit that leaves no fraction: "64kb".
func FormatSize(n int64) string { return largestUnit(n, 1024, "b", "kb", "mb", "gb") }

func largestUnit(n, step int64, units ...string) string {
	i := 0
	for i < len(units)-1 && n != 0 && n%step == 0 {
		n /= step
		i++
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// FormatPercent writes the probability p for [ParsePercent]: 0.01 is "1%". The result has the
// fewest digits that read back as exactly p.
func FormatPercent(p float64) string {
	text := strconv.FormatFloat(p, 'e', -1, 64)
	mantissa, exponent, ok := strings.Cut(text, "e")
	if p == 0 || !ok { // no digits to shift: 0, NaN or Inf
		return strconv.FormatFloat(p, 'f', -1, 64) + "%"
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	exp, _ := strconv.Atoi(exponent)
	digits := strings.Replace(mantissa, ".", "", 1)
	point := 1 + exp + 2 // the percent sign moves the point two digits to the right
	switch {
	case point < 1:
		return sign + "0." + strings.Repeat("0", -point) + digits + "%"
	case point >= len(digits):
		return sign + digits + strings.Repeat("0", point-len(digits)) + "%"
	}
	return sign + digits[:point] + "." + digits[point:] + "%"
}
