package sim

import (
	"context"
	"fmt"
	"slices"

	"fivetuple/trace"
)

// This file merges into the trace what a kernel outside of the world says of its
// own ends of the connections that cross a device. What it says is an input of
// the run: it is recorded, and a replay asks nobody.

// Kernel is a network stack outside of the world that can be asked for its TCP
// connections. The world's goroutine asks; the answer must not wait.
type Kernel interface {
	// Connection looks for the connection with a five-tuple, Local being the
	// kernel's side. ok is false if there is none.
	Connection(ft trace.FiveTuple) (s trace.Socket, ok bool, err error)
}

// Observer follows the connections of one kernel. It looks at those to which
// packets belong, when the kernel has sent them and when it has received them; so
// it sees a state after the fact, and not at all one that lasts shorter. It
// belongs to the world's goroutine.
type Observer struct {
	w      *World
	host   string
	kernel Kernel
	on     bool

	known map[trace.FiveTuple]*observed
	order []*observed // those of known, in the order of their appearance
	next  int         // of order: where the next sweep begins
	seen  []report    // at this instant, and not in the trace yet
}

// observed is what was last reported of a connection.
type observed struct {
	tuple trace.FiveTuple
	state trace.TCPState
	info  trace.TCPInfo
	cause trace.ID // the packet after which that was seen
	gone  bool
}

// report is one thing that an observer has seen, as a recording has it.
type report struct {
	Cause   trace.ID       `json:"cause,omitempty"` // 0: to be filled in
	State   *trace.State   `json:"state,omitempty"`
	Info    *trace.TCPInfo `json:"info,omitempty"`
	Warning *trace.Warning `json:"warning,omitempty"`
	last    int            // of the packets that arrive together, the flow's last
}

// Observe makes an observer of the kernel behind devices that bear the name host
// in the trace: [Device.ObserveBy] says which. It is off until [Observer.Turn].
func (w *World) Observe(host string, k Kernel) *Observer {
	o := &Observer{w: w, host: host, kernel: k, known: make(map[trace.FiveTuple]*observed)}
	w.observers = append(w.observers, o)
	return o
}

// ObserveBy lets o look at the connections whose packets cross the device.
func (d *Device) ObserveBy(o *Observer) { d.obs = o }

// Turn turns the observer on or off. It forgets what it knew when it is turned off.
func (o *Observer) Turn(on bool) {
	if o.on = on; !on {
		clear(o.known)
		o.order, o.next = nil, 0
	}
}

// On reports whether the observer looks.
func (o *Observer) On() bool { return o.on }

// Sweep lets the observer look again at connections that it knows, a few at a
// time: for what changes without a packet, as the end of TIME-WAIT. Any goroutine
// may call it.
func (o *Observer) Sweep(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	return o.w.post(ctx.Done(), input{sweep: o})
}

// maxSweep bounds what one sweep costs.
const maxSweep = 64

// sweep looks at the next connections.
func (o *Observer) sweep() []report {
	var rs []report
	if !o.looks() {
		return nil
	}
	for range min(maxSweep, len(o.order)) {
		if !o.on { // it has failed
			break
		}
		o.next %= len(o.order)
		k := o.order[o.next]
		o.next++
		if !k.gone {
			rs = o.ask(rs, k.tuple, k.cause)
		}
	}
	o.compact()
	return rs
}

// looks reports whether there is anybody to look for.
func (o *Observer) looks() bool { return o != nil && o.on && o.w.bus.Enabled() }

// observe puts what was seen at this instant into the trace.
func (w *World) observe() {
	for _, o := range w.observers {
		if len(o.seen) > 0 {
			rs := o.seen
			o.seen = nil
			w.saw(o.host, rs)
		}
	}
}

// saw records what was seen, and puts it into the trace.
func (w *World) saw(host string, rs []report) {
	if len(rs) == 0 {
		return
	}
	w.noteSeen(sightings{Host: host, Reports: rs})
	for i := range rs {
		w.emitReport(host, &rs[i])
	}
}

func (w *World) emitReport(host string, r *report) {
	from := trace.Origin{Host: host}
	switch {
	case r.State != nil:
		w.bus.EmitCaused(r.Cause, from, r.State)
	case r.Info != nil:
		w.bus.EmitCaused(r.Cause, from, r.Info)
	case r.Warning != nil:
		w.bus.EmitCaused(r.Cause, from, r.Warning)
	}
}

// ask asks the kernel for a connection, and appends what has changed.
func (o *Observer) ask(rs []report, ft trace.FiveTuple, cause trace.ID) []report {
	s, ok, err := o.kernel.Connection(ft)
	if err != nil {
		o.Turn(false)
		return append(rs, report{Cause: cause, Warning: &trace.Warning{
			Text: fmt.Sprintf("its connections are not looked at any more: %v", err)}})
	}
	k := o.known[ft]
	switch {
	case !ok && k == nil:
		return rs
	case !ok:
		return o.end(rs, k, cause)
	case k != nil && begins(k.state, s.State):
		rs = o.end(rs, k, cause) // another one with the same five-tuple
		k = nil
	}
	if k == nil {
		k = &observed{tuple: ft}
		if s.State == trace.SynSent || s.State == trace.SynReceived {
			k.state = trace.Closed // else it is older than what was seen of it
		}
		o.known[ft] = k
		o.order = append(o.order, k)
	}
	if s.State != k.state {
		rs = append(rs, report{Cause: cause, State: &trace.State{FiveTuple: ft, From: k.state, To: s.State}})
		k.state, k.cause = s.State, cause
	}
	if s.Info.Cwnd != 0 && s.Info.Key() != k.info.Key() {
		info := s.Info
		info.FiveTuple, k.info, k.cause = ft, info, cause
		rs = append(rs, report{Cause: cause, Info: &info})
	}
	return rs
}

// begins reports whether a connection in state to cannot be the one that was
// last seen in state from: it has begun since.
func begins(from, to trace.TCPState) bool {
	switch to {
	case trace.SynSent:
		return from != trace.SynSent
	case trace.SynReceived:
		return from != trace.SynReceived && from != trace.SynSent
	}
	return false
}

// end reports that a connection is gone, and forgets it.
func (o *Observer) end(rs []report, k *observed, cause trace.ID) []report {
	k.gone = true
	delete(o.known, k.tuple)
	return append(rs, report{Cause: cause, State: &trace.State{FiveTuple: k.tuple, From: k.state, To: trace.Closed}})
}

// compact shortens the list when more than half of it is gone.
func (o *Observer) compact() {
	if len(o.order) > 2*len(o.known) {
		o.order = slices.DeleteFunc(o.order, func(k *observed) bool { return k.gone })
	}
}
