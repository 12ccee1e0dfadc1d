package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sim/netem"
	"fivetuple/trace"
)

// minDelay is the least time a packet takes on a simulated link. gVisor's RACK
// stalls when a round trip takes no time at all.
const minDelay = time.Microsecond

// LinkConfig describes a link between two interfaces.
type LinkConfig struct {
	// Name names the link in the trace. Default: "client-server".
	Name string
	// MTU is the largest IP packet in bytes. Default 1500.
	MTU int
	// Both impairs both directions alike, unless AB or BA is set.
	Both netem.Config
	// AB impairs the direction from the first host to the second, BA the
	// other one. Nil means Both.
	AB, BA *netem.Config
	// Ethernet makes it a cable between two Ethernet interfaces, with ARP and
	// neighbor discovery. The default is point to point.
	Ethernet bool
	// AddrsA and AddrsB are the addresses of the two new interfaces. Default:
	// those of the hosts.
	AddrsA, AddrsB []netip.Prefix
	// Rules decide before the impairments: "drop the first SYN".
	RulesAB, RulesBA []netem.Model
}

// Link is a connection between two interfaces: two directed pipes.
type Link struct {
	w      *World
	name   string
	ab, ba *pipe
}

// Name is the link's name.
func (l *Link) Name() string { return l.name }

// Dir is one of a link's two directions.
type Dir int

// The directions of a link.
const (
	AB Dir = iota // from the first host to the second
	BA
)

// Impair replaces the impairments of one direction, from the next packet on.
func (l *Link) Impair(d Dir, c netem.Config) error {
	p := l.pipe(d)
	if err := p.dir.Change(c); err != nil {
		return fmt.Errorf("link %s: %w", l.name, err)
	}
	l.w.bus.Emit(trace.Origin{Host: p.from.host()}, &trace.LinkChange{
		Link: l.name, Direction: p.from.host() + " → " + p.to.host(), Now: p.dir.Config().String()})
	return nil
}

// Impairments returns the impairments of one direction.
func (l *Link) Impairments(d Dir) netem.Config { return l.pipe(d).dir.Config() }

// Stats counts the packets of one direction.
func (l *Link) Stats(d Dir) netem.Stats { return l.pipe(d).dir.Stats() }

func (l *Link) pipe(d Dir) *pipe {
	if d == AB {
		return l.ab
	}
	return l.ba
}

// Connect links two hosts. On a point-to-point link each gets routes to the
// other's addresses.
func (w *World) Connect(a, b Node, cfg LinkConfig) (*Link, error) {
	if a == b {
		return nil, fmt.Errorf("host %s: a link needs two hosts; for one, there is lo", a.Name())
	}
	if cfg.Name == "" {
		cfg.Name = w.linkName(a.Name() + "-" + b.Name())
	}
	ab, ba := cfg.directions()
	for _, c := range []netem.Config{ab, ba} {
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("link %s: %w", cfg.Name, err)
		}
	}
	ends := [2]nodeEnd{}
	for n, h := range []Node{a, b} {
		e, err := h.attachEnd(&cfg, [][]netip.Prefix{cfg.AddrsA, cfg.AddrsB}[n])
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", cfg.Name, err)
		}
		ends[n] = e
	}
	if !cfg.Ethernet {
		if err := pointToPoint(ends[0], ends[1]); err != nil {
			return nil, fmt.Errorf("link %s: %w", cfg.Name, err)
		}
	}
	return w.join(cfg.Name, ends[0], ends[1], ab, ba, minDelay, cfg.RulesAB, cfg.RulesBA)
}

// linkName makes a default name unique: "a-b", "a-b-2".
func (w *World) linkName(base string) string {
	n := 0
	for _, l := range w.links {
		if l.name == base || len(l.name) > len(base) && l.name[:len(base)+1] == base+"-" {
			n++
		}
	}
	name := base
	for ; n > 0 && (name == base || w.hasLink(name)); n++ {
		name = fmt.Sprintf("%s-%d", base, n+1)
	}
	return name
}

func (w *World) hasLink(name string) bool {
	return slices.ContainsFunc(w.links, func(l *Link) bool { return l.name == name })
}

func (c *LinkConfig) directions() (ab, ba netem.Config) {
	ab, ba = c.Both, c.Both
	if c.AB != nil {
		ab = *c.AB
	}
	if c.BA != nil {
		ba = *c.BA
	}
	return ab, ba
}

// pointToPoint routes each end's addresses to it.
func pointToPoint(a, b nodeEnd) error {
	for _, e := range [][2]nodeEnd{{a, b}, {b, a}} {
		for _, p := range e[1].addresses() {
			if err := e[0].peer(netip.PrefixFrom(p.Addr(), p.Addr().BitLen())); err != nil {
				return err
			}
		}
	}
	return nil
}

// join makes the two pipes between two link ends.
func (w *World) join(name string, a, b end, ab, ba netem.Config, least time.Duration, rulesAB, rulesBA []netem.Model) (*Link, error) {
	l := &Link{w: w, name: name}
	var err error
	if l.ab, err = newPipe(l, a, b, ab, least, w.cfg.Seed, rulesAB...); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	if l.ba, err = newPipe(l, b, a, ba, least, w.cfg.Seed, rulesBA...); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	a.connect(l.ab)
	b.connect(l.ba)
	w.links = append(w.links, l)
	return l, nil
}
