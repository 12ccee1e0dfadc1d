package netem

import (
	"math"
	"math/rand/v2"
	"time"
)

// Packet is what an impairment may know about a packet.
type Packet struct {
	Len  int    // bytes on the wire, headers included
	Data []byte // the packet, to look at only; may be nil
	Num  uint64 // the nth packet of this direction, from 1; set by [Direction.Decide]
}

// Verdict is what an impairment does to a packet. The zero Verdict lets it pass untouched.
type Verdict struct {
	Drop       string        // which rule lost the packet: "loss 1%"; empty if it passes
	Delay      time.Duration // to add between leaving the queue and arriving
	Duplicates int           // extra copies
	Corrupt    []int         // bits to flip: 0 is the highest bit of the first byte
	Reordered  bool          // sent without any delay, ahead of others
	Note       string        // what happened to a packet that passes: "corrupt 1% (bit 77)"
}

// Model decides about one packet at a time. It must depend on nothing but its arguments and the
// packets it has seen before, must not change the packet, and takes all its luck from rng, which no
// other Model uses.
type Model interface {
	Decide(now time.Duration, p *Packet, rng *rand.Rand) Verdict
}

// ModelFunc is a function as a [Model].
type ModelFunc func(now time.Duration, p *Packet, rng *rand.Rand) Verdict

// Decide implements [Model].
func (f ModelFunc) Decide(now time.Duration, p *Packet, rng *rand.Rand) Verdict {
	return f(now, p, rng)
}

// add joins what another model decided about the same packet. The first drop is the one that counts.
func (v *Verdict) add(w Verdict) {
	if v.Drop == "" {
		v.Drop = w.Drop
	}
	v.Delay += w.Delay
	v.Duplicates += w.Duplicates
	v.Corrupt = append(v.Corrupt, w.Corrupt...)
	v.Reordered = v.Reordered || w.Reordered
	switch {
	case v.Note == "":
		v.Note = w.Note
	case w.Note != "":
		v.Note += ", " + w.Note
	}
}

// A source gives correlated 32-bit random numbers as the kernel's get_crandom does: each is
// the linear blend (1-ρ)·new + ρ·previous. With ρ = 0 it draws independent numbers.
type source struct {
	rho    uint64 // correlation, 0 to 1<<32
	last   uint64 // previous number
	primed bool
}

func newSource(correlation float64) source { return source{rho: threshold(correlation)} }

func (s *source) next(rng *rand.Rand) uint32 {
	value := rng.Uint32()
	if s.rho == 0 {
		return value
	}
	if !s.primed { // the kernel starts from a random number, too
		s.last, s.primed = uint64(rng.Uint32()), true
	}
	s.last = (uint64(value)*(1<<32-s.rho) + s.last*s.rho) >> 32
	return uint32(s.last)
}

// A chance is a source compared with a probability.
type chance struct {
	source
	limit uint64 // the probability, 0 to 1<<32
}

func newChance(p, correlation float64) chance {
	return chance{newSource(correlation), threshold(p)}
}

func (c *chance) hit(rng *rand.Rand) bool { return uint64(c.next(rng)) < c.limit }

// threshold scales a probability to 32 bits, so that 0 is never and 1 is always.
func threshold(p float64) uint64 { return uint64(math.Round(p * (1 << 32))) }
