package jsonl

import (
	"time"

	"fivetuple/trace"
)

// The fields of each kind, in the order in which they are written. A field
// that is added here is added to docs/trace-format.md and to Record.

func appendHeader(b []byte, cfg Config) []byte {
	l := line{buf: b}
	l.begin(trace.Version)
	l.str("kind", "header")
	l.str("tool", "fivetuple")
	l.str("scenario", cfg.Scenario)
	l.uint("seed", cfg.Seed)
	if !cfg.Epoch.IsZero() {
		l.str("epoch", cfg.Epoch.UTC().Format(time.RFC3339Nano))
	}
	return l.end()
}

// event writes what every event has.
func (l *line) event(ev *trace.Event) {
	l.begin(trace.Version)
	l.uint("id", uint64(ev.ID))
	if ev.Cause != 0 {
		l.uint("cause", uint64(ev.Cause))
	}
	l.nanos("t", ev.At)
	l.str("host", ev.Host)
	l.str("proc", ev.Proc)
	if ev.PID != 0 {
		l.int("pid", ev.PID)
	}
	if ev.PID != 0 || ev.Proc != "" {
		l.int("thread", ev.Thread) // 0 is a process's first thread, not an unknown one
	}
	if ev.HasFD {
		l.int("fd", ev.FD)
	}
}

// body writes the rest and reports whether it knows the body's type.
func (l *line) body(body trace.Body, data bool) bool {
	if body == nil {
		return false
	}
	l.str("kind", body.Kind())
	switch b := body.(type) {
	case *trace.Packet:
		l.packet(b, data)
	case *trace.Call:
		l.call(b)
	case *trace.State:
		l.tuple(&b.FiveTuple)
		l.str("from", string(b.From))
		l.str("to", string(b.To))
	case *trace.TCPInfo:
		l.tcpInfo(b)
	case *trace.Timer:
		l.str("name", b.Name)
		l.nanos("armed_ns", b.Armed)
	case *trace.Process:
		l.str("what", b.What)
		l.str("name", b.Name)
		l.str("parent", b.Parent)
		l.str("error", b.Error)
		l.str("signal", b.Signal)
	case *trace.Warning:
		l.str("text", b.Text)
	case *trace.Mark:
		l.str("text", b.Text)
	case *trace.Expect:
		l.bool("ok", b.OK)
		l.str("claim", b.Claim)
		l.str("got", b.Got)
		l.str("where", b.Where)
	case *trace.LinkChange:
		l.str("link", b.Link)
		l.str("direction", b.Direction)
		l.str("now", b.Now)
	default:
		return false
	}
	return true
}

func (l *line) packet(p *trace.Packet, data bool) {
	l.str("what", string(p.What))
	l.uint("num", p.Num)
	l.str("link", p.Link)
	l.str("iface", p.Iface)
	l.str("peer", p.Peer)
	l.flag("ethernet", p.Ethernet)
	l.int("bytes", len(p.Data))
	l.str("reason", p.Reason)
	l.str("note", p.Note)
	if p.What == trace.Delivered {
		l.int("copy", p.Copy)
	}
	l.flag("forwarded", p.Forwarded)
	l.flag("retransmit", p.Retransmit)
	l.summary(&p.Summary)
	if data {
		l.hex("data", p.Data)
	}
}

func (l *line) summary(s *trace.Summary) {
	if s.Proto == "" {
		return // not decoded
	}
	tcp := s.Proto == "tcp"
	port := tcp || s.Proto == "udp"
	l.str("proto", s.Proto)
	l.addr("src", s.Src, port)
	l.addr("dst", s.Dst, port)
	if tcp {
		l.str("flags", s.Flags)
		l.uint("seq", uint64(s.Seq))
	}
	l.int("len", s.Len)
	if tcp {
		if s.HasAck {
			l.uint("ack", uint64(s.Ack))
		}
		l.uint("win", uint64(s.Win))
		l.flag("rel", s.Rel)
		if s.Rel {
			l.uint("raw_seq", uint64(s.RawSeq()))
			if s.HasAck {
				l.uint("raw_ack", uint64(s.RawAck()))
			}
		}
		l.str("opts", s.Opts)
		l.pairs("sack", s.SACK)
	}
	l.str("text", s.Text)
}

func (l *line) call(c *trace.Call) {
	l.str("what", string(c.What))
	l.uint("num", c.Num)
	l.str("name", c.Name)
	l.str("args", c.Args)
	l.str("result", c.Result)
	l.str("errno", c.Errno)
	l.str("error", c.Error)
	l.str("peer_addr", c.Peer)
	if c.Blocked {
		l.bool("blocked", true)
		l.nanos("waited_ns", c.Waited)
	}
}

func (l *line) tuple(f *trace.FiveTuple) {
	port := f.Proto == "tcp" || f.Proto == "udp"
	l.str("proto", f.Proto)
	l.addr("local", f.Local, port)
	l.addr("remote", f.Remote, port)
}

func (l *line) tcpInfo(i *trace.TCPInfo) {
	l.tuple(&i.FiveTuple)
	l.uint("cwnd", uint64(i.Cwnd))
	l.uint("ssthresh", uint64(i.Ssthresh))
	if i.SRTT != 0 { // a smoothed round-trip time of 0 is one without a sample
		l.nanos("srtt_ns", i.SRTT)
		l.nanos("rttvar_ns", i.RTTVar)
	}
	if i.RTO != 0 {
		l.nanos("rto_ns", i.RTO)
	}
	l.str("ca_state", i.CAState)
	if i.MSS != 0 { // from the end of the handshake on
		l.uint("in_flight", uint64(i.Unacked))
		l.uint("sacked", uint64(i.Sacked))
		l.uint("mss", uint64(i.MSS))
		if !i.NoSndWnd {
			l.uint("snd_wnd", uint64(i.SndWnd))
		}
		if !i.NoRcvWnd {
			l.uint("rcv_wnd", uint64(i.RcvWnd))
		}
	}
	if i.Retrans != 0 {
		l.uint("retrans", uint64(i.Retrans))
	}
}
