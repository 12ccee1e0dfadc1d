package table

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fivetuple/trace"
)

// ViewOptions says what View prints. The names are those of ss(8)'s options.
type ViewOptions struct {
	Header                                    bool
	Netid, State                              bool // the columns, which ss leaves out where they would say the same in each line
	OneLine                                   bool
	Processes, Timers, Extended, Memory, Info bool
	// Host and Service name what they can; nil, or "", is a number.
	Host    func(netip.Addr) string
	Service func(uint16) string
}

// View prints sockets byte for byte as ss(8) of iproute2 6.1 does when it does
// not write to a terminal, but for blanks at the ends of lines.
func View(w io.Writer, socks []trace.Socket, opt ViewOptions) error {
	g := opt.grid(false)
	for i := range socks {
		g.add(opt.cells("", &socks[i]))
	}
	return g.writeTo(w)
}

// grid is an empty table, with a column for the host if that is asked for.
func (o *ViewOptions) grid(hosts bool) grid {
	g := grid{{head: "Host", hidden: !hosts}, {head: "Netid", gap: " ", hidden: !o.Netid}, {head: "State", hidden: !o.State, gap: " "},
		{head: "Recv-Q", gap: " ", least: 6}, {head: "Send-Q", gap: " ", least: 6}, {head: "Local Address:", gap: " ", right: true},
		{head: "Port"}, {head: "Peer Address:", gap: " ", right: true}, {head: "Port"}, {head: "Process"}}
	if o.Header {
		for i := range g {
			g[i].cells = append(g[i].cells, g[i].head)
		}
	}
	return g
}

// cells is the row of a socket.
func (o *ViewOptions) cells(host string, k *trace.Socket) []string {
	la, lp := o.end(k, k.Local)
	ra, rp := o.end(k, k.Remote)
	below := o.below(k)
	if sep := "\n\t"; below != "" || o.Memory || o.Info {
		if o.OneLine {
			sep = ""
		}
		below = sep + below
	}
	return []string{host, netidOf(k), k.State.SS(), strconv.Itoa(k.RecvQ), strconv.Itoa(k.SendQ), la, lp, ra, rp, o.beside(k) + below}
}

// grid is ss's table: columns, each with what stands before it.
type grid []struct {
	head   string
	gap    string
	least  int // width
	right  bool
	hidden bool
	cells  []string
}

func (g grid) add(cells []string) {
	for n, cell := range cells {
		g[n].cells = append(g[n].cells, cell)
	}
}

