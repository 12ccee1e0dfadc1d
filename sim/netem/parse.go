package netem

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse reads one direction in the words of tc-netem(8), and validates it:
//
//	delay TIME [JITTER [CORRELATION]]
//	distribution uniform|normal|pareto|paretonormal
//	loss [random] PERCENT [CORRELATION]
//	loss state P13 [P31 [P32 [P23 [P14]]]]
//	loss gemodel P [R [1-H [1-K]]]
//	duplicate PERCENT [CORRELATION]
//	corrupt PERCENT [CORRELATION]
//	reorder PERCENT [CORRELATION] [gap DISTANCE]
//	rate RATE [OVERHEAD]
//	limit PACKETS [SIZE]
//	drop packet N[,N...]
//	keeporder
//
// The size of limit and the last two lines are not in tc. As in tc, latency is delay, drop PERCENT
// is loss, and values left out of state and gemodel default to p31 = 1-p13, p32 = 0%, p23 = 100%,
// p14 = 0%, and to r = 1-p, 1-h = 100%, 1-k = 0%. Unlike in tc, every value needs its unit, a word
// may come only once, and words cannot be abbreviated.
func Parse(s string) (Config, error) {
	p := parser{words: strings.Fields(s), seen: map[string]bool{}}
	for len(p.words) > 0 {
		if err := p.option(); err != nil {
			return Config{}, err
		}
	}
	if err := p.cfg.Validate(); err != nil {
		return Config{}, err
	}
	return p.cfg, nil
}

type parser struct {
	words []string // those not read yet
	seen  map[string]bool
	cfg   Config
}

// option reads one word and its values.
func (p *parser) option() error {
	c, word := &p.cfg, p.next()
	switch word {
	case "delay", "latency":
		return p.once("delay", p.delay)
	case "distribution":
		return p.once(word, p.distribution)
	case "loss":
		return p.once(word, p.loss)
	case "drop":
		return p.drop()
	case "duplicate":
		return p.once(word, func() error { return p.chance(word, &c.Duplicate, &c.DuplicateCorrelation) })
	case "corrupt":
		return p.once(word, func() error { return p.chance(word, &c.Corrupt, &c.CorruptCorrelation) })
	case "reorder":
		return p.once(word, func() error { return p.chance(word, &c.Reorder, &c.ReorderCorrelation) })
	case "gap":
		return p.once(word, func() error { return p.count(word, &c.Gap) })
	case "rate":
		return p.once(word, p.rate)
	case "limit":
		return p.once(word, p.limit)
	case "keeporder":
		return p.once(word, func() error { c.KeepOrder = true; return nil })
	}
	return unknownWord(word)
}

// once runs read, unless the word was there before.
func (p *parser) once(word string, read func() error) error {
	if p.seen[word] {
		return fmt.Errorf("%s: given twice", word)
	}
	p.seen[word] = true
	return read()
}

// vocabulary lists what option knows, for suggestions.
var vocabulary = []string{
	"delay", "distribution", "loss", "drop", "duplicate", "corrupt", "reorder", "gap", "rate", "limit", "keeporder",
}

func unknownWord(word string) error {
	switch word {
	case "slot", "ecn":
		return fmt.Errorf("%s: not supported", word)
	case "seed":
		return errors.New("seed: luck comes from the seed of the whole run; leave it out")
	case "jitter":
		return errors.New(`jitter: follows the delay, as in "delay 10ms 2ms"`)
	}
	for _, w := range vocabulary {
		if len(word) > 1 && strings.HasPrefix(w, word[:2]) {
			return fmt.Errorf("%q: unknown word; did you mean %s?", word, w)
		}
	}
	return fmt.Errorf("%q: unknown word; the words are %s", word, strings.Join(vocabulary, ", "))
}

func (p *parser) delay() error {
	if err := value(p, "delay", "10ms", ParseDuration, &p.cfg.Delay); err != nil || !p.number() {
		return err
	}
	if err := value(p, "delay jitter", "2ms", ParseDuration, &p.cfg.Jitter); err != nil || !p.number() {
		return err
	}
	return p.percent("delay correlation", &p.cfg.DelayCorrelation)
}

func (p *parser) distribution() error {
	return value(p, "distribution", "normal", ParseDistribution, &p.cfg.Distribution)
}

