package netem

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// nthLoss drops packets by their number: "drop packet 2".
type nthLoss struct{ nums []uint64 }

func (m *nthLoss) Decide(_ time.Duration, p *Packet, _ *rand.Rand) Verdict {
	if !slices.Contains(m.nums, p.Num) {
		return Verdict{}
	}
	return Verdict{Drop: fmt.Sprintf("drop packet %d", p.Num)}
}

// randomLoss drops each packet alone: "loss random P CORRELATION".
type randomLoss struct {
	chance
	reason string
}

func newRandomLoss(p, correlation float64) *randomLoss {
	return &randomLoss{newChance(p, correlation), "loss " + FormatPercent(p)}
}

func (m *randomLoss) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	if m.hit(rng) {
		return Verdict{Drop: m.reason}
	}
	return Verdict{}
}

// gilbertElliott is "loss gemodel". It starts in the good state. As in the kernel
// (loss_gilb_ell), a packet is judged by the state it found, and then the state may change.
type gilbertElliott struct {
	toBad, toGood, lossBad, lossGood uint64
	bad                              bool
}

func newGilbertElliott(m *GilbertElliott) *gilbertElliott {
	return &gilbertElliott{
		toBad: threshold(m.P), toGood: threshold(m.R),
		lossBad: threshold(m.OneMinusH), lossGood: threshold(m.OneMinusK),
	}
}

func (m *gilbertElliott) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	move, lose := uint64(rng.Uint32()), uint64(rng.Uint32())
	if m.bad {
		m.bad = move >= m.toGood
		if lose < m.lossBad {
			return Verdict{Drop: "gemodel (bad state)"}
		}
		return Verdict{}
	}
	m.bad = move < m.toBad
	if lose < m.lossGood {
		return Verdict{Drop: "gemodel (good state)"}
	}
	return Verdict{}
}

// lossState is "loss state". It starts in state 1. As in the kernel (loss_4state), the state
// changes first, and a packet that leads to state 3 or 4 is lost.
type lossState struct {
	p13, p31, p32, p23, p14 uint64
	state                   int // 1 to 4, see LossState
}

func newLossState(m *LossState) *lossState {
	return &lossState{
		p13: threshold(m.P13), p31: threshold(m.P31), p32: threshold(m.P32),
		p23: threshold(m.P23), p14: threshold(m.P14), state: 1,
	}
}

func (m *lossState) Decide(_ time.Duration, _ *Packet, rng *rand.Rand) Verdict {
	m.state = m.next(uint64(rng.Uint32()))
	switch m.state {
	case 3:
		return Verdict{Drop: "loss state (burst)"}
	case 4:
		return Verdict{Drop: "loss state (alone)"}
	}
	return Verdict{}
}

func (m *lossState) next(random uint64) int {
	switch m.state {
	case 1:
		if random < m.p14 {
			return 4
		}
		if random < m.p14+m.p13 {
			return 3
		}
	case 2:
		if random < m.p23 {
			return 3
		}
	case 3:
		if random < m.p32 {
			return 2
		}
		if random < m.p32+m.p31 {
			return 1
		}
	case 4:
		return 1
	}
	return m.state
}
