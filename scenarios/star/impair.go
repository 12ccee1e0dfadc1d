package star

import (
	"fmt"
	"strings"

	"fivetuple/sim/netem"

	"go.starlark.net/starlark"
)

// impairments are the keyword arguments of link, switch and link.set. Each is
// a word of tc-netem(8); what a person wrote is handed to netem.Parse as it is,
// so that a bare number is refused there, with the remedy.
type impairments struct {
	delay, jitter, distribution, loss, duplicate, corrupt, reorder, gap, rate, limit, drop starlark.Value
	keepOrder                                                                              bool
	ab, ba                                                                                 string
}

// pairs are the names and destinations for UnpackArgs.
func (m *impairments) pairs() []any {
	return []any{
		"delay?", &m.delay, "jitter?", &m.jitter, "distribution?", &m.distribution, "loss?", &m.loss,
		"duplicate?", &m.duplicate, "corrupt?", &m.corrupt, "reorder?", &m.reorder, "gap?", &m.gap,
		"rate?", &m.rate, "limit?", &m.limit, "drop?", &m.drop, "keep_order?", &m.keepOrder, "ab?", &m.ab, "ba?", &m.ba,
	}
}

// configs returns the impairments of both directions: the keywords, and the
// words of ab and ba in addition.
func (m *impairments) configs() (ab, ba *netem.Config, err error) {
	both, err := m.words()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range []struct {
		own string
		to  **netem.Config
	}{{m.ab, &ab}, {m.ba, &ba}} {
		c, err := netem.Parse(both + " " + d.own)
		if err != nil {
			return nil, nil, err
		}
		*d.to = &c
	}
	return ab, ba, nil
}

func (m *impairments) words() (string, error) {
	var w []string
	add := func(word string, v starlark.Value) {
		if v != nil && v != starlark.None {
			w = append(w, word, text(v))
		}
	}
	delay := m.delay
	if delay == nil && m.jitter != nil {
		delay = starlark.String("0ms")
	}
	add("delay", delay)
	if m.jitter != nil {
		w = append(w, text(m.jitter))
	}
	add("distribution", m.distribution)
	add("loss", m.loss)
	add("duplicate", m.duplicate)
	add("corrupt", m.corrupt)
	add("reorder", m.reorder)
	add("gap", m.gap)
	add("rate", m.rate)
	add("limit", m.limit)
	if m.drop != nil {
		nums, err := packetNumbers(m.drop)
		if err != nil {
			return "", err
		}
		w = append(w, "drop", "packet", nums)
	}
	if m.keepOrder {
		w = append(w, "keeporder")
	}
	return strings.Join(w, " "), nil
}

// text is a value as a person would write it.
func text(v starlark.Value) string {
	if s, ok := starlark.AsString(v); ok {
		return s
	}
	return v.String()
}

// packetNumbers reads drop = 2 or drop = [2, 5].
func packetNumbers(v starlark.Value) (string, error) {
	l, ok := v.(starlark.Iterable)
	if !ok {
		return text(v), nil
	}
	var nums []string
	it := l.Iterate()
	defer it.Done()
	var x starlark.Value
	for it.Next(&x) {
		nums = append(nums, text(x))
	}
	if len(nums) == 0 {
		return "", fmt.Errorf("drop: no packet is numbered; leave it out instead")
	}
	return strings.Join(nums, ","), nil
}
