package netem_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"fivetuple/sim/netem"
)

const ms = time.Millisecond

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text    string
		want    netem.Config
		written string // what String says, if not text
	}{
		{"", netem.Config{}, ""},
		{"delay 10ms", netem.Config{Delay: 10 * ms}, ""},
		{"delay 10ms 2ms 25% loss 1% rate 10mbit limit 100", netem.Config{
			Delay: 10 * ms, Jitter: 2 * ms, DelayCorrelation: 0.25, Loss: 0.01, Rate: 10e6, Limit: 100}, ""},
		{"limit 100 rate 10mbit latency 10ms", netem.Config{Delay: 10 * ms, Rate: 10e6, Limit: 100},
			"delay 10ms rate 10mbit limit 100"},
		{"delay 10ms 2ms distribution paretonormal keeporder", netem.Config{
			Delay: 10 * ms, Jitter: 2 * ms, Distribution: netem.ParetoNormal, KeepOrder: true}, ""},
		{"delay 10ms 2ms distribution uniform", netem.Config{Delay: 10 * ms, Jitter: 2 * ms}, "delay 10ms 2ms"},
		{"loss random 1% 25%", netem.Config{Loss: 0.01, LossCorrelation: 0.25}, "loss 1% 25%"},
		{"drop 1%", netem.Config{Loss: 0.01}, "loss 1%"},
		{"loss gemodel 7%", netem.Config{GE: &netem.GilbertElliott{P: 0.07, R: 0.93, OneMinusH: 1}},
			"loss gemodel 7% 93% 100% 0%"},
		{"loss gemodel 1% 10% 50% 0.1%", netem.Config{
			GE: &netem.GilbertElliott{P: 0.01, R: 0.1, OneMinusH: 0.5, OneMinusK: 0.001}}, ""},
		{"loss state 1%", netem.Config{LossState: &netem.LossState{P13: 0.01, P31: 0.99, P23: 1}},
			"loss state 1% 99% 0% 100% 0%"},
		{"loss state 1% 20% 30% 40% 5%", netem.Config{
			LossState: &netem.LossState{P13: 0.01, P31: 0.2, P32: 0.3, P23: 0.4, P14: 0.05}}, ""},
		{"drop packet 2,5", netem.Config{DropNth: []uint64{2, 5}}, ""},
		{"loss 1% drop packet 2", netem.Config{Loss: 0.01, DropNth: []uint64{2}}, ""},
		{"duplicate 1% 5% corrupt 2% 6%", netem.Config{
			Duplicate: 0.01, DuplicateCorrelation: 0.05, Corrupt: 0.02, CorruptCorrelation: 0.06}, ""},
		{"delay 10ms reorder 25% 50% gap 5", netem.Config{
			Delay: 10 * ms, Reorder: 0.25, ReorderCorrelation: 0.5, Gap: 5}, ""},
		{"rate 10mbit -14 limit 100 64kb", netem.Config{
			Rate: 10e6, RateOverhead: -14, Limit: 100, LimitBytes: 65536}, ""},
	} {
		got, err := netem.Parse(test.text)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", test.text, got, err, test.want)
			continue
		}
		want := test.written
		if want == "" {
			want = test.text
		}
		if got.String() != want {
			t.Errorf("Parse(%q) is written %q, want %q", test.text, got, want)
		}
	}
}