func (p *parser) loss() error {
	c := &p.cfg
	switch {
	case p.skip("gemodel"):
		m := &GilbertElliott{}
		c.GE = m
		return p.percents("loss gemodel ",
			[]param{{"p", &m.P}, {"r", &m.R}, {"1-h", &m.OneMinusH}, {"1-k", &m.OneMinusK}},
			func() { m.R, m.OneMinusH = complement(m.P), 1 })
	case p.skip("state"):
		m := &LossState{}
		c.LossState = m
		return p.percents("loss state ",
			[]param{{"p13", &m.P13}, {"p31", &m.P31}, {"p32", &m.P32}, {"p23", &m.P23}, {"p14", &m.P14}},
			func() { m.P31, m.P23 = complement(m.P13), 1 })
	}
	p.skip("random")
	return p.chance("loss", &c.Loss, &c.LossCorrelation)
}

// drop reads "drop packet 2,5", or tc's other word for loss.
func (p *parser) drop() error {
	if !p.skip("packet") {
		if len(p.words) > 0 && strings.HasSuffix(p.words[0], "%") {
			return p.once("loss", p.loss)
		}
		return errors.New(`drop: say which, as in "drop packet 2,5", or how many, as in "loss 1%"`)
	}
	return p.once("drop packet", func() error {
		for num := range strings.SplitSeq(p.next(), ",") {
			n, err := strconv.ParseUint(num, 10, 64)
			if err != nil {
				return fmt.Errorf(`drop packet %q: not a packet number, as in "drop packet 2,5"`, num)
			}
			p.cfg.DropNth = append(p.cfg.DropNth, n)
		}
		return nil
	})
}

func (p *parser) rate() error {
	err := value(p, "rate", "10mbit", ParseRate, &p.cfg.Rate)
	if err == nil && p.cfg.Rate == 0 {
		return errors.New("rate: must be above 0; leave it out for no limit")
	}
	if err != nil || !p.number() && !p.negative() {
		return err
	}
	word := p.next()
	if p.cfg.RateOverhead, err = strconv.Atoi(word); err != nil {
		return fmt.Errorf(`rate overhead %q: not a number of bytes, as in "rate 10mbit 14"`, word)
	}
	if p.number() {
		return fmt.Errorf("rate cell size %q: not supported", p.words[0])
	}
	return nil
}

func (p *parser) limit() error {
	if err := p.count("limit", &p.cfg.Limit); err != nil || !p.number() {
		return err
	}
	return value(p, "limit", "64kb", ParseSize, &p.cfg.LimitBytes)
}

// chance reads PERCENT [CORRELATION].
func (p *parser) chance(word string, chance, correlation *float64) error {
	if err := p.percent(word, chance); err != nil || !p.number() {
		return err
	}
	return p.percent(word+" correlation", correlation)
}

// A param is a percentage of a loss model, with the name that tc-netem(8) gives it.
type param struct {
	name string
	p    *float64
}

// percents reads the params, of which all but the first may be missing: then they keep what
// setDefaults, called after the first, left in them.
func (p *parser) percents(model string, params []param, setDefaults func()) error {
	for i, param := range params {
		if i > 0 && !p.number() {
			break
		}
		if err := p.percent(model+param.name, param.p); err != nil {
			return err
		}
		if i == 0 {
			setDefaults()
		}
	}
	return nil
}

func (p *parser) percent(name string, into *float64) error {
	return value(p, name, "1%", ParsePercent, into)
}

// count reads a whole number from 1, which has no unit.
func (p *parser) count(name string, into *int) error {
	return value(p, name, "100", func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > math.MaxInt32 {
			return 0, fmt.Errorf("%q: must be a whole number of packets from 1", s)
		}
		return n, nil
	}, into)
}

// value reads one value with parse, and puts its name in front of any error.
func value[T any](p *parser, name, example string, parse func(string) (T, error), into *T) error {
	if len(p.words) == 0 {
		return fmt.Errorf("%s: needs a value, like %s", name, example)
	}
	v, err := parse(p.next())
	if err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	*into = v
	return nil
}

// next takes the next word, which is empty at the end.
func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// skip takes the next word if it is this one.
func (p *parser) skip(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

// number reports whether the next word starts with a digit, which is how tc, too, knows that an
// optional value is there.
func (p *parser) number() bool {
	return len(p.words) > 0 && p.words[0][0] >= '0' && p.words[0][0] <= '9'
}

func (p *parser) negative() bool { return len(p.words) > 0 && p.words[0][0] == '-' }

// complement returns 1-p without the rounding noise of binary fractions: 1 - 0.07 is 0.93.
func complement(p float64) float64 { return math.Round((1-p)*1e12) / 1e12 }
