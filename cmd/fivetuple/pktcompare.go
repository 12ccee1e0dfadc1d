package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"fivetuple/scenarios/packetdrill"
)

// pktComparison is a script's results on both targets, a line of
// `fivetuple pkt --compare --json`.
type pktComparison struct {
	Script     string         `json:"script"`
	Agree      bool           `json:"agree"`
	Netstack   *pktResult     `json:"netstack"`
	Linux      *pktResult     `json:"linux"`
	Difference *pktDifference `json:"first_difference,omitempty"`
	Packets    []pktPair      `json:"packets,omitempty"`
}

// pktDifference is the first packet in which the traces differ.
type pktDifference struct {
	Packet int      `json:"packet"` // from 1
	Fields []string `json:"fields"`
}

// pktPair is a row of two traces: the packets of one place.
type pktPair struct {
	Netstack *pktPacket `json:"netstack,omitempty"`
	Linux    *pktPacket `json:"linux,omitempty"`
}

type pktPacket struct {
	Time      float64 `json:"time"` // seconds since the script's beginning
	Direction string  `json:"direction"`
	Text      string  `json:"text"`
}

// compareAll runs each script on both targets, and says what differs. It fails
// if a verdict does.
func (o *pktOptions) compareAll(ctx context.Context, out io.Writer, scripts []pktScript, defines map[string]string) error {
	net, lin := *o, *o
	net.target, lin.target = onNetstack, onLinux
	o.target = onLinux
	jobs := o.schedule(len(scripts))
	ours := net.runJobs(ctx, scripts, defines, jobs, nil)
	var both, onlyOurs, onlyTheirs, neither, differ int
	agree := true
	lin.runJobs(ctx, scripts, defines, jobs, func(i int, theirs *pktResult) {
		c := o.compare(ours[i], theirs)
		agree = agree && c.Agree
		ourPass, theirPass := ours[i].problem == nil, theirs.problem == nil
		switch {
		case ourPass && theirPass:
			both++
		case ourPass:
			onlyOurs++
		case theirPass:
			onlyTheirs++
		default:
			neither++
		}
		if c.Difference != nil {
			differ++
		}
		c.print(out, o.asJSON, o.verbose || len(scripts) == 1)
	})
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !o.asJSON {
		fmt.Fprintf(out, "compare: %d scripts, %d pass on both, %d on netstack alone, %d on Linux alone, %d on neither; the packets of %d differ\n",
			len(scripts), both, onlyOurs, onlyTheirs, neither, differ)
	}
	if !agree {
		return errSilent
	}
	return nil
}

// compare puts two results together. Packets are compared if there were any on
// both.
func (o *pktOptions) compare(ours, theirs *pktResult) *pktComparison {
	c := &pktComparison{Script: ours.Script, Netstack: ours, Linux: theirs, Agree: ours.Verdict == theirs.Verdict}
	a, b := ours.trace, theirs.trace
	rows := 0
	if len(a) > 0 && len(b) > 0 {
		tolerance := o.settings.Tolerance
		if tolerance == 0 {
			tolerance = packetdrill.DefaultTolerance
		}
		rows = max(len(a), len(b))
		// What comes after the last packet that a script looks at is no part of it.
		ended := ours.problem == nil && theirs.problem == nil
		if d := packetdrill.Compare(a, b, tolerance, o.settings.Allow...); d != nil && (d.Packet < min(len(a), len(b)) || !ended) {
			c.Difference = &pktDifference{Packet: d.Packet + 1, Fields: d.Fields}
			rows = d.Packet + 1
		}
	}
	at := func(trace []packetdrill.TracePacket, i int) *pktPacket {
		if i >= len(trace) {
			return nil
		}
		p := &pktPacket{Time: trace[i].At.Seconds(), Direction: ">", Text: trace[i].Text}
		if trace[i].Inbound {
			p.Direction = "<"
		}
		return p
	}
	for i := range rows {
		c.Packets = append(c.Packets, pktPair{at(a, i), at(b, i)})
	}
	return c
}

// print writes a comparison: a line, and the packets if they are asked for.
func (c *pktComparison) print(out io.Writer, asJSON, packets bool) {
	if asJSON {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // packets begin with < and >
		if err := e.Encode(c); err != nil {
			panic(err) // strings and numbers
		}
		fmt.Fprint(out, b.String())
		return
	}
	mark := " "
	if !c.Agree {
		mark = "≠"
	}
	fmt.Fprintf(out, "%s netstack %-15s linux %-15s %s%s\n", mark, c.Netstack.verdictAt(), c.Linux.verdictAt(), c.Script, c.summary())
	if !packets {
		return
	}
	c.table(out)
	for _, r := range []struct {
		name string
		*pktResult
	}{{"netstack", c.Netstack}, {"linux", c.Linux}} {
		if r.problem != nil {
			fmt.Fprintf(out, "  %-8s %s %s\n", r.name, r.Verdict, strings.ReplaceAll(r.problem.Error(), "\n", "\n  "))
		}
	}
}

// verdictAt is a verdict with its line.
func (r *pktResult) verdictAt() string {
	if r.problem == nil {
		return r.Verdict
	}
	return fmt.Sprintf("%s:%d", r.Verdict, r.Line)
}

func (c *pktComparison) summary() string {
	if c.Difference == nil {
		return ""
	}
	return fmt.Sprintf("  packet %d: %s", c.Difference.Packet, strings.Join(c.Difference.Fields, "; "))
}

// table writes the two traces side by side, up to the first packet that
// differs, which is marked.
func (c *pktComparison) table(out io.Writer) {
	if len(c.Packets) == 0 {
		return
	}
	left := len("netstack")
	for _, p := range c.Packets {
		left = max(left, utf8.RuneCountInString(p.Netstack.String()))
	}
	fmt.Fprintf(out, "    %-*s  %s\n", left, "netstack", "linux")
	for i, p := range c.Packets {
		mark := " "
		if c.Difference != nil && i+1 == c.Difference.Packet {
			mark = "≠"
		}
		fmt.Fprintf(out, "  %s %-*s  %s\n", mark, left, p.Netstack, p.Linux)
	}
	if c.Difference != nil {
		fmt.Fprintf(out, "  ≠ %s (netstack against Linux)\n", strings.Join(c.Difference.Fields, "; "))
	}
}

// String is a packet as in a script, with its time in seconds.
func (p *pktPacket) String() string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%8.4f %s %s", p.Time, p.Direction, p.Text)
}
