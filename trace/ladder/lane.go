package ladder

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fivetuple/trace"
)

// noLane stands for a host without a lane.
const noLane = -1

// lane is a host's place in the ladder, and who has been seen on it.
type lane struct {
	Host
	actors []actor
	named  string // the process that the header names
}

// actor is one thread of a process.
type actor struct {
	proc        string
	pid, thread int
}

func actorOf(o trace.Origin) actor { return actor{o.Proc, o.PID, o.Thread} }

type laneList []*lane

func (ls *laneList) add(host string) {
	if host != "" && ls.find(host) == noLane {
		*ls = append(*ls, &lane{Host: Host{Name: host}})
	}
}

func (ls laneList) find(host string) int {
	return slices.IndexFunc(ls, func(l *lane) bool { return l.Name == host })
}

// findEither finds a host by its name, or else by its address.
func (ls laneList) findEither(host string, a netip.Addr) int {
	if i := ls.find(host); i != noLane {
		return i
	}
	return slices.IndexFunc(ls, func(l *lane) bool { return slices.Contains(l.Addrs, a) })
}

// note remembers the thread that o names.
func (l *lane) note(o trace.Origin) {
	a := actorOf(o)
	if o.Proc != "" && !slices.Contains(l.actors, a) {
		l.actors = append(l.actors, a)
	}
}

// prefix is what a call of o begins with: nothing if it can only be the
// process in the header, else "curl: ", "httpd/1: " or "httpd[2]: ".
func (l *lane) prefix(o trace.Origin) string {
	if o.Proc == "" || len(l.actors) <= 1 && o.Proc == l.named {
		return ""
	}
	name := o.Proc
	if slices.ContainsFunc(l.actors, func(a actor) bool { return a.proc == o.Proc && a.pid != o.PID }) {
		name = fmt.Sprintf("%s[%d]", name, o.PID)
	}
	if o.Thread > 0 {
		name = fmt.Sprintf("%s/%d", name, o.Thread)
	}
	return name + ": "
}

// title is the lane's heading in n columns: "curl · client", or the host alone
// if it runs several processes or there is no room.
func (l *lane) title(n int) string {
	l.named = ""
	for i, a := range l.actors {
		if i > 0 && (a.proc != l.actors[0].proc || a.pid != l.actors[0].pid) {
			return cut(l.Name, n)
		}
	}
	if len(l.actors) > 0 {
		if s := l.actors[0].proc + " · " + l.Name; width(s) <= n {
			l.named = l.actors[0].proc
			return s
		}
	}
	return cut(l.Name, n)
}

// addresses lists as many addresses as fit.
func (l *lane) addresses(width int) string {
	var b strings.Builder
	for i, a := range l.Addrs {
		s := a.String()
		if i > 0 {
			s = " " + s
		}
		if i > 0 && b.Len()+len(s)+2 > width {
			b.WriteString(" …")
			break
		}
		b.WriteString(s)
	}
	return b.String()
}
