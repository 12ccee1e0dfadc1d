package netem

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// duplicate adds one copy: "duplicate P CORRELATION".
type duplicate struct {
	chance
	note string
}

func newDuplicate(p, correlation float64) *duplicate {
	return &duplicate{newChance(p, correlation), "duplicate " + FormatPercent(p)}
}

func (m *duplicate) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	if m.hit(rng) {
		return Verdict{Duplicates: 1, Note: m.note}
	}
	return Verdict{}
}

// corrupt flips one bit anywhere in the packet: "corrupt P CORRELATION".
type corrupt struct {
	chance
	name string
}

func newCorrupt(p, correlation float64) *corrupt {
	return &corrupt{newChance(p, correlation), "corrupt " + FormatPercent(p)}
}

func (m *corrupt) Decide(_ time.Duration, p *Packet, rng *rand.Rand) Verdict {
	hit, where := m.hit(rng), rng.Uint32() // two draws in any case: one packet, one share of luck
	size := p.Len
	if p.Data != nil {
		size = len(p.Data)
	}
	if !hit || size <= 0 {
		return Verdict{}
	}
	bit := int(uint64(where) * (uint64(size) * 8) >> 32)
	return Verdict{Corrupt: []int{bit}, Note: fmt.Sprintf("%s (bit %d)", m.name, bit)}
}

// delay holds every packet: "delay TIME JITTER CORRELATION distribution NAME".
type delay struct {
	mean, jitter time.Duration
	shape        Distribution
	source
}

func newDelay(c *Config) *delay {
	return &delay{c.Delay, c.Jitter, c.Distribution, newSource(c.DelayCorrelation)}
}

func (m *delay) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	if m.jitter == 0 {
		return Verdict{Delay: m.mean}
	}
	return Verdict{Delay: max(0, m.mean+m.shape.deviation(m.jitter, m.next(rng)))}
}

// reorder lets a packet skip the delay: "reorder P CORRELATION gap N". After a reordered packet,
// the next N-1 are delayed; then each is reordered with probability P.
type reorder struct {
	chance
	gap     int
	delayed int // packets since the last reordered one
	note    string
}

func newReorder(c *Config) *reorder {
	return &reorder{newChance(c.Reorder, c.ReorderCorrelation), max(1, c.Gap), 0, "reorder " + FormatPercent(c.Reorder)}
}

func (m *reorder) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	if m.delayed < m.gap-1 || !m.hit(rng) {
		m.delayed++
		return Verdict{}
	}
	m.delayed = 0
	return Verdict{Reordered: true, Note: m.note}
}
