package netem

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Direction is one direction of a link at work: a [Config] with its random streams, the state of
// its models, its packet count and its [Queue]. It is not safe for concurrent use.
type Direction struct {
	cfg     Config
	streams [kinds]*rand.Rand
	rules   []stage // the scenario's own models
	stages  []stage // those of cfg, in the order of the package documentation
	queue   *Queue
	arrived time.Duration // when the latest packet kept in order arrives
	stats   Stats
	copies  []Copy // what Send returned last, for reuse
}

// Stats counts what happened to the packets of a direction.
type Stats struct {
	Packets    uint64 // handed to the direction
	Lost       uint64 // dropped by an impairment
	Overflowed uint64 // copies that found the queue full
	Duplicated uint64 // extra copies made
	Corrupted  uint64 // packets that passed with flipped bits
	Reordered  uint64 // packets that passed without their delay
}

// The kinds of impairment that draw random numbers, one stream each. The order fixes every
// trace: add new kinds at the end.
const (
	kindLoss = iota
	kindDuplicate
	kindCorrupt
	kindDelay
	kindReorder
	kinds
)

// A stage is a model with the stream it draws from.
type stage struct {
	model Model
	rng   *rand.Rand
}

// NewDirection validates cfg and returns a direction that has seen no packet. All its luck derives
// from rng, from which it draws here and never again. The rules decide before the impairments of
// cfg, in the order given.
func NewDirection(cfg Config, rng *rand.Rand, rules ...Model) (*Direction, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Direction{queue: NewQueue(cfg)}
	for i := range d.streams {
		d.streams[i] = derive(rng)
	}
	for _, rule := range rules {
		d.rules = append(d.rules, stage{rule, derive(rng)})
	}
	d.setConfig(cfg)
	return d, nil
}

// derive makes a new stream from the next numbers of rng.
func derive(rng *rand.Rand) *rand.Rand {
	return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
}

// Config returns the configuration in force.
func (d *Direction) Config() Config { return d.cfg }

// Change puts another configuration in force from the next packet on, like "tc qdisc change". The
// random streams, the packet count and the queue go on; correlations, the states of the loss
// models and the gap of reorder start afresh. After an error nothing has changed.
func (d *Direction) Change(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	d.queue.change(cfg)
	d.setConfig(cfg)
	return nil
}

// setConfig compiles cfg. Here the order of the impairments is decided.
func (d *Direction) setConfig(cfg Config) {
	d.cfg, d.stages = cfg, nil
	use := func(configured bool, kind int, model func() Model) {
		if configured {
			d.stages = append(d.stages, stage{model(), d.streams[kind]})
		}
	}
	c := &d.cfg
	use(len(c.DropNth) > 0, kindLoss, func() Model { return &nthLoss{slices.Clone(c.DropNth)} })
	use(c.Loss > 0, kindLoss, func() Model { return newRandomLoss(c.Loss, c.LossCorrelation) })
	use(c.GE != nil, kindLoss, func() Model { return newGilbertElliott(c.GE) })
	use(c.LossState != nil, kindLoss, func() Model { return newLossState(c.LossState) })
	use(c.Duplicate > 0, kindDuplicate, func() Model { return newDuplicate(c.Duplicate, c.DuplicateCorrelation) })
	use(c.Corrupt > 0, kindCorrupt, func() Model { return newCorrupt(c.Corrupt, c.CorruptCorrelation) })
	use(c.Delay > 0 || c.Jitter > 0, kindDelay, func() Model { return newDelay(c) })
	use(c.Reorder > 0, kindReorder, func() Model { return newReorder(c) })
}

// Decide numbers the packet and returns what all impairments together do to it. It leaves the
// queue alone; most callers want [Direction.Send].
func (d *Direction) Decide(now time.Duration, p *Packet) Verdict {
	d.stats.Packets++
	p.Num = d.stats.Packets
	var v Verdict
	for _, s := range d.rules {
		v.add(s.model.Decide(now, p, s.rng))
	}
	for _, s := range d.stages {
		v.add(s.model.Decide(now, p, s.rng))
	}
	if v.Drop != "" {
		d.stats.Lost++
		return Verdict{Drop: v.Drop}
	}
	d.stats.Duplicated += uint64(v.Duplicates)
	if len(v.Corrupt) > 0 {
		d.stats.Corrupted++
	}
	if v.Reordered {
		d.stats.Reordered++
		v.Delay = 0
	}
	return v
}

// Copy is the way of one copy of a packet.
type Copy struct {
	Drop    string        // why the queue dropped it; empty if it arrives
	Start   time.Duration // its first bit leaves
	Depart  time.Duration // its last bit leaves
	Arrive  time.Duration // it is at the other end
	Corrupt []int         // bits to flip on the way, as in [Verdict]
}

// Send decides about a packet and puts what is left of it through the queue. There is one Copy for
// the packet itself, followed by one for each duplicate, and none if the verdict is to drop.
// They are valid until the next Send.
//
// With KeepOrder or a rate, no copy arrives before an earlier one, other than by Reorder; at a
// rate, arrivals are also at least the serialisation time apart, however the jitter falls.
func (d *Direction) Send(now time.Duration, p *Packet) (Verdict, []Copy) {
	v := d.Decide(now, p)
	if v.Drop != "" {
		return v, nil
	}
	copies := slices.Grow(d.copies[:0], 1+v.Duplicates)[:1+v.Duplicates]
	d.copies = copies
	for i := range copies {
		copies[i] = d.transmit(now, p.Len, &v)
	}
	copies[0].Corrupt = v.Corrupt
	return v, copies
}

// transmit takes one copy through the queue and over the wire.
func (d *Direction) transmit(now time.Duration, n int, v *Verdict) Copy {
	start, depart, drop := d.queue.Enqueue(now, n)
	if drop != "" {
		d.stats.Overflowed++
		return Copy{Drop: drop}
	}
	arrive := depart + max(0, v.Delay)
	if (d.cfg.KeepOrder || d.cfg.Rate > 0) && !v.Reordered {
		arrive = min(max(arrive, d.arrived+(depart-start)), never)
		d.arrived = arrive
	}
	return Copy{Start: start, Depart: depart, Arrive: arrive}
}

// Backlog counts the packets and bytes in the queue: see [Queue.Backlog].
func (d *Direction) Backlog(now time.Duration) (packets int, size int64) {
	return d.queue.Backlog(now)
}

// Stats returns the counts so far.
func (d *Direction) Stats() Stats { return d.stats }
