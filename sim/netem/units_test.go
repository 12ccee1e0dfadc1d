package netem_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"fivetuple/sim/netem"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10ms": 10 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "100us": 100 * time.Microsecond,
		"100µs": 100 * time.Microsecond, "2m": 2 * time.Minute, "1m30s": 90 * time.Second, "3ns": 3,
		"2sec": 2 * time.Second, "5msecs": 5 * time.Millisecond, "7usec": 7 * time.Microsecond,
		"0s": 0, ".5ms": 500 * time.Microsecond, "10MS": 10 * time.Millisecond, "1.6ns": 2,
		"9223372036854775807ns": math.MaxInt64,
	} {
		if got, err := netem.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]netem.BitsPerSecond{
		"10mbit": 10e6, "1gbit": 1e9, "64kbit": 64e3, "1mbps": 8e6, "1MBps": 8e6, "1.5mbit": 1.5e6,
		"8bit": 8, "1kibit": 1024, "2kibps": 16384, "1tbit": 1e12, "0bit": 0,
	} {
		if got, err := netem.ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"64kb": 65536, "1500b": 1500, "1mb": 1 << 20, "4k": 4096, "1g": 1 << 30, "8kbit": 1024, "0b": 0,
	} {
		if got, err := netem.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]float64{
		"1%": 0.01, "0.1%": 0.001, "100%": 1, "0%": 0, "12.5%": 0.125, "7%": 0.07,
	} {
		if got, err := netem.ParsePercent(text); err != nil || got != want {
			t.Errorf("ParsePercent(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestUnitErrorsNameTheRemedy(t *testing.T) {
	duration := func(s string) error { _, err := netem.ParseDuration(s); return err }
	rate := func(s string) error { _, err := netem.ParseRate(s); return err }
	size := func(s string) error { _, err := netem.ParseSize(s); return err }
	percent := func(s string) error { _, err := netem.ParsePercent(s); return err }
	for _, test := range []struct {
		parse func(string) error
		text  string
		want  string
	}{
		{duration, "10", `"10": a duration needs a unit, as in "10ms"`},
		{duration, "", `"": not a duration, as in "10ms"`},
		{duration, "fast", `"fast": not a duration, as in "10ms"`},
		{duration, "-1ms", `"-1ms": a duration cannot be negative`},
		{duration, "1.2.3ms", `"1.2.3ms": not a duration, as in "10ms"`},
		{duration, "10 ms", `"10 ms": unknown unit " ms"; a duration is written as in "10ms" (ns, us, ms, s, m, h)`},
		{duration, "9999999999h", `"9999999999h": too large`},
		{duration, "0.1ns", `"0.1ns": too small, and not 0`},
		{duration, strings.Repeat("9", 50) + "s", `"` + strings.Repeat("9", 50) + `s": too many digits`},
		{rate, "10", `"10": a rate needs a unit, as in "10mbit"`},
		{rate, "10mb", `"10mb": unknown unit "mb"; a rate is written as in "10mbit" (bit, kbit, mbit, gbit; bps, kbps, mbps are bytes per second)`},
		{size, "64", `"64": a size needs a unit, as in "64kb"`},
		{size, "64ms", `"64ms": unknown unit "ms"; a size is written as in "64kb" (b, kb, mb, gb)`},
		{percent, "1", `"1": a percentage needs its sign, as in "1%"`},
		{percent, "0.01x", `"0.01x": unknown unit "x"; a percentage is written as in "1%"`},
		{percent, "%", `"%": not a percentage, as in "1%"`},
		{percent, "120%", `"120%": must be between 0% and 100%`},
		{percent, "-1%", `"-1%": must be between 0% and 100%`},
	} {
		if err := test.parse(test.text); err == nil || err.Error() != test.want {
			t.Errorf("%q:\n got %v\nwant %s", test.text, err, test.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{netem.FormatDuration(0), "0s"},
		{netem.FormatDuration(10 * time.Millisecond), "10ms"},
		{netem.FormatDuration(1500 * time.Microsecond), "1.5ms"},
		{netem.FormatDuration(100 * time.Microsecond), "100us"},
		{netem.FormatDuration(2 * time.Minute), "120s"},
		{netem.FormatDuration(1001 * time.Millisecond), "1.001s"},
		{netem.FormatDuration(-1500 * time.Millisecond), "-1.5s"},
		{netem.FormatDuration(math.MinInt64), "-9223372036.854775808s"},
		{netem.FormatRate(10e6), "10mbit"},
		{netem.FormatRate(1.5e6), "1500kbit"},
		{netem.FormatRate(1e9 + 1), "1000000001bit"},
		{netem.FormatRate(0), "0bit"},
		{netem.BitsPerSecond(64e3).String(), "64kbit"},
		{netem.FormatSize(65536), "64kb"},
		{netem.FormatSize(1500), "1500b"},
		{netem.FormatPercent(0), "0%"},
		{netem.FormatPercent(0.01), "1%"},
		{netem.FormatPercent(0.001), "0.1%"},
		{netem.FormatPercent(0.00001), "0.001%"},
		{netem.FormatPercent(0.07), "7%"},
		{netem.FormatPercent(0.125), "12.5%"},
		{netem.FormatPercent(1), "100%"},
		{netem.FormatPercent(-1.2), "-120%"},
		{netem.FormatPercent(math.NaN()), "NaN%"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

// fuzzUnit checks that parse never panics and that whatever it accepts survives being written and
// read back.
func fuzzUnit[T comparable](f *testing.F, parse func(string) (T, error), format func(T) string, seeds ...string) {
	for _, s := range append(seeds, "", "10", "-1", ".", "1.5", "9223372036854775807", "1e9", "0x1p1") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parse(text)
		if err != nil {
			if v != *new(T) {
				t.Errorf("%q: %v beside error %v", text, v, err)
			}
			return
		}
		written := format(v)
		if again, err := parse(written); err != nil || again != v {
			t.Errorf("%q is %v, written %q, read back %v, %v", text, v, written, again, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	fuzzUnit(f, netem.ParseDuration, netem.FormatDuration, "10ms", "1m30s", "100µs", "1.000000001s")
}

func FuzzParseRate(f *testing.F) {
	fuzzUnit(f, netem.ParseRate, netem.FormatRate, "10mbit", "1mbps", "3kibit")
}

func FuzzParseSize(f *testing.F) {
	fuzzUnit(f, netem.ParseSize, netem.FormatSize, "64kb", "1500b", "3mbit")
}

func FuzzParsePercent(f *testing.F) {
	fuzzUnit(f, netem.ParsePercent, netem.FormatPercent, "1%", "0.1%", "33.333333333333336%", "100%", "0.00000000000000001%")
}

// FuzzFormatPercent starts from the other side: every probability has a text.
func FuzzFormatPercent(f *testing.F) {
	f.Add(0.07)
	f.Add(5e-324)
	f.Fuzz(func(t *testing.T, p float64) {
		if !(p >= 0 && p <= 1) {
			return
		}
		if again, err := netem.ParsePercent(netem.FormatPercent(p)); err != nil || again != p {
			t.Errorf("%v is written %s and read back as %v, %v", p, netem.FormatPercent(p), again, err)
		}
	})
}