func TestParseErrorsNameTheWord(t *testing.T) {
	for text, want := range map[string]string{
		"loss 120%":                       `loss "120%": must be between 0% and 100%`,
		"loss 1":                          `loss "1": a percentage needs its sign, as in "1%"`,
		"loss":                            `loss: needs a value, like 1%`,
		"loss 1% loss 2%":                 `loss: given twice`,
		"loss 1% drop 2%":                 `loss: given twice`,
		"loss gemodel 1% 10% 0%":          `loss gemodel: never loses with 1-h and 1-k at 0%; set 1-h, the loss in the bad state, usually 100%`,
		"loss gemodel 1% 110%":            `loss gemodel r "110%": must be between 0% and 100%`,
		"loss state 60% 10% 0% 0% 50%":    `loss state: p13 and p14 must not exceed 100% together: both leave state 1`,
		"loss state 60% 60% 60%":          `loss state: p31 and p32 must not exceed 100% together: both leave state 3`,
		"delay 10":                        `delay "10": a duration needs a unit, as in "10ms"`,
		"delay 10ms 2":                    `delay jitter "2": a duration needs a unit, as in "10ms"`,
		"delay 10ms 2ms 30":               `delay correlation "30": a percentage needs its sign, as in "1%"`,
		"delay 999h":                      `delay 3596400s: must be between 0s and 2592000s`,
		"delay 10ms distribution bell":    `distribution "bell": must be one of uniform, normal, pareto, paretonormal`,
		"delay 10ms distribution normal":  `distribution normal: needs a jitter, as in "delay 10ms 2ms distribution normal"`,
		"reorder 25%":                     `reorder 25%: needs a delay to skip, as in "delay 10ms reorder 25%"`,
		"delay 10ms gap 5":                `gap 5: needs a reorder probability, as in "reorder 25% gap 5"`,
		"delay 10ms reorder 1% keeporder": `keeporder: contradicts reorder 1%; give one of them`,
		"gap 0":                           `gap "0": must be a whole number of packets from 1`,
		"limit 100":                       `limit: needs a rate, as in "rate 10mbit limit 100": without one no packet ever waits`,
		"rate 10mbit limit 0":             `limit "0": must be a whole number of packets from 1`,
		"rate 10mbit -x":                  `rate overhead "-x": not a number of bytes, as in "rate 10mbit 14"`,
		"rate 10mbit 99999":               `rate overhead 99999: must be between -65535 and 65535 bytes`,
		"rate 10":                         `rate "10": a rate needs a unit, as in "10mbit"`,
		"rate 0bit":                       `rate: must be above 0; leave it out for no limit`,
		"rate 10mbit 20 100 5":            `rate cell size "100": not supported`,
		"drop packet 0":                   `drop packet 0: packets are counted from 1`,
		"drop packet two":                 `drop packet "two": not a packet number, as in "drop packet 2,5"`,
		"drop packet":                     `drop packet "": not a packet number, as in "drop packet 2,5"`,
		"drop 2":                          `drop: say which, as in "drop packet 2,5", or how many, as in "loss 1%"`,
		"dup 1%":                          `"dup": unknown word; did you mean duplicate?`,
		"bandwidth 1mbit":                 `"bandwidth": unknown word; the words are delay, distribution, loss, drop, duplicate, corrupt, reorder, gap, rate, limit, keeporder`,
		"jitter 2ms":                      `jitter: follows the delay, as in "delay 10ms 2ms"`,
		"slot 10ms":                       `slot: not supported`,
		"loss 1% ecn":                     `ecn: not supported`,
		"seed 7":                          `seed: luck comes from the seed of the whole run; leave it out`,
		"corrupt 0% 5%":                   `corrupt correlation 5%: nothing is random here to correlate`,
	} {
		if got, err := netem.Parse(text); err == nil || err.Error() != want || !reflect.DeepEqual(got, netem.Config{}) {
			t.Errorf("Parse(%q) = %v, %v\nwant error %s", text, got, err, want)
		}
	}
}

// TestValidate covers what cannot be written in words.
func TestValidate(t *testing.T) {
	for want, cfg := range map[string]netem.Config{
		"loss 120%: must be between 0% and 100%":                               {Loss: 1.2},
		"corrupt NaN%: must be between 0% and 100%":                            {Corrupt: math.NaN()},
		"delay -10ms: must be between 0s and 2592000s":                         {Delay: -10 * ms},
		"delay jitter -10ms: must be between 0s and 2592000s":                  {Jitter: -10 * ms},
		"loss: give one of random, gemodel and state":                          {Loss: 0.1, LossState: &netem.LossState{}},
		"distribution 9: must be one of uniform, normal, pareto, paretonormal": {Distribution: 9, Jitter: ms},
		"rate -1bit: must not be negative":                                     {Rate: -1},
		"limit -1: must be at least 1 packet":                                  {Rate: 1, Limit: -1},
		"limit -1b: must not be negative":                                      {Rate: 1, LimitBytes: -1},
		`rate overhead 14: needs a rate, as in "rate 10mbit 14"`:               {RateOverhead: 14},
		"gap -1: must be at least 1":                                           {Gap: -1},
	} {
		if err := cfg.Validate(); err == nil || err.Error() != want {
			t.Errorf("%+v:\n got %v\nwant %s", cfg, err, want)
		}
	}
}

func TestConfigInJSON(t *testing.T) {
	in := netem.Config{Delay: 10 * ms, Loss: 0.01}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `"delay 10ms loss 1%"` {
		t.Fatalf("Marshal = %s, %v", text, err)
	}
	var out netem.Config
	if err := json.Unmarshal(text, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("Unmarshal = %v, %v; want %v", out, err, in)
	}
	if err := json.Unmarshal([]byte(`"loss 1"`), &out); err == nil || !reflect.DeepEqual(in, out) {
		t.Errorf("a failed Unmarshal gave %v and left %v; want an error and no change", err, out)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("delay 10ms 2ms 25% distribution normal loss 1% 5% rate 10mbit -14 limit 100 64kb")
	f.Add("delay 1ms reorder 25% 50% gap 5 loss gemodel 1% drop packet 2,5")
	f.Add("loss state 1% 20% 30% 40% 5% keeporder corrupt 1% duplicate 1%")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := netem.Parse(text)
		if err != nil {
			return
		}
		if again, err := netem.Parse(cfg.String()); err != nil || !reflect.DeepEqual(again, cfg) {
			t.Errorf("%q is written %q and read back as %+v, %v", text, cfg, again, err)
		}
	})
}
