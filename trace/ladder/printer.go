package ladder

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// jump is how long nothing must happen for a line to say so.
const jump = 5 * time.Second

// layout draws rows. Lines have neither the time column nor trailing blanks.
type layout interface {
	// heads are the lanes' headings.
	heads() []string
	// lines draws a row.
	lines(r *row) []string
}

// printer writes rows with their times. It stops at the first error.
type printer struct {
	w    io.Writer
	cfg  Config
	lay  layout
	err  error
	last time.Duration
	n    int // lines below the header
	over int // those beyond Config.MaxLines
}

func (p *printer) started() bool { return p.lay != nil }

// header writes what is above the ladder and fixes the lanes.
func (p *printer) header(lanes laneList) {
	p.lay = newLayout(p.cfg, lanes)
	if p.cfg.Title != "" {
		title := p.cfg.Title
		if p.cfg.Claim != "" {
			title += ": " + p.cfg.Claim
		}
		for _, s := range wrap(title, p.cfg.Width) {
			p.write(s)
		}
		kind := "virtual time"
		if p.cfg.Paced {
			kind = "real time"
		}
		p.write(fmt.Sprintf("seed %d · %s", p.cfg.Seed, kind))
		p.write("")
	}
	first := fmt.Sprintf("%*s", timeWidth, "time (ms)")
	for _, h := range p.lay.heads() {
		p.write(first + "  " + h)
		first = pad(timeWidth)
	}
}

func newLayout(cfg Config, lanes laneList) layout {
	switch n := len(lanes); {
	case n <= 2:
		return newDuet(cfg, lanes)
	case n <= maxChart:
		return newChart(cfg, lanes)
	}
	return newFlat(cfg, lanes)
}

// row writes a row, with a mark if a long time has passed since the last.
func (p *printer) row(r *row) {
	if r.gap {
		p.line(pad(timeWidth-1) + "⋮  " + r.text)
		p.last = r.at
		return
	}
	if d := r.at - p.last; d >= jump {
		p.line(pad(timeWidth-1) + "⋮  (" + duration(d) + " later)")
	}
	p.last = r.at
	t := stamp(r.at)
	for _, s := range p.lines(r) {
		p.line(t + "  " + s)
		t = pad(timeWidth)
	}
}

func (p *printer) lines(r *row) []string {
	if r.wide {
		lines := wrap(r.text, p.cfg.Width-laneStart)
		if last := len(lines) - 1; last > 0 && strings.TrimSpace(lines[last]) == "──" {
			return lines[:last] // a rule has no line of its own
		}
		return lines
	}
	return p.lay.lines(r)
}

func (p *printer) line(s string) {
	if p.n++; p.cfg.MaxLines > 0 && p.n > p.cfg.MaxLines {
		p.over++
		return
	}
	p.write(s)
}

// end says what is missing.
func (p *printer) end() {
	if p.over > 0 {
		p.write(fmt.Sprintf("%s⋮  %s more", pad(timeWidth-1), count(p.over, "line")))
	}
}

func (p *printer) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, p.cfg.draw(strings.TrimRight(s, " "))+"\n")
	}
}
