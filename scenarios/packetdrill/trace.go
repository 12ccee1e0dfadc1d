package packetdrill

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// TracePacket is a packet of a run.
type TracePacket struct {
	At      time.Duration
	Inbound bool   // of the script, to the host
	Text    string // as a script writes it
	Line    int    // of the script, if it is inbound

	conn int // in the order of their appearance
	seg  segment
	tcp  *TCP
}

// traced is what a TracePacket is made of when all numbers are known.
type traced struct {
	observed
	cut  int // see Sent.Segment
	line int
	from *Packet
}

// traced writes the packets down.
func (r *runner) traced() (out []TracePacket) {
	numbers := make(map[*conn]int)
	number := func(c *conn) int {
		if _, ok := numbers[c]; !ok {
			numbers[c] = len(numbers)
		}
		return numbers[c]
	}
	for i := range r.trace {
		t := &r.trace[i]
		if t.from != nil {
			out = append(out, TracePacket{At: t.at, Inbound: true, Text: describe(t.from), Line: t.line, conn: number(t.c)})
			continue
		}
		for _, s := range t.segments() {
			p := TracePacket{At: t.at, conn: number(t.c), seg: s}
			p.tcp, p.Text = t.write(s)
			out = append(out, p)
		}
	}
	return out
}

// segments are the packet as it is on the wire: PSH and FIN are the last
// one's, CWR the first one's.
func (t *traced) segments() []segment {
	if t.cut <= 0 || len(t.payload) <= t.cut {
		return []segment{t.segment}
	}
	var out []segment
	for at := 0; at < len(t.payload); at += t.cut {
		s := t.segment
		s.seq += uint32(at)
		s.payload = t.payload[at:min(at+t.cut, len(t.payload))]
		if at+t.cut < len(t.payload) {
			s.flags &^= flagPSH | flagFIN
		}
		if at > 0 {
			s.flags &^= flagCWR
		}
		out = append(out, s)
	}
	return out
}

// write is a packet of the host as a script would write it.
func (t *traced) write(s segment) (*TCP, string) {
	switch s.proto {
	case protoUDP:
		return nil, fmt.Sprintf("udp (%d)", len(s.payload))
	case protoTCP:
	default:
		return nil, fmt.Sprintf("icmp %d %d", s.icmpType, s.code)
	}
	o := t.observed
	o.segment = s
	c := t.c
	if c == nil {
		c = &conn{}
	}
	tcp := c.script(&o)
	text := tcp.String()
	if s.tos&3 != 0 {
		text = fmt.Sprintf("[%s] %s", ecnNames[s.tos&3], text)
	}
	return tcp, text
}

var ecnNames = map[byte]string{0: "noecn", 1: "ect1", 2: "ect0", 3: "ce"}

// Difference is the first packet in which two traces of one script differ.
type Difference struct {
	Packet int // its place, from 0
	// Fields say in what: "payload: 1000 against 964".
	Fields []string
}

// Compare finds the first packet in which two traces of one script differ: who
// sends it, its fields, and its time since the packet before, which may be off
// by the larger of a tolerance and an eighth of it. Not compared are windows and
// their scale, unless one is closed, and the values of timestamps: each stack
// has its own; and not PSH, if "psh" is among the [Allowances] that are given.
// It returns nil if there is none.
func Compare(a, b []TracePacket, tolerance time.Duration, allow ...string) *Difference {
	psh := !slices.Contains(allow, "psh")
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return &Difference{Packet: i, Fields: []string{"no packet against " + b[i].Text}}
		case i >= len(b):
			return &Difference{Packet: i, Fields: []string{a[i].Text + " against no packet"}}
		}
		var before [2]time.Duration
		if i > 0 {
			before = [2]time.Duration{a[i-1].At, b[i-1].At}
		}
		if fields := a[i].differs(&b[i], psh); len(fields) > 0 {
			return &Difference{Packet: i, Fields: fields}
		}
		gap, other := a[i].At-before[0], b[i].At-before[1]
		if off := (gap - other).Abs(); off > max(tolerance, gap/8, other/8) {
			return &Difference{Packet: i, Fields: []string{fmt.Sprintf("time: %s s against %s s after the packet before", formatMillis(gap), formatMillis(other))}}
		}
	}
	return nil
}

func formatMillis(d time.Duration) string { return formatSeconds(d.Round(time.Microsecond * 100)) }

// differs lists the fields that differ. psh says that PSH is one.
func (p *TracePacket) differs(q *TracePacket, psh bool) (fields []string) {
	diff := func(name string, x, y any) {
		if x != y {
			fields = append(fields, fmt.Sprintf("%s: %v against %v", name, x, y))
		}
	}
	direction := map[bool]string{true: "the script", false: "the host"}
	diff("sender", direction[p.Inbound], direction[q.Inbound])
	if len(fields) > 0 {
		return fields
	}
	diff("connection", p.conn, q.conn)
	if p.Inbound || p.tcp == nil || q.tcp == nil {
		diff("packet", p.Text, q.Text)
		return fields
	}
	if f, g := p.seg.flags, q.seg.flags; psh || (f^g)&^flagPSH != 0 {
		diff("flags", flagText(f), flagText(g))
	}
	diff("seq", p.tcp.Start, q.tcp.Start)
	diff("payload", p.tcp.Len, q.tcp.Len)
	if p.tcp.Ack != nil && q.tcp.Ack != nil {
		diff("ack", *p.tcp.Ack, *q.tcp.Ack)
	}
	if (p.seg.win == 0) != (q.seg.win == 0) {
		diff("win", p.seg.win, q.seg.win)
	}
	diff("options", presence(p.tcp.Opts), presence(q.tcp.Opts))
	diff("ecn", ecnNames[p.seg.tos&3], ecnNames[q.seg.tos&3])
	return fields
}

// presence writes options, of timestamps and window scales that they are there.
func presence(opts []TCPOpt) string {
	var parts []string
	for _, o := range opts {
		if o.Name == "TS" || o.Name == "wscale" {
			parts = append(parts, o.Name)
			continue
		}
		parts = append(parts, o.String())
	}
	return "<" + strings.Join(parts, ",") + ">"
}
