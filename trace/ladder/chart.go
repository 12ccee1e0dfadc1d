package ladder

// chart draws three to five hosts as a message sequence chart: a life line for
// each, arrows between them, and what the segments say on the right.
type chart struct {
	cfg   Config
	lanes laneList
	step  int // from one life line to the next
	label int // column of the segments' text
}

// maxChart is how many life lines leave room for names and arrows.
const maxChart = 5

func newChart(cfg Config, lanes laneList) *chart {
	room := (cfg.Width - laneStart) * 5 / 11
	if len(lanes) > 3 {
		room = (cfg.Width - laneStart) * 3 / 5
	}
	step := room / (len(lanes) - 1)
	return &chart{cfg: cfg, lanes: lanes, step: step, label: step*(len(lanes)-1) + 3}
}

func (c *chart) width() int { return c.cfg.Width - laneStart }

// heads implements [layout].
func (c *chart) heads() []string {
	var names, addrs string
	for i, l := range c.lanes {
		n := c.step - 1
		if i == len(c.lanes)-1 {
			n = c.width() - c.step*i
		}
		names = padTo(names, c.step*i) + l.title(n)
		addrs = padTo(addrs, c.step*i) + cut(l.addresses(n), n)
	}
	if width(addrs) == c.step*(len(c.lanes)-1) {
		return []string{names}
	}
	return []string{names, addrs}
}

// lines implements [layout].
func (c *chart) lines(r *row) []string {
	if w := r.wire; w != nil && r.text == "" {
		if !w.arrival && !w.loop && w.from >= 0 && w.to >= 0 && w.from != w.to {
			return c.arrow(r)
		}
		r.text = flatWire(c.lanes, w, c.width()-max(0, r.lane)*c.step-width(r.state)-4)
	}
	lane, text, inside := max(0, r.lane), r.text, ""
	switch {
	case r.state == "":
	case r.wire != nil && r.wire.arrival:
		text = r.state + "  (" + text + ")"
	case lane == len(c.lanes)-1:
		inside = r.state + "  "
	default:
		text += "  " + r.state
	}
	at := lane * c.step
	if over := at + width(text) - c.width(); over > 0 {
		at -= min(over, maxShift, at)
	}
	var out []string
	for _, s := range wrap(text, c.width()-at) {
		out = append(out, c.through(c.lifelines(at-width(inside))+inside+s, lane+1))
		inside = ""
	}
	return out
}

// through adds the life lines of the lanes from first on, as far as the line
// leaves them free.
func (c *chart) through(line string, first int) string {
	for i := first; i < len(c.lanes); i++ {
		if width(line) < i*c.step {
			line = padTo(line, i*c.step) + "│"
		}
	}
	return line
}

// lifelines draws the life lines to the left of a column.
func (c *chart) lifelines(at int) string {
	s := ""
	for i := range c.lanes {
		if i*c.step < at {
			s = padTo(s, i*c.step) + "│"
		}
	}
	return padTo(s, at)
}

// arrow draws a packet from one life line to another.
func (c *chart) arrow(r *row) []string {
	w := r.wire
	a, b := min(w.from, w.to), max(w.from, w.to)
	line := c.lifelines(a*c.step) + c.span(r, (b-a)*c.step+1)
	line = c.through(line, b+1)
	if w.drop != "" {
		w.notes = append([]string{w.drop}, w.notes...)
	}
	if w.again {
		w.notes = append([]string{"retransmission"}, w.notes...)
	}
	if r.state != "" && !fits(r.state, (b-a)*c.step+1) {
		w.notes = append([]string{r.state}, w.notes...)
	}
	w.seg.brief = w.seg.brief || len(c.lanes) > 3 // no room for options
	ports := w.seg.ports()
	text, rest := w.label(c.width() - c.label - width(ports))
	out := []string{padTo(line, c.label) + ports + text}
	if len(rest) > 0 {
		for _, s := range wrap(join(rest, nil, "  "), c.width()-c.label-2) {
			out = append(out, c.lifelines(c.label)+"  "+s)
		}
	}
	return out
}

// span is the arrow with its two life lines, the sender's new state at its
// beginning if there is room.
func (c *chart) span(r *row, n int) string {
	state := ""
	if r.state != "" && fits(r.state, n) {
		state = " " + r.state + " "
	}
	lost := r.wire.drop != ""
	body := dashes(n - 3 - width(state))
	if r.wire.from < r.wire.to {
		if lost {
			return "├" + state + cutDashes(body) + "✗" + pad(width(body)-width(cutDashes(body))) + "│"
		}
		return "├" + state + body + "▶" + "│"
	}
	if lost {
		return "│" + pad(width(body)-width(cutDashes(body))) + "✗" + cutDashes(body) + state + "┤"
	}
	return "│" + "◀" + body + state + "┤"
}

// fits reports whether an arrow of n columns has room for a state.
func fits(state string, n int) bool { return width(state)+6 <= n }

// cutDashes is how far a lost packet gets.
func cutDashes(body string) string { return dashes(max(1, width(body)*3/4)) }
