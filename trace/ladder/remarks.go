package ladder

import (
	"fmt"

	"fivetuple/trace"
)

// remark handles what is neither call, packet nor state.
func (l *Ladder) remark(ev *trace.Event) {
	switch b := ev.Body.(type) {
	case *trace.Process:
		l.process(ev, b)
	case *trace.Mark:
		l.wide("── mark: " + oneLine(b.Text) + " ──")
	case *trace.Warning:
		l.sum.Warnings++
		l.wide("warning: " + who(ev) + oneLine(b.Text))
	case *trace.LinkChange:
		now := b.Now
		if now == "" {
			now = "no impairments"
		}
		name := "link " + b.Link
		if b.Direction != "" {
			name += ", " + b.Direction
		}
		l.wide("── " + name + ": " + now + " ──")
	case *trace.Expect:
		l.expect(b)
	}
}

func (l *Ladder) wide(text string) { l.add(&row{lane: noLane, text: text, wide: true, ready: true}) }

// process shows a fork, on the line of its call, and a process that failed.
// Starts and ordinary exits can be seen from the calls.
func (l *Ladder) process(ev *trace.Event, p *trace.Process) {
	switch {
	case p.What == "fork":
		child := fmt.Sprintf("%s[%d]", p.Name, ev.PID)
		for _, r := range l.queue {
			if r.call != nil && r.enterID == ev.Cause && !r.ready {
				r.text = "  child " + child
				return
			}
		}
		l.add(&row{lane: l.lanes.find(ev.Host), text: fmt.Sprintf("%s forks %s", p.Parent, child), ready: true})
	case p.What == "signal":
		l.add(&row{lane: l.lanes.find(ev.Host), text: fmt.Sprintf("%s is sent %s", p.Name, p.Signal), ready: true})
	case p.What == "exec":
		l.add(&row{lane: l.lanes.find(ev.Host), text: fmt.Sprintf("%s becomes %s", p.Parent, p.Name), ready: true})
	case p.What == "exit" && p.Error != "":
		l.add(&row{lane: l.lanes.find(ev.Host), text: fmt.Sprintf("✗ %s failed: %s", p.Name, p.Error), ready: true})
	}
}

func (l *Ladder) expect(e *trace.Expect) {
	if e.OK {
		l.sum.Met++
		return
	}
	l.sum.Failed++
	text := "✗ expected " + e.Claim
	if e.Got != "" {
		text += ", got " + e.Got
	}
	if e.Where != "" {
		text += "  (" + e.Where + ")"
	}
	l.wide(text)
}

// who names the host and process of an event: "client curl: ".
func who(ev *trace.Event) string {
	switch {
	case ev.Host == "":
		return ""
	case ev.Proc == "":
		return ev.Host + ": "
	}
	return ev.Host + " " + ev.Proc + ": "
}
