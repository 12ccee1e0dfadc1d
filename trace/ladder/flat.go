package ladder

// flat draws any number of hosts: every line begins with the host's name.
type flat struct {
	cfg   Config
	lanes laneList
	name  int // width of the widest name
}

func newFlat(cfg Config, lanes laneList) *flat {
	f := &flat{cfg: cfg, lanes: lanes}
	for _, l := range lanes {
		f.name = min(max(f.name, width(l.Name)), 20)
	}
	return f
}

// heads implements [layout].
func (f *flat) heads() []string {
	return []string{padTo("host", f.name+2) + "calls, states and packets"}
}

// lines implements [layout].
func (f *flat) lines(r *row) []string {
	host := "?"
	if r.lane >= 0 {
		host = f.lanes[r.lane].Name
	}
	text := r.text
	if r.wire != nil && text == "" {
		text = flatWire(f.lanes, r.wire, f.cfg.Width-laneStart-f.name-width(r.state)-4)
	}
	if r.state != "" {
		text += "  " + r.state
	}
	var out []string
	for _, s := range wrap(text, f.cfg.Width-laneStart-f.name-2) {
		out = append(out, padTo(cut(host, f.name), f.name+2)+s)
		host = ""
	}
	return out
}

// flatWire is a packet in words, with blanks between them if it then fits in n
// columns: "→ server 49152→80 S   seq 0".
func flatWire(lanes laneList, w *wire, n int) string {
	var s string
	switch {
	case w.loop:
		s = "lo  "
	case w.arrival && w.from >= 0:
		s = "← " + lanes[w.from].Name + "  "
	case w.arrival:
		s = "←  "
	case w.to >= 0:
		s = "→ " + lanes[w.to].Name + "  "
	default:
		s = "→ " + w.seg.Dst.Addr().String() + "  "
	}
	notes := w.notes
	if w.again && !w.arrival {
		notes = append([]string{"retransmission"}, notes...)
	}
	s += w.seg.ports()
	lost := ""
	if w.drop != "" {
		lost = " ✗ " + w.drop
	}
	if wide := s + join(w.seg.parts(), notes, "  ") + lost; width(wide) <= n {
		return wide
	}
	return s + join(w.seg.parts(), notes, " ") + lost
}