func (g grid) writeTo(w io.Writer) error {
	var lines []strings.Builder
	for i := range g {
		c := &g[i]
		if c.hidden {
			continue
		}
		width := c.least
		for _, cell := range c.cells {
			width = max(width, utf8.RuneCountInString(cell))
		}
		lines = append(lines, make([]strings.Builder, len(c.cells)-len(lines))...)
		for n, cell := range c.cells {
			fill := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
			if c.right {
				cell, fill = fill+cell, ""
			}
			if lines[n].Len() > 0 {
				cell = c.gap + cell
			}
			lines[n].WriteString(cell + fill)
		}
	}
	var out strings.Builder
	for i := range lines {
		for line := range strings.SplitSeq(lines[i].String(), "\n") {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func netidOf(k *trace.Socket) string {
	if k.Proto == "raw" {
		return "raw"
	}
	return netid(k)
}

// end is an address with its colon, and its port. An AF_INET6 socket has IPv4
// addresses in their mapped form.
func (o *ViewOptions) end(k *trace.Socket, a netip.AddrPort) (addr, port string) {
	addr, port = split(a, k)
	if ip := a.Addr(); k.V6 && ip.Is4() && !ip.IsUnspecified() {
		addr = "[::ffff:" + ip.String() + "]:"
	}
	if o.Host != nil && a.Addr().IsValid() {
		if name := o.Host(a.Addr()); name != "" {
			addr = name + ":"
		}
	}
	if o.Service != nil && a.Port() != 0 {
		if name := o.Service(a.Port()); name != "" {
			port = name
		}
	}
	return addr, port
}

// beside is what follows the addresses on the same line, each with a blank before it.
func (o *ViewOptions) beside(k *trace.Socket) string {
	var parts []string
	if o.Processes && len(k.Holders) > 0 {
		parts = append(parts, users(k.Holders))
	}
	if t := k.Timer; o.Timers && t.Kind != "" {
		parts = append(parts, fmt.Sprintf("timer:(%s,%s,%d)", t.Kind, timerText(t.Left), t.Retrans))
	}
	if o.Extended {
		parts = append(parts, extended(k)...)
	}
	return spaced(parts)
}

// extended is what ss -e shows of what exists here.
func extended(k *trace.Socket) (parts []string) {
	if k.V6 && (k.State == trace.Listen || k.Proto != "tcp" && !k.Remote.IsValid()) {
		only := 0
		if k.V6Only {
			only = 1
		}
		parts = append(parts, fmt.Sprintf("v6only:%d", only))
	}
	if k.Proto != "tcp" || k.State == trace.TimeWait || k.State == trace.SynReceived {
		return parts
	}
	arrows := []byte("<->")
	if k.RcvShut {
		arrows[0] = '-'
	}
	if k.SndShut {
		arrows[2] = '-'
	}
	return append(parts, string(arrows))
}

// below is what ss puts on a second line.
func (o *ViewOptions) below(k *trace.Socket) string {
	var parts []string
	if m := k.Mem; o.Memory && k.State != trace.TimeWait {
		parts = append(parts, fmt.Sprintf("skmem:(r%d,rb%d,tb%d,w%d)", m.RcvAlloc, m.RcvBuf, m.SndBuf, m.Queued))
	}
	switch {
	case !o.Info || k.Proto != "tcp" || k.State == trace.TimeWait:
	case k.Info.Cwnd > 0:
		parts = append(parts, infoLine(&k.Info, k.Congestion))
	case k.Congestion != "":
		parts = append(parts, k.Congestion)
	}
	return spaced(parts)
}

func spaced(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, " ")
}

// timerText writes a time as ss does: 200ms, 1.500ms for a second and a half,
// 59sec, 1min59sec, 119min.
func timerText(d time.Duration) string {
	ms := d.Round(time.Millisecond).Milliseconds()
	mins, secs, ms := ms/60000, ms/1000%60, ms%1000
	text := ""
	if mins > 0 {
		ms = 0
		if text = fmt.Sprintf("%dmin", mins); mins > 9 {
			secs = 0
		}
	}
	if secs > 0 {
		if secs > 9 {
			ms = 0
		}
		if text += strconv.FormatInt(secs, 10); ms > 0 {
			text += "."
		} else {
			text += "sec"
		}
	}
	if ms > 0 || text == "" {
		text += fmt.Sprintf("%03dms", ms)
	}
	return text
}

// Summary counts sockets as ss -s does. Total are all that exist; closed TCP
// sockets are those without a connection that do not listen.
func Summary(w io.Writer, all []trace.Socket) error {
	type row struct{ total, v4 int }
	var raw, udp, tcp row
	var estab, closed, orphaned, timewait int
	for i := range all {
		k := &all[i]
		r := &tcp
		switch {
		case k.Proto == "udp":
			if r = &udp; k.Local.Port() == 0 {
				continue
			}
		case k.Proto != "tcp":
			r = &raw
		case k.State == trace.TimeWait:
			timewait++
			continue
		case k.State == trace.Closed:
			closed++
			continue
		case k.State == trace.Established:
			estab++
		}
		if k.Proto == "tcp" && k.Orphan {
			orphaned++
		}
		if r.total++; !k.V6 {
			r.v4++
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Total: %d\n", len(all)-timewait)
	fmt.Fprintf(&out, "TCP:   %d (estab %d, closed %d, orphaned %d, timewait %d)\n\n", tcp.total+closed+timewait, estab, closed, orphaned, timewait)
	fmt.Fprintf(&out, "Transport Total     IP        IPv6\n")
	for _, line := range []struct {
		name string
		row
	}{{"RAW", raw}, {"UDP", udp}, {"TCP", tcp}, {"INET", row{raw.total + udp.total + tcp.total, raw.v4 + udp.v4 + tcp.v4}}, {"FRAG", row{}}} {
		fmt.Fprintf(&out, "%s\t  %-9d %-9d %d\n", line.name, line.total, line.v4, line.total-line.v4)
	}
	_, err := io.WriteString(w, out.String()+"\n")
	return err
}
