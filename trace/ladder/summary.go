package ladder

import (
	"fmt"
	"strings"

	"fivetuple/trace"
)

// Summary counts what a ladder has seen, shown or summed up.
type Summary struct {
	Calls    int // socket calls entered
	Segments int // TCP segments sent, dropped ones included, forwarded ones not
	Packets  int // packets of any protocol, counted likewise
	Dropped  int // packets that a link has lost or a receiver discarded
	Met      int // expectations
	Failed   int
	Warnings int
}

func (s *Summary) packet(p *trace.Packet) {
	if !p.Forwarded {
		s.Packets++
		if p.Summary.Proto == "tcp" {
			s.Segments++
		}
	}
	if p.What == trace.Dropped {
		s.Dropped++
	}
}

// Summary returns the counts so far.
func (l *Ladder) Summary() Summary { return l.sum }

// Footer returns the counts as one line without its end:
// "9 calls · 3 segments · 0 dropped · 2 expectations met". The caller writes
// it below the ladder, after Close.
func (l *Ladder) Footer() string {
	s := l.sum
	parts := []string{count(s.Calls, "call")}
	if s.Packets == s.Segments {
		parts = append(parts, count(s.Segments, "segment"))
	} else {
		parts = append(parts, count(s.Packets, "packet"))
	}
	parts = append(parts, fmt.Sprintf("%d dropped", s.Dropped))
	if s.Warnings > 0 {
		parts = append(parts, count(s.Warnings, "warning"))
	}
	if s.Met > 0 {
		parts = append(parts, count(s.Met, "expectation")+" met")
	}
	if s.Failed > 0 {
		parts = append(parts, count(s.Failed, "expectation")+" failed")
	}
	return l.cfg.draw(strings.Join(parts, " · "))
}

// count is "1 call", "2 calls".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
