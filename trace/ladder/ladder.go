package ladder

import (
	"io"
	"time"

	"fivetuple/trace"
)

// Ladder is a trace.Sink that writes the text ladder.
type Ladder struct {
	cfg   Config
	out   *printer
	lanes laneList
	fold  collapser
	sum   Summary

	queue   []*row
	calls   map[uint64]*row // those that have not returned
	pending []pendingState

	now    time.Duration
	begun  bool                      // there was an event
	moved  bool                      // there was one at a later time
	recent map[trace.ID]*trace.Event // the events of this instant
	timers timerMemory
	flying map[uint64]bool // packets that were seen when they were sent
	flows  flowMemory
}

var _ trace.Sink = (*Ladder)(nil)

// New makes a ladder that writes to w. The caller closes w.
func New(w io.Writer, cfg Config) *Ladder {
	cfg = cfg.withDefaults()
	l := &Ladder{
		cfg: cfg, calls: make(map[uint64]*row), recent: make(map[trace.ID]*trace.Event),
		flying: make(map[uint64]bool),
	}
	for _, h := range cfg.Hosts {
		l.lanes = append(l.lanes, &lane{Host: h})
	}
	l.out = &printer{w: w, cfg: cfg}
	l.fold = newCollapser(cfg, l.out.row)
	return l
}

// Event implements [trace.Sink]. What is known by then has been written when
// it returns.
func (l *Ladder) Event(ev *trace.Event) error {
	if ev.At > l.now {
		l.moved = l.begun
		l.settle()
		l.now = ev.At
		clear(l.recent)
	}
	l.begun = true
	l.recent[ev.ID] = ev
	l.meet(ev)
	switch b := ev.Body.(type) {
	case *trace.Call:
		l.call(ev, b)
	case *trace.Packet:
		l.packet(ev, b)
	case *trace.State:
		l.state(ev, b)
	case *trace.Timer:
		l.timers.add(ev, b)
	default:
		l.remark(ev)
	}
	l.drain()
	return l.out.err
}

// Flush writes what is held back because it is not known yet how it ends: for
// a live run that has become idle.
func (l *Ladder) Flush() error {
	l.settle()
	l.start(true)
	l.drain()
	l.fold.flush()
	return l.out.err
}

// Close implements [trace.Sink].
func (l *Ladder) Close() error {
	if err := l.Flush(); err != nil {
		return err
	}
	l.out.end()
	return l.out.err
}

// meet gives a host that appears a lane, while there is no header yet.
func (l *Ladder) meet(ev *trace.Event) {
	if len(l.cfg.Hosts) == 0 && !l.out.started() {
		l.lanes.add(ev.Host)
		if p, ok := ev.Body.(*trace.Packet); ok {
			l.lanes.add(p.Peer)
		}
	}
	if i := l.lanes.find(ev.Host); i != noLane {
		l.lanes[i].note(ev.Origin)
	}
}

// start chooses the layout and writes the header, once it is known who takes
// part: when the first instant is over.
func (l *Ladder) start(must bool) {
	known := len(l.cfg.Hosts) > 0 || len(l.lanes) >= 2
	if !l.out.started() && (must || known && l.moved) {
		l.out.header(l.lanes)
	}
}

func (l *Ladder) add(r *row) *row {
	r.at = l.now
	l.queue = append(l.queue, r)
	return r
}

// settle ends the instant: nothing more will explain what is still open.
func (l *Ladder) settle() {
	for _, p := range l.pending {
		l.ownLine(p)
	}
	l.pending = l.pending[:0]
	for _, r := range l.queue {
		r.ready = r.ready || r.held
		if r.call != nil && !r.ready {
			l.waits(r)
		}
	}
	l.drain()
}

// drain passes on the rows at the head of the queue that are ready.
func (l *Ladder) drain() {
	n := 0
	for ; n < len(l.queue) && (l.queue[n].ready || l.queue[n].gone); n++ {
		r := l.queue[n]
		if r.gone {
			continue
		}
		if l.start(false); !l.out.started() {
			break
		}
		r.text = l.prefix(r) + r.text
		l.fold.add(r)
	}
	l.queue = append(l.queue[:0], l.queue[n:]...)
}

// timerMemory remembers the latest timers: a segment that one of them sent may
// wait in a link's queue before it shows.
type timerMemory struct {
	evs [64]*trace.Event
	n   int
}

func (m *timerMemory) add(ev *trace.Event, _ *trace.Timer) {
	m.evs[m.n%len(m.evs)] = ev
	m.n++
}

// find returns the timer event id, if it is one.
func (m *timerMemory) find(id trace.ID) (*trace.Event, *trace.Timer) {
	for _, ev := range m.evs {
		if ev != nil && ev.ID == id {
			return ev, ev.Body.(*trace.Timer)
		}
	}
	return nil, nil
}
