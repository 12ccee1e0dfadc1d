package sim

import (
	"fmt"

	"fivetuple/trace"
)

// Switch is an Ethernet switch: it learns which address is behind which port
// and floods what it does not know (IEEE 802.1D, 7.7).
type Switch struct {
	w     *World
	name  string
	ports []*port
	table map[[6]byte]*port
}

// port is a switch's end of a cable.
type port struct {
	sw  *Switch
	num int
	out *pipe
}

// AddSwitch adds a switch without ports.
func (w *World) AddSwitch(name string) *Switch {
	return &Switch{w: w, name: name, table: make(map[[6]byte]*port)}
}

// Attach links a host to the switch with an Ethernet interface. AB is the
// direction from the host to the switch.
func (s *Switch) Attach(h Node, cfg LinkConfig) (*Link, error) {
	if cfg.Name == "" {
		cfg.Name = s.w.linkName(h.Name() + "-" + s.name)
	}
	cfg.Ethernet = true
	i, err := h.attachEnd(&cfg, cfg.AddrsA)
	if err != nil {
		return nil, fmt.Errorf("switch %s: %w", s.name, err)
	}
	ab, ba := cfg.directions()
	p := &port{sw: s, num: len(s.ports)}
	l, err := s.w.join(cfg.Name, i, p, ab, ba, minDelay, cfg.RulesAB, cfg.RulesBA)
	if err != nil {
		return nil, err
	}
	s.ports = append(s.ports, p)
	return l, nil
}

func (p *port) host() string      { return p.sw.name }
func (p *port) name() string      { return fmt.Sprintf("port%d", p.num) }
func (p *port) ethernet() bool    { return true }
func (p *port) connect(out *pipe) { p.out = out }

func (p *port) forwards(*trace.Summary) bool { return true }

func (p *port) owner(*trace.Summary, bool) trace.Origin { return trace.Origin{Host: p.sw.name} }

func (p *port) settled() {}

// receive learns where the frame came from and passes it on.
func (p *port) receive(f *flight) {
	f.delivered(p.sw.w)
	defer f.pkt.Release()
	frame := f.pkt.Bytes()
	if len(frame) < 14 {
		return // corrupted beyond recognition
	}
	dst, src := [6]byte(frame[:6]), [6]byte(frame[6:12])
	if src[0]&1 == 0 {
		p.sw.table[src] = p
	}
	if to, known := p.sw.table[dst]; known && dst[0]&1 == 0 {
		if to != p {
			to.out.send(f.pkt.Clone())
		}
		return
	}
	for _, to := range p.sw.ports {
		if to != p {
			to.out.send(f.pkt.Clone())
		}
	}
}
