package ladder

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fivetuple/trace"
)

// segment is a decoded packet with what only the whole connection tells.
type segment struct {
	*trace.Summary
	win uint32 // in bytes; shown if showWin
	// showWin is set when the window closes, and when it opens again.
	showWin bool
	brief   bool // without options: they were shown before, or there is no room
}

// side is the sending side of a connection.
type side struct{ from, to netip.AddrPort }

// sideMemory is what one side has said so far.
type sideMemory struct {
	scale  int  // of the window, as offered in the SYN; -1 if not offered
	closed bool // its window
}

// flowMemory remembers both sides of every TCP connection.
type flowMemory struct {
	sides trace.Recent[side, sideMemory]
}

// note takes in a segment that has just been sent, and describes it.
func (f *flowMemory) note(s *trace.Summary) segment {
	if s.Proto != "tcp" {
		return segment{Summary: s}
	}
	me := f.sides.Get(side{s.Src, s.Dst})
	if me == nil {
		me = &sideMemory{scale: -1}
		f.sides.Put(side{s.Src, s.Dst}, me)
	}
	isSYN := strings.Contains(s.Flags, "S")
	if isSYN {
		*me = sideMemory{scale: windowScale(s.Opts)}
	}
	seg := f.look(s)
	if !isSYN && !strings.Contains(s.Flags, "R") {
		seg.showWin = s.Win == 0 || me.closed
		me.closed = s.Win == 0
	}
	return seg
}

// look describes a segment that was noted before.
func (f *flowMemory) look(s *trace.Summary) segment {
	seg := segment{Summary: s, win: s.Win}
	me, peer := f.sides.Get(side{s.Src, s.Dst}), f.sides.Get(side{s.Dst, s.Src})
	if me != nil && peer != nil && me.scale >= 0 && peer.scale >= 0 && !strings.Contains(s.Flags, "S") {
		seg.win = s.Win << min(me.scale, 14) // both must have offered it: RFC 7323, 2.2
	}
	return seg
}

// windowScale is the number after "ws" in a SYN's options, -1 without it.
func windowScale(opts string) int {
	f := strings.Fields(opts)
	for i := range f[:max(0, len(f)-1)] {
		if f[i] == "ws" {
			if n, err := strconv.Atoi(f[i+1]); err == nil {
				return n
			}
		}
	}
	return -1
}

// parts are the words on an arrow, most important first.
func (s segment) parts() []string {
	switch s.Proto {
	case "tcp":
		return s.tcpParts()
	case "udp":
		return append([]string{"udp len " + strconv.Itoa(s.Len)}, nonEmpty(s.Text)...)
	case "icmp", "icmpv6", "arp":
		return []string{s.Proto + " " + s.Text}
	}
	return append([]string{s.Proto}, append(nonEmpty(s.Text), "len "+strconv.Itoa(s.Len))...)
}

func (s segment) tcpParts() []string {
	p := []string{fmt.Sprintf("%-2s", s.Flags)}
	if s.Len > 0 || strings.ContainsAny(s.Flags, "SFR") || s.Flags == "-" {
		p = append(p, fmt.Sprintf("seq %d", s.Seq))
	}
	if s.HasAck {
		p = append(p, fmt.Sprintf("ack %d", s.Ack))
	}
	if s.Len > 0 {
		p = append(p, fmt.Sprintf("len %d", s.Len))
	}
	if len(s.SACK) > 0 {
		var b strings.Builder
		b.WriteString("sack")
		for _, k := range s.SACK {
			fmt.Fprintf(&b, " %d-%d", k[0], k[1])
		}
		p = append(p, b.String())
	}
	if s.showWin {
		p = append(p, fmt.Sprintf("win %d", s.win))
	}
	if strings.Contains(s.Flags, "S") && !s.brief {
		p = append(p, nonEmpty(withoutTimestamps(s.Opts))...)
	}
	return append(p, nonEmpty(s.Text)...)
}

// withoutTimestamps leaves "TS val 1 ecr 0" out of a list of options: it says
// nothing that the time column does not.
func withoutTimestamps(opts string) string {
	f := strings.Fields(opts)
	for i := 0; i+4 < len(f); i++ {
		if f[i] == "TS" {
			f = append(f[:i], f[i+5:]...)
			break
		}
	}
	return strings.Join(f, " ")
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// port is a packet's port at one end, empty if its protocol has none.
func (s segment) port(a netip.AddrPort) string {
	if s.Proto != "tcp" && s.Proto != "udp" {
		return ""
	}
	return strconv.Itoa(int(a.Port()))
}

// ports is "49152→80 ", empty without ports.
func (s segment) ports() string {
	if s.Proto != "tcp" && s.Proto != "udp" {
		return ""
	}
	return s.port(s.Src) + "→" + s.port(s.Dst) + "  "
}
