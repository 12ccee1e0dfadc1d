package sockapi

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// This file is operations as a recording has them: a line of JSON, and after it
// the bytes that are written. Results are not there: they follow.

var _ Posted = (*operation)(nil)

// Stamp implements [Posted].
func (o *operation) Stamp() {
	if o.Op == opDeadline {
		o.Time = o.n.at(o.instant)
	}
}

// Append implements [Posted].
func (o *operation) Append(b []byte) []byte {
	if o.c != nil {
		o.Conn = o.c.number
	}
	switch o.Op {
	case opRead, opReadFrom:
		o.Size = len(o.data)
	case opCancel:
		o.Dial = o.dial.Dial
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // numbers, names and addresses
	}
	b = append(append(b, text...), '\n')
	if o.Op == opWrite || o.Op == opWriteTo {
		b = append(b, o.data...)
	}
	return b
}

// Admit implements [Posted].
func (o *operation) Admit() {
	switch {
	case o.n.pool.ended:
	case o.moves():
		o.move()
	default:
		if o.Op == opDial {
			o.n.dialed++
			o.Dial = o.n.dialed
			if r := o.n.replayed; r != nil {
				r.dials[o.Dial] = o
			}
		}
		o.n.pool.take(o)
	}
}

// end tells whoever waits that the operation is done.
func (o *operation) end() {
	if o.done != nil {
		close(o.done)
	}
	if o.n.replayed != nil && o.Op == opDial {
		delete(o.n.replayed.dials, o.Dial)
	}
}

// replayed finds what the operations of a recording name.
type replayed struct {
	conns map[uint64]*conn      // those that are open
	dials map[uint64]*operation // those in progress
}

// Replay reads a posted call of a recording, which the world then admits as it
// did when it was recorded. Nobody waits for its result, which is what it was.
// The Net is one that [OutsideNet] has made.
func (n *Net) Replay(text []byte) (Posted, error) {
	if n.replayed == nil {
		n.replayed = &replayed{conns: make(map[uint64]*conn), dials: make(map[uint64]*operation)}
	}
	head, data, _ := bytes.Cut(text, []byte("\n"))
	o := &operation{n: n}
	if err := json.Unmarshal(head, o); err != nil {
		return nil, fmt.Errorf("a posted call cannot be read: %w", err)
	}
	switch o.Op {
	case opDial, opListen:
		o.limit.at = NoDeadline
	case opCancel:
		o.dial = n.replayed.dials[o.Dial]
	case opRead, opReadFrom:
		if o.Size < 0 || o.Size > maxRead {
			return nil, fmt.Errorf("a posted %s cannot be of %d bytes", o.Op, o.Size)
		}
		o.data = make([]byte, o.Size)
	case opWrite, opWriteTo:
		o.data = data
	case opAccept, opClose, opShutdown, opSet, opDeadline:
	default:
		return nil, fmt.Errorf("a posted call %q is unknown", o.Op)
	}
	if needs := o.Op == opDial || o.Op == opListen || o.Op == opWriteTo; needs && len(o.Addrs) == 0 {
		return nil, fmt.Errorf("a posted %s has no address", o.Op)
	}
	if o.Op != opDial && o.Op != opListen && o.Op != opCancel {
		if o.c = n.replayed.conns[o.Conn]; o.c == nil {
			if o.Conn == 0 || o.Conn > n.made {
				return nil, fmt.Errorf("a posted %s is for connection %d: there are %d so far", o.Op, o.Conn, n.made)
			}
			o.c = n.closed() // it was closed
		}
	}
	return o, nil
}

// maxRead bounds the buffer of a recorded read: more than any socket's buffer
// holds is never filled.
const maxRead = 1 << 30

// closed stands for a connection that was closed.
func (n *Net) closed() *conn {
	c := &conn{n: n, closed: true}
	c.in.at, c.out.at = NoDeadline, NoDeadline
	return c
}

// forget lets go of a connection that is being closed.
func (n *Net) forget(c *conn) {
	if n.replayed != nil {
		delete(n.replayed.conns, c.number)
	}
}
