package ladder

// duet draws two hosts face to face: columns for state, port, wire, port,
// state; calls go over all of them, from the left edge or from the middle.
type duet struct {
	cfg   Config
	lanes laneList
	wire  int // width of an arrow
	mid   int // column of the right lane
}

const (
	noteWidth = 14 // "retransmission"
	portWidth = 5
	// sideWidth is the width of state and port, with a blank after each.
	sideWidth = noteWidth + 1 + portWidth + 1
	// maxShift is how far a long text of the right lane may begin to the left
	// of it before it is wrapped.
	maxShift = 12
)

func newDuet(cfg Config, lanes laneList) *duet {
	w := cfg.Width - laneStart
	return &duet{cfg: cfg, lanes: lanes, wire: w - 2*sideWidth, mid: w / 2}
}

func (d *duet) width() int { return d.cfg.Width - laneStart }

// heads implements [layout].
func (d *duet) heads() []string {
	if len(d.lanes) == 0 {
		return []string{""}
	}
	left := headOf(d.lanes[0], d.mid-2)
	if len(d.lanes) == 1 {
		return []string{left}
	}
	return []string{padTo(left, d.mid) + headOf(d.lanes[1], d.width()-d.mid)}
}

func headOf(l *lane, n int) string {
	title := l.title(n)
	return cut(title+" "+l.addresses(n-width(title)-1), n)
}

// lines implements [layout].
func (d *duet) lines(r *row) []string {
	if w := r.wire; w != nil && r.text == "" {
		if !w.loop && w.from >= 0 && w.to >= 0 && w.from != w.to {
			return d.arrow(r)
		}
		r.text = flatWire(d.lanes, w, d.width()-max(0, r.lane)*d.mid-width(r.state)-2)
	}
	if r.lane == 1 {
		return d.right(r)
	}
	text := r.text
	if r.lane == noLane {
		text = "? " + text
	}
	if r.state != "" {
		text += "  " + r.state
	}
	n := d.width()
	if len(d.lanes) > 1 {
		n -= maxShift
	}
	return wrap(text, n)
}

// right draws a text in the right lane, its state to the left of it.
func (d *duet) right(r *row) []string {
	at := d.mid
	if over := at + width(r.text) - d.width(); over > 0 && over <= maxShift {
		at -= over
	}
	var out []string
	for _, s := range wrap(r.text, d.width()-at) {
		out = append(out, pad(at)+s)
	}
	if r.state != "" {
		out[0] = pad(at-2-width(r.state)) + r.state + "  " + out[0][at:]
	}
	return out
}

// arrow draws a packet between the two hosts.
func (d *duet) arrow(r *row) []string {
	w := r.wire
	toRight := w.from == 0
	lport, rport := w.seg.port(w.seg.Src), w.seg.port(w.seg.Dst)
	if !toRight {
		lport, rport = rport, lport
	}
	if w.drop != "" && !w.arrival {
		return d.lost(r, toRight, lport, rport)
	}
	note := r.state
	if w.again {
		note = "retransmission"
		w.notes = append(w.notes, nonEmpty(r.state)...)
	}
	body, rest := d.body(w, toRight)
	notes := [2]string{}
	notes[r.lane], notes[1-r.lane] = note, r.far
	out := []string{d.join(notes[0], lport, body, rport, notes[1])}
	return append(out, d.spill(rest, toRight)...)
}

func (d *duet) join(lnote, lport, body, rport, rnote string) string {
	return pad(noteWidth-width(lnote)) + lnote + " " + pad(portWidth-len(lport)) + lport + " " +
		padTo(body, d.wire) + " " + padTo(rport, portWidth) + " " + rnote
}

// body is the arrow itself; for an arrival only its head.
func (d *duet) body(w *wire, toRight bool) (body string, rest []string) {
	if !w.arrival {
		text, rest := w.label(d.wire - 6)
		if toRight {
			return rightArrow(text, d.wire), rest
		}
		return leftArrow(text, d.wire), rest
	}
	head, text := "▶", ""
	if w.drop != "" {
		head, text = "✗", cut(w.drop, d.wire-4)
	} else {
		text, _ = w.label(d.wire - 4)
	}
	if toRight {
		text += " ┄┄" + head
		return pad(d.wire-width(text)) + text, nil
	}
	if w.drop == "" {
		head = "◀"
	}
	return head + "┄┄ " + text, nil
}

// lost draws a packet that does not arrive: the far end has neither port nor
// state, which leaves room for the reason.
func (d *duet) lost(r *row, toRight bool, lport, rport string) []string {
	w, note := r.wire, r.state
	if w.again {
		note = "retransmission"
	}
	reason := cut(w.drop, d.wire/2)
	text, rest := w.label(d.wire + sideWidth - width(reason) - 8)
	var line string
	if toRight {
		line = d.join(note, lport, lostRight(text, reason, d.wire), "", "")
	} else {
		body := lostLeft(text, reason, d.wire)
		line = pad(sideWidth+d.wire-width(body)) + body + " " + padTo(rport, portWidth) + " " + note
	}
	return append([]string{line}, d.spill(rest, toRight)...)
}

// spill puts what did not fit on an arrow below its beginning.
func (d *duet) spill(rest []string, toRight bool) []string {
	if len(rest) == 0 {
		return nil
	}
	var out []string
	for _, s := range wrap("("+join(rest, nil, "  ")+")", d.wire-6) {
		at := sideWidth + 3
		if !toRight {
			at = sideWidth + d.wire - 3 - width(s)
		}
		out = append(out, pad(at)+s)
	}
	return out
}
