package ladder

import (
	"strconv"

	"fivetuple/trace"
)

// call handles the three events of a call. What does not block takes one row,
// at the place of its entry; what blocks takes one there and one where it
// returns.
func (l *Ladder) call(ev *trace.Event, c *trace.Call) {
	switch c.What {
	case trace.Enter:
		l.sum.Calls++
		l.calls[c.Num] = l.add(&row{lane: l.lanes.find(ev.Host), call: c, who: ev.Origin, enterID: ev.ID})
	case trace.Block:
		if r := l.calls[c.Num]; r != nil && !r.ready {
			r.state = l.take(ev.Host, r.enterID)
			l.waits(r)
		}
	case trace.Return:
		l.returns(ev, c)
	}
}

// waits resolves a call that has not returned yet.
func (l *Ladder) waits(r *row) {
	r.text = r.call.Name + "(" + r.call.Args + ") ..."
	r.ready, r.split = true, true
	l.bulkCall(r, "block", "1")
}

func (l *Ladder) returns(ev *trace.Event, c *trace.Call) {
	r := l.calls[c.Num]
	delete(l.calls, c.Num)
	if r != nil && !r.split {
		r.text = c.Name + "(" + c.Args + ")" + outcome(c) + r.text
		r.state = l.take(ev.Host, r.enterID)
		r.ready = true
		l.bulkCall(r, "whole", c.Result)
		return
	}
	r = l.add(&row{lane: l.lanes.find(ev.Host), call: c, ready: true, split: true, who: ev.Origin})
	r.text = "... " + c.Name + outcome(c)
	if c.Waited > 0 {
		r.text += "  (" + duration(c.Waited) + ")"
	}
	r.state = l.take(ev.Host, ev.Cause)
	l.bulkCall(r, "return", c.Result)
}

// outcome is how a call ended: " = 4  10.0.0.1:49152".
func outcome(c *trace.Call) string {
	if c.Errno != "" {
		s := " = -1 " + c.Errno
		if c.Error != "" {
			s += " (" + c.Error + ")"
		}
		return s
	}
	s := " = " + c.Result
	if c.Peer != "" {
		s += "  " + c.Peer
	}
	return s
}

// prefix says whose call a row is, where the header does not.
func (l *Ladder) prefix(r *row) string {
	switch {
	case r.call == nil || r.who.Proc == "":
		return ""
	case r.lane != noLane:
		return l.lanes[r.lane].prefix(r.who)
	}
	return r.who.Proc + ": "
}

// transfers are the calls that a bulk transfer repeats.
var transfers = map[string]bool{
	"send": true, "sendto": true, "write": true, "sendmsg": true,
	"recv": true, "recvfrom": true, "read": true, "recvmsg": true, "poll": true,
}

// bulkCall lets a transferring call that succeeds be summed up with its like.
func (l *Ladder) bulkCall(r *row, phase, result string) {
	if n, err := strconv.Atoi(result); err != nil || n <= 0 || r.state != "" || !transfers[r.call.Name] {
		return
	}
	r.bulk = &bulk{call: r.call.Name, begins: phase != "return", key: callKey{r.lane, actorOf(r.who), r.call.Name, phase}}
}
