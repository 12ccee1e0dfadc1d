package netem

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultLimit is the queue limit, in packets, of a [Config] that gives none: tc's default.
const DefaultLimit = 1000

// maxDelay bounds delay and jitter, so that sums of times cannot overflow.
const maxDelay = 30 * 24 * time.Hour

// Config describes one direction of a link. The zero value is a perfect wire: no delay, no
// loss and no rate limit. Probabilities and correlations are from 0 to 1. The words in the field
// comments are those that [Parse] reads; their meaning is that of tc-netem(8), and the package
// documentation lists the differences.
//
// A correlation blends each random number with the one before (see [Direction]). As in the kernel
// this also draws the numbers towards the middle, so a correlated "loss 1% 25%" loses far less
// than 1%: tc-netem(8) calls it deprecated; prefer GE or LossState.
type Config struct {
	Delay            time.Duration // delay TIME: from the last bit leaving to the packet arriving
	Jitter           time.Duration // delay TIME JITTER: half width (uniform) or standard deviation
	DelayCorrelation float64       // delay TIME JITTER CORRELATION
	Distribution     Distribution  // distribution NAME: shape of the jitter
	KeepOrder        bool          // keeporder (not in tc): jitter never lets a packet overtake; implied by Rate

	Loss            float64         // loss P: each packet alone
	LossCorrelation float64         // loss P CORRELATION
	GE              *GilbertElliott // loss gemodel P R 1-H 1-K; at most one of Loss, GE and LossState
	LossState       *LossState      // loss state P13 P31 P32 P23 P14
	DropNth         []uint64        // drop packet N,N (not in tc): exactly these packets of the direction, from 1

	Duplicate            float64 // duplicate P: one extra copy
	DuplicateCorrelation float64 // duplicate P CORRELATION
	Corrupt              float64 // corrupt P: one random bit of the packet is flipped
	CorruptCorrelation   float64 // corrupt P CORRELATION
	Reorder              float64 // reorder P: sent without the delay, ahead of others; needs Delay
	ReorderCorrelation   float64 // reorder P CORRELATION
	Gap                  int     // gap N: at most every Nth packet is reordered; 0 is 1

	Rate         BitsPerSecond // rate R; 0 is no limit
	RateOverhead int           // rate R BYTES: added to each packet's length for the rate only; may be negative
	Limit        int           // limit N: packets that wait or are being sent; 0 is DefaultLimit; needs Rate
	LimitBytes   int64         // limit N SIZE (not in tc): the same in bytes; 0 is no limit
}

// GilbertElliott is tc-netem's "loss gemodel P R 1-H 1-K": two states, good and bad, each with its own
// loss. Time in the bad state is 1/R packets on average; the long-run share of it is P/(P+R).
// The simple Gilbert model has OneMinusH 1 and OneMinusK 0.
type GilbertElliott struct {
	P         float64 // from good to bad, per packet
	R         float64 // from bad to good, per packet
	OneMinusH float64 // loss in the bad state
	OneMinusK float64 // loss in the good state
}

// LossState is tc-netem's "loss state P13 P31 P32 P23 P14", a Markov chain of four states: 1 good,
// 2 good within a burst, 3 lost within a burst, 4 lost alone. PAB leads from state A to state B;
// 4 always leads back to 1.
type LossState struct{ P13, P31, P32, P23, P14 float64 }

