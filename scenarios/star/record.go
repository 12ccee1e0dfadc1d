package star

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/trace"
)

// recorder is the sink that expectations look at: every packet that was sent
// and every state that changed, without their bytes.
type recorder struct {
	world   *sim.World
	forget  bool // nobody will ask: the latest events are enough
	packets []packet
	states  []stateChange
	last    [keepLast]note // the latest events, for failures, in a ring
	noted   int            // how many there were
}

// note is an event as a failure shows it: its text, or else a packet, which most
// are, and of which few are ever shown.
type note struct {
	at     time.Duration
	text   string
	packet packet
}

type packet struct {
	at       time.Duration
	from, to string // hosts
	ttl      int
	link     string
	dropped  bool
	again    bool // passed on by a router or a switch
	re       bool
	reason   string
	sum      trace.Summary
}

type stateChange struct {
	host string
	trace.State
}

// keepLast is how many events a failure shows.
const keepLast = 8

// Event implements [trace.Sink].
func (r *recorder) Event(e *trace.Event) error {
	switch b := e.Body.(type) {
	case *trace.Packet:
		if b.What == trace.Dropped || b.What == trace.Sent {
			p := packet{at: e.At, from: e.Host, to: r.hostOf(b), ttl: hopLimit(b.Data, b.Ethernet), link: b.Link,
				dropped: b.What == trace.Dropped, again: b.What == trace.Sent && b.Forwarded, re: b.Retransmit, reason: b.Reason, sum: b.Summary}
			if !r.forget {
				r.packets = append(r.packets, p)
			}
			if !p.again {
				r.note(note{at: e.At, packet: p})
			}
		}
	case *trace.State:
		if !r.forget {
			r.states = append(r.states, stateChange{e.Host, *b})
		}
		r.say(e, fmt.Sprintf("%s %s: %s → %s", e.Host, b.Local, b.From, b.To))
	case *trace.Call:
		if b.What == trace.Return {
			result := b.Result
			if b.Errno != "" {
				result = "-1 " + b.Errno
			}
			r.say(e, fmt.Sprintf("%s on %s: %s(%s) = %s", e.Proc, e.Host, b.Name, b.Args, result))
		}
	case *trace.Warning:
		r.say(e, "warning: "+b.Text)
	}
	return nil
}

// hostOf names the host that a packet is for: behind a router or a switch that
// is not the other end of the link.
func (r *recorder) hostOf(p *trace.Packet) string {
	for _, h := range r.world.Hosts() {
		for _, a := range h.Addrs() {
			if a.Addr() == p.Summary.Dst.Addr() {
				return h.Name()
			}
		}
	}
	return p.Peer
}

// Close implements [trace.Sink].
func (r *recorder) Close() error { return nil }

func (r *recorder) note(n note) {
	r.last[r.noted%keepLast] = n
	r.noted++
}

func (r *recorder) say(e *trace.Event, text string) { r.note(note{at: e.At, text: text}) }

// lines are the latest events, the oldest first.
func (r *recorder) lines() (out []string) {
	for i := max(0, r.noted-keepLast); i < r.noted; i++ {
		n := &r.last[i%keepLast]
		text := n.text
		if text == "" {
			text = n.packet.String()
		}
		out = append(out, fmt.Sprintf("%12.6f  %s", n.at.Seconds(), text))
	}
	return out
}

// String writes a packet as expectations do: who to whom, then packetdrill's
// notation: "client > server: S. 0:0(0) ack 1".
func (p packet) String() string {
	s := &p.sum
	text := s.Proto + " " + s.Text
	switch s.Proto {
	case "tcp":
		text = fmt.Sprintf("%s %d:%d(%d)", s.Flags, s.Seq, s.Seq+uint32(s.Len), s.Len)
		if s.HasAck {
			text += fmt.Sprintf(" ack %d", s.Ack)
		}
	case "udp":
		text = fmt.Sprintf("udp (%d)", s.Len)
	}
	text = strings.TrimSpace(text)
	if p.dropped {
		text += " dropped"
	}
	return p.from + " > " + p.to + ": " + text
}

// packetFilter chooses packets.
type packetFilter struct {
	src, dst, proto string
	port            int
	forwarded       bool // also those that a router or a switch passes on
}

func (f *packetFilter) matches(p packet) bool {
	return (f.forwarded || !p.again) && (f.src == "" || f.src == p.from) && (f.dst == "" || f.dst == p.to) &&
		(f.proto == "" || f.proto == p.sum.Proto) &&
		(f.port == 0 || hasPort(p.sum.Src, f.port) || hasPort(p.sum.Dst, f.port))
}

func hasPort(a netip.AddrPort, port int) bool { return int(a.Port()) == port }
