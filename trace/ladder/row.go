package ladder

import (
	"time"

	"fivetuple/trace"
)

// row is one thing that the ladder shows. It may take several lines.
type row struct {
	at    time.Duration
	ready bool // it is known what the row says
	gone  bool // another row says it

	lane  int    // whose side it is on
	text  string // a call, or whatever happens on that side
	state string // shown inside of the text
	far   string // at the other end of the arrow: what the arrival led to, in the same instant
	wide  bool   // the text concerns everybody and goes over the whole width
	gap   bool   // the text stands for rows that are left out

	wire *wire    // set if the row is about a packet
	sent trace.ID // the event of its sending; 0: the row shows something else
	num  uint64   // the packet's number
	held bool     // until the instant is over
	bulk *bulk    // set if the row may be summed up with its like

	call    *trace.Call // the call that is to be resolved
	who     trace.Origin
	enterID trace.ID
	split   bool // "..." was written, so the return needs a row of its own
}

// wire is a packet as a layout draws it.
type wire struct {
	seg      segment
	from, to int    // lanes; noLane if unknown
	loop     bool   // over the host's own lo
	arrival  bool   // not the sending, but the arrival at to, with its effect
	again    bool   // retransmission
	drop     string // why it does not arrive
	notes    []string
}

// pendingState is a state change that no row has taken yet.
type pendingState struct {
	ev   *trace.Event
	body *trace.State
	row  *row
}