// Validate reports the first thing wrong with c, in the words of [Parse].
func (c Config) Validate() error {
	for _, f := range c.probabilities() {
		if !(f.value >= 0 && f.value <= 1) { // also NaN
			return fmt.Errorf("%s %s: must be between 0%% and 100%%", f.name, FormatPercent(f.value))
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"delay", c.Delay}, {"delay jitter", c.Jitter}} {
		if f.value < 0 || f.value > maxDelay {
			return fmt.Errorf("%s %s: must be between 0s and %s", f.name, FormatDuration(f.value), FormatDuration(maxDelay))
		}
	}
	for _, check := range []func() error{c.checkDelay, c.checkLoss, c.checkReorder, c.checkCorrelations, c.checkRate} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// A probability is one field of a Config, by the name that errors give it.
type probability struct {
	name  string
	value float64
}

func (c Config) probabilities() []probability {
	all := []probability{
		{"delay correlation", c.DelayCorrelation},
		{"loss", c.Loss}, {"loss correlation", c.LossCorrelation},
		{"duplicate", c.Duplicate}, {"duplicate correlation", c.DuplicateCorrelation},
		{"corrupt", c.Corrupt}, {"corrupt correlation", c.CorruptCorrelation},
		{"reorder", c.Reorder}, {"reorder correlation", c.ReorderCorrelation},
	}
	if m := c.GE; m != nil {
		all = append(all, probability{"loss gemodel p", m.P}, probability{"loss gemodel r", m.R},
			probability{"loss gemodel 1-h", m.OneMinusH}, probability{"loss gemodel 1-k", m.OneMinusK})
	}
	if m := c.LossState; m != nil {
		all = append(all, probability{"loss state p13", m.P13}, probability{"loss state p31", m.P31},
			probability{"loss state p32", m.P32}, probability{"loss state p23", m.P23}, probability{"loss state p14", m.P14})
	}
	return all
}

func (c Config) checkDelay() error {
	switch {
	case c.Distribution < Uniform || c.Distribution > ParetoNormal:
		return fmt.Errorf("distribution %d: must be one of %s", c.Distribution, strings.Join(distributionNames[:], ", "))
	case c.Distribution != Uniform && c.Jitter == 0:
		return fmt.Errorf(`distribution %s: needs a jitter, as in "delay 10ms 2ms distribution %[1]s"`, c.Distribution)
	case c.KeepOrder && c.Reorder > 0:
		return fmt.Errorf("keeporder: contradicts reorder %s; give one of them", FormatPercent(c.Reorder))
	}
	return nil
}

func (c Config) checkLoss() error {
	models := 0
	for _, given := range []bool{c.Loss > 0, c.GE != nil, c.LossState != nil} {
		if given {
			models++
		}
	}
	if models > 1 {
		return fmt.Errorf("loss: give one of random, gemodel and state")
	}
	if m := c.GE; m != nil && m.OneMinusH == 0 && m.OneMinusK == 0 {
		return fmt.Errorf("loss gemodel: never loses with 1-h and 1-k at 0%%; set 1-h, the loss in the bad state, usually 100%%")
	}
	if m := c.LossState; m != nil {
		if m.P13+m.P14 > 1 {
			return fmt.Errorf("loss state: p13 and p14 must not exceed 100%% together: both leave state 1")
		}
		if m.P31+m.P32 > 1 {
			return fmt.Errorf("loss state: p31 and p32 must not exceed 100%% together: both leave state 3")
		}
	}
	if slices.Contains(c.DropNth, 0) {
		return fmt.Errorf("drop packet 0: packets are counted from 1")
	}
	return nil
}

func (c Config) checkReorder() error {
	switch {
	case c.Gap < 0 || c.Gap > math.MaxInt32:
		return fmt.Errorf("gap %d: must be at least 1", c.Gap)
	case c.Reorder > 0 && c.Delay == 0:
		return fmt.Errorf(`reorder %s: needs a delay to skip, as in "delay 10ms reorder %[1]s"`, FormatPercent(c.Reorder))
	case c.Gap > 0 && c.Reorder == 0:
		return fmt.Errorf(`gap %d: needs a reorder probability, as in "reorder 25%% gap %[1]d"`, c.Gap)
	}
	return nil
}

func (c Config) checkCorrelations() error {
	for _, f := range []struct {
		name        string
		correlation float64
		useless     bool
	}{
		{"delay correlation", c.DelayCorrelation, c.Jitter == 0},
		{"loss correlation", c.LossCorrelation, c.Loss == 0},
		{"duplicate correlation", c.DuplicateCorrelation, c.Duplicate == 0},
		{"corrupt correlation", c.CorruptCorrelation, c.Corrupt == 0},
		{"reorder correlation", c.ReorderCorrelation, c.Reorder == 0},
	} {
		if f.correlation > 0 && f.useless {
			return fmt.Errorf("%s %s: nothing is random here to correlate", f.name, FormatPercent(f.correlation))
		}
	}
	return nil
}

func (c Config) checkRate() error {
	switch {
	case c.Rate < 0:
		return fmt.Errorf("rate %s: must not be negative", FormatRate(c.Rate))
	case c.Limit < 0 || c.Limit > math.MaxInt32:
		return fmt.Errorf("limit %d: must be at least 1 packet", c.Limit)
	case c.LimitBytes < 0:
		return fmt.Errorf("limit %s: must not be negative", FormatSize(c.LimitBytes))
	case c.Rate == 0 && c.RateOverhead != 0:
		return fmt.Errorf(`rate overhead %d: needs a rate, as in "rate 10mbit %[1]d"`, c.RateOverhead)
	case c.RateOverhead < -math.MaxUint16 || c.RateOverhead > math.MaxUint16:
		return fmt.Errorf("rate overhead %d: must be between %d and %d bytes", c.RateOverhead, -math.MaxUint16, math.MaxUint16)
	case c.Rate == 0 && (c.Limit > 0 || c.LimitBytes > 0):
		return fmt.Errorf(`limit: needs a rate, as in "rate 10mbit limit 100": without one no packet ever waits`)
	}
	return nil
}

// String writes c in the words of [Parse]: "delay 10ms 2ms loss 1% rate 10mbit limit 100". The
// zero Config is the empty string. A valid c reads back as its equal.
func (c Config) String() string {
	var w wordList
	if c.Delay > 0 || c.Jitter > 0 {
		w.add("delay", FormatDuration(c.Delay))
		if c.Jitter > 0 {
			w.add(FormatDuration(c.Jitter))
			w.addPercents(c.DelayCorrelation)
		}
	}
	if c.Distribution != Uniform {
		w.add("distribution", c.Distribution.String())
	}
	if c.KeepOrder {
		w.add("keeporder")
	}
	c.addLoss(&w)
	w.addChance("duplicate", c.Duplicate, c.DuplicateCorrelation)
	w.addChance("corrupt", c.Corrupt, c.CorruptCorrelation)
	w.addChance("reorder", c.Reorder, c.ReorderCorrelation)
	if c.Gap > 0 {
		w.add("gap", strconv.Itoa(c.Gap))
	}
	if c.Rate > 0 {
		w.add("rate", FormatRate(c.Rate))
		if c.RateOverhead != 0 {
			w.add(strconv.Itoa(c.RateOverhead))
		}
	}
	if c.Limit > 0 || c.LimitBytes > 0 {
		w.add("limit", strconv.Itoa(cmp.Or(c.Limit, DefaultLimit)))
		if c.LimitBytes > 0 {
			w.add(FormatSize(c.LimitBytes))
		}
	}
	return strings.Join(w, " ")
}

func (c Config) addLoss(w *wordList) {
	w.addChance("loss", c.Loss, c.LossCorrelation)
	if m := c.GE; m != nil {
		w.addAll("gemodel", m.P, m.R, m.OneMinusH, m.OneMinusK)
	}
	if m := c.LossState; m != nil {
		w.addAll("state", m.P13, m.P31, m.P32, m.P23, m.P14)
	}
	if len(c.DropNth) > 0 {
		nums := make([]string, len(c.DropNth))
		for i, n := range c.DropNth {
			nums[i] = strconv.FormatUint(n, 10)
		}
		w.add("drop", "packet", strings.Join(nums, ","))
	}
}

// MarshalText writes c as [Config.String] does, for recordings and JSON.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads c as [Parse] does.
func (c *Config) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

type wordList []string

func (w *wordList) add(words ...string) { *w = append(*w, words...) }

// addPercents adds the percentages up to the last one that is not 0.
func (w *wordList) addPercents(ps ...float64) {
	for len(ps) > 0 && ps[len(ps)-1] == 0 {
		ps = ps[:len(ps)-1]
	}
	for _, p := range ps {
		w.add(FormatPercent(p))
	}
}

// addAll adds a loss model with all its percentages.
func (w *wordList) addAll(model string, ps ...float64) {
	w.add("loss", model)
	for _, p := range ps {
		w.add(FormatPercent(p))
	}
}

func (w *wordList) addChance(word string, p, correlation float64) {
	if p > 0 {
		w.add(word)
		w.addPercents(p, correlation)
	}
}
