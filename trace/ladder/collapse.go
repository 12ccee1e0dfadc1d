package ladder

import (
	"fmt"
	"strings"

	"fivetuple/trace"
)

// A run of more than foldLimit segments is summed up: its first foldHead rows
// are shown, then a count, then its last foldTail rows.
const (
	foldLimit = 12
	foldHead  = 6
	foldTail  = 2
)

// bulk is what makes a row one of many: a data or ack segment in order, or a
// call that moves data and succeeds.
type bulk struct {
	conn  side // with the lower end first; zero for a call
	right bool // to a lane further right
	bytes int
	ack   bool // carries no data
	unit  string

	call   string
	key    callKey
	begins bool // the call is counted here, not again at its return
}

// callKey names a call site well enough to see that a call repeats itself.
type callKey struct {
	lane        int
	who         actor
	name, phase string
}

// bulkSegment lets an ordinary segment or datagram be summed up.
func bulkSegment(w *wire, s *trace.Summary) *bulk {
	b := &bulk{conn: side{s.Src, s.Dst}, right: w.from < w.to, bytes: s.Len, ack: s.Len == 0, unit: "segment"}
	if s.Dst.Compare(s.Src) < 0 {
		b.conn = side{s.Dst, s.Src}
	}
	switch {
	case w.seg.showWin:
		return nil
	case s.Proto == "udp":
		b.unit = "datagram"
	case s.Flags != "." && s.Flags != "P.":
		return nil
	}
	return b
}

// collapser sums up bulk transfers between the queue and the printer.
type collapser struct {
	emit func(*row)
	full bool
	seen map[callKey]bool // calls that were shown once

	conn     side
	rows     int // of this run
	segments int
	held     []*row
	left     leftOut
}

func newCollapser(cfg Config, emit func(*row)) collapser {
	return collapser{emit: emit, full: cfg.Full, seen: make(map[callKey]bool)}
}

func (c *collapser) add(r *row) {
	if c.full || r.bulk == nil {
		c.flush()
		c.emit(r)
		return
	}
	if !c.joins(r.bulk) {
		c.flush()
	}
	c.rows++
	if r.bulk.call == "" {
		c.conn = r.bulk.conn
		c.segments++
	}
	if c.rows <= foldHead {
		c.emit(r)
		return
	}
	c.held = append(c.held, r)
	for c.segments > foldLimit && len(c.held) > foldTail {
		c.left.add(c.held[0])
		c.held = append(c.held[:0], c.held[1:]...)
	}
}

// joins reports whether a row goes on with the run. A call does not if it is
// the first of its kind.
func (c *collapser) joins(b *bulk) bool {
	if b.call != "" {
		known := c.seen[b.key]
		c.seen[b.key] = true
		return known
	}
	return c.segments == 0 || b.conn == c.conn
}

// flush ends the run.
func (c *collapser) flush() {
	if c.left.last != nil {
		c.emit(&row{at: c.left.last.at, gap: true, text: c.left.String()})
	}
	for _, r := range c.held {
		c.emit(r)
	}
	c.held = c.held[:0]
	c.rows, c.segments, c.conn, c.left = 0, 0, side{}, leftOut{}
}

// leftOut counts rows that are not shown.
type leftOut struct {
	last  *row
	dirs  [2]struct{ data, bytes, acks int } // to the left, to the right
	unit  string
	calls []callCount // in order of appearance
}

type callCount struct {
	name string
	n    int
}

func (o *leftOut) add(r *row) {
	o.last = r
	b := r.bulk
	if b.call != "" {
		o.addCall(b)
		return
	}
	d := &o.dirs[0]
	if b.right {
		d = &o.dirs[1]
	}
	o.unit = b.unit
	if b.ack && b.unit == "segment" {
		d.acks++
	} else {
		d.data++
		d.bytes += b.bytes
	}
}

func (o *leftOut) addCall(b *bulk) {
	if !b.begins {
		return
	}
	for i := range o.calls {
		if o.calls[i].name == b.call {
			o.calls[i].n++
			return
		}
	}
	o.calls = append(o.calls, callCount{b.call, 1})
}

// String is "143 segments, 206 kB →, 140 acks ←, 71 × recv".
func (o *leftOut) String() string {
	var parts []string
	for i, arrow := range []string{"→", "←"} {
		if d := o.dirs[1-i]; d.data > 0 {
			parts = append(parts, fmt.Sprintf("%s, %s %s", count(d.data, o.unit), size(d.bytes), arrow))
		}
	}
	for i, arrow := range []string{"→", "←"} {
		if d := o.dirs[1-i]; d.acks > 0 {
			parts = append(parts, count(d.acks, "ack")+" "+arrow)
		}
	}
	for _, c := range o.calls {
		parts = append(parts, fmt.Sprintf("%d × %s", c.n, c.name))
	}
	return strings.Join(parts, ", ")
}
