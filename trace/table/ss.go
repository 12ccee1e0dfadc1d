package table

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fivetuple/trace"
)

// SSOptions says what SS prints, in the words of ss(8)'s options.
type SSOptions struct {
	Header    bool // the line of headings; ss -H leaves it out
	Processes bool // -p: users:(("httpd",pid=1,fd=3))
	Extended  bool // -i: a line with the sender's variables below a connection
}

// SS prints sockets in the columns and with the words of ss(8).
func SS(w io.Writer, socks []trace.Socket, opt SSOptions) error {
	c := columns{gap: 1, right: map[int]bool{4: true, 6: true}, below: make(map[int][]string)}
	if opt.Header {
		row := []string{"Netid", "State", "Recv-Q", "Send-Q", "Local Address:", "Port", "Peer Address:", "Port"}
		if opt.Processes {
			row = append(row, "Process")
		}
		c.add(row...)
	}
	for i := range socks {
		k := &socks[i]
		la, lp := split(k.Local, k)
		ra, rp := split(k.Remote, k)
		row := []string{netid(k), k.State.SS(), strconv.Itoa(k.RecvQ), strconv.Itoa(k.SendQ), la, lp, ra, rp}
		if opt.Processes {
			row = append(row, users(k.Holders))
		}
		c.add(row...)
		if opt.Extended && k.Info.Cwnd > 0 {
			n := len(c.rows) - 1
			c.below[n] = append(c.below[n], "\t "+infoLine(&k.Info, ""))
		}
	}
	return c.joined().writeTo(w)
}

// joined glues addresses to their ports, so that the colons line up as in ss.
func (c *columns) joined() *columns {
	widths := c.widths()
	out := &columns{gap: c.gap, below: c.below}
	for _, row := range c.rows {
		var cells []string
		for i := 0; i < len(row); i++ {
			if !c.right[i] {
				cells = append(cells, row[i])
				continue
			}
			cells = append(cells, fmt.Sprintf("%*s%-*s", widths[i], row[i], widths[i+1], row[i+1]))
			i++
		}
		out.add(cells...)
	}
	return out
}

// netid is the socket's kind as ss names it.
func netid(k *trace.Socket) string {
	switch k.Proto {
	case "icmpv6":
		return "icmp6"
	case "raw":
		return "???"
	}
	return k.Proto
}

// split is an address with its colon, and its port, in ss's spelling.
func split(a netip.AddrPort, k *trace.Socket) (addr, port string) {
	port = "*"
	if a.Port() != 0 {
		port = strconv.Itoa(int(a.Port()))
	}
	switch ip := a.Addr(); {
	case ip.IsValid() && !ip.IsUnspecified():
		addr = ip.String()
		if ip.Is6() {
			addr = "[" + addr + "]"
		}
	case !k.V6:
		addr = "0.0.0.0"
	case k.V6Only || k.Local.Addr().Is6() && !k.Local.Addr().IsUnspecified():
		addr = "[::]"
	default:
		addr = "*" // an AF_INET6 socket that takes IPv4 too
	}
	return addr + ":", port
}

// users lists the descriptors of a socket as ss -p does.
func users(holders []trace.Origin) string {
	if len(holders) == 0 {
		return ""
	}
	var parts []string
	for _, h := range holders {
		parts = append(parts, fmt.Sprintf("(%q,pid=%d,fd=%d)", h.Proc, h.PID, h.FD))
	}
	return "users:(" + strings.Join(parts, ",") + ")"
}

// unlimited is the slow start threshold that was never lowered.
const unlimited = math.MaxInt32

// infoLine is the second line of ss -i, as far as the trace knows its fields.
// cc names the congestion control; "" leaves it out.
func infoLine(t *trace.TCPInfo, cc string) string {
	var parts []string
	add := func(show bool, format string, args ...any) {
		if show {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(t.Timestamps, "ts")
	add(t.SACK, "sack")
	add(cc != "", "%s", cc)
	add(t.SndWScale > 0 || t.RcvWScale > 0, "wscale:%d,%d", t.SndWScale, t.RcvWScale)
	add(t.RTO > 0, "rto:%s", millis(t.RTO))
	add(t.SRTT > 0, "rtt:%s/%s", millis(t.SRTT), millis(t.RTTVar))
	add(t.MSS > 0, "mss:%d", t.MSS)
	add(true, "cwnd:%d", t.Cwnd)
	add(t.Ssthresh > 0 && t.Ssthresh < unlimited, "ssthresh:%d", t.Ssthresh)
	add(t.Unacked > 0, "unacked:%d", t.Unacked)
	add(t.Sacked > 0, "sacked:%d", t.Sacked)
	add(t.MinRTT > 0, "minrtt:%s", millis(t.MinRTT))
	add(t.SndWnd > 0, "snd_wnd:%d", t.SndWnd)
	add(t.RcvWnd > 0, "rcv_wnd:%d", t.RcvWnd)
	return strings.Join(parts, " ")
}

// millis is a time in ms without its unit, as ss prints them.
func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Round(time.Microsecond))/float64(time.Millisecond), 'g', -1, 64)
}
