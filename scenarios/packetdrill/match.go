package packetdrill

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// anyTimeLimit is how long a packet at time * is waited for.
const anyTimeLimit = 10 * time.Minute

// expect waits for a packet of the host and compares it. It returns when the
// packet was sent.
func (r *runner) expect(e *Event, from, to time.Duration) time.Duration {
	k := e.Packet
	tol := r.tolerance(from - r.base)
	limit := to + max(tol, grace)
	if e.Time.Kind == AnyTime {
		limit = r.tgt.Now() + anyTimeLimit
	}
	var o observed
	if !r.await(limit, func() bool { return r.take(k, &o) }) {
		r.explain(k)
		r.reap(false)
		r.diverge("nothing was sent: expected %s; %s", describe(k), r.quiet())
	}
	switch {
	case k.TCP != nil:
		r.compareTCP(k, &o, limit)
	case k.UDP != nil && len(o.payload) != k.UDP.Len:
		r.diverge("length: expected %d bytes, got %d", k.UDP.Len, len(o.payload))
	case k.ICMP != nil:
		r.compareICMP(k.ICMP, &o)
	}
	if e.Time.Kind == AnyTime {
		return o.at
	}
	if r.set.allows("acks") && o.pureACK() && o.at < from {
		return r.tgt.Now()
	}
	if late, bad := r.deviation(o.at, from, to, tol); bad {
		word := "later"
		if late < 0 {
			word = "earlier"
		}
		r.diverge("time: expected %s, sent at %s: %s s %s than the tolerance of %s s allows: %s", window(from, to), formatSeconds(o.at),
			formatSeconds(late.Abs()), word, formatSeconds(tol), describe(k))
	}
	return o.at
}

func window(from, to time.Duration) string {
	if from == to {
		return formatSeconds(from)
	}
	return formatSeconds(from) + "~" + formatSeconds(to)
}

func describe(k *Packet) string { return strings.TrimLeft(k.String(), "<> ") }

// take removes the first packet that the expected one could be; those of other
// connections before it are dropped.
func (r *runner) take(k *Packet, o *observed) bool {
	for len(r.sent) > 0 {
		s := r.sent[0]
		r.sent = r.sent[1:]
		if r.relevant(k, &s) && !(r.set.allows("acks") && s.extraACK(k)) {
			*o = s
			return true
		}
	}
	return false
}

func (r *runner) relevant(k *Packet, o *observed) bool {
	switch {
	case k.ICMP != nil:
		return o.proto == protoICMP || o.proto == protoICMPv6
	case k.UDP != nil:
		return o.proto == protoUDP
	case o.proto != protoTCP:
		return false
	case k.Ports != nil:
		return int(o.srcPort) == k.Ports[0] && int(o.dstPort) == k.Ports[1]
	}
	if r.cur == nil && r.fresh && o.c != nil {
		return false // the connection that is being opened has sent nothing yet
	}
	return r.cur == nil || o.c == r.cur
}

// explain notes what the expected packet needs and the stack does not have.
func (r *runner) explain(k *Packet) {
	if k.IP != nil {
		for _, f := range k.IP.Fields {
			if strings.HasPrefix(f.Name, "ect") || f.Name == "ce" {
				r.doubtful(featureECN, "netstack does not mark packets (RFC 3168)")
			}
		}
	}
	if k.TCP == nil {
		return
	}
	if strings.ContainsAny(k.TCP.Flags, "EW") {
		r.doubtful(featureECN, "netstack does not negotiate it (RFC 3168)")
	}
	for _, o := range k.TCP.Opts {
		switch o.Name {
		case "FO", "FOEXP":
			r.doubtful(featureTFO, "the expected packet has option %s, and netstack has no TCP Fast Open (RFC 7413)", o.Name)
		case "md5":
			r.doubtful("TCP MD5", "netstack has no signatures (RFC 2385)")
		}
	}
	bits, _ := flagBits(k.TCP.Flags)
	if bits&(flagSYN|flagACK) == flagSYN && r.host.noTimestamps {
		r.doubtful("tcp_timestamps=0", "netstack offers timestamps in every SYN that it sends")
	}
	if bits&flagSYN != 0 && k.TCP.Len > 0 {
		r.doubtful(featureTFO, "the expected SYN carries data, and netstack has no TCP Fast Open (RFC 7413)")
	}
}

const featureECN = "ECN"

// compareTCP compares a segment, or several that Linux would show as one.
func (r *runner) compareTCP(k *Packet, o *observed, limit time.Duration) {
	t := k.TCP
	r.explain(k)
	r.join(k, o, limit)
	c := o.c
	if c == nil {
		c = &conn{ts: make(map[uint32]uint32)}
	}
	bits, _ := flagBits(t.Flags)
	if bits&flagSYN != 0 && o.seq == c.localISN {
		c.localSYN = t.Start
	}
	var diffs []string
	diff := func(field string, want, got any) {
		if want != got {
			diffs = append(diffs, fmt.Sprintf("%s: expected %v, got %v", field, want, got))
		}
	}
	live := c.script(o)
	flags := o.flags
	if r.set.allows("psh") {
		flags = flags&^flagPSH | bits&flagPSH
	}
	diff("flags", flagText(bits), flagText(flags))
	diff("seq", t.Start, live.Start)
	diff("payload", t.Len, live.Len)
	if t.Ack != nil {
		diff("ack", *t.Ack, c.scriptAck(&o.segment))
	}
	if t.Win != nil {
		diff("win", *t.Win, int(o.win))
	}
	if t.Urg != nil {
		diff("urg", *t.Urg, int(o.urg))
	}
	if !t.AnyOpts {
		diffs = append(diffs, r.compareOpts(t, live, c)...)
	}
	diffs = append(diffs, ipDiffs(k.IP, &o.segment)...)
	if i := slices.IndexFunc(o.payload, func(b byte) bool { return b != 0 }); i >= 0 {
		diffs = append(diffs, fmt.Sprintf("payload: byte %d is %#x: the script's data is all zeros", i, o.payload[i]))
	}
	if len(diffs) > 0 {
		r.diverge("%s\n\texpected %s\n\tsent     %s, at %s", strings.Join(diffs, "; "), t, live, formatSeconds(o.at))
	}
}

// scriptAck is an acknowledgment as the script counts: beside a SYN from what
// the peer's SYN says, else from 0.
func (c *conn) scriptAck(s *segment) uint32 {
	ack := s.ack - c.remoteISN
	if s.flags&flagSYN != 0 {
		ack += c.remoteSYN
	}
	return ack
}

// script writes what was sent as a script would.
func (c *conn) script(o *observed) *TCP {
	t := &TCP{Flags: flagText(o.flags), Start: o.seq - c.localISN, Len: len(o.payload)}
	if o.flags&flagSYN != 0 {
		t.Start += c.localSYN
	}
	t.End = t.Start + uint32(t.Len)
	if o.flags&flagACK != 0 {
		ack := c.scriptAck(&o.segment)
		t.Ack = &ack
	}
	win := int(o.win)
	t.Win = &win
	for _, opt := range o.opts {
		if opt.Name == "sack" {
			opt.Blocks = slices.Clone(opt.Blocks)
			for i := range opt.Blocks {
				opt.Blocks[i][0] -= c.remoteISN
				opt.Blocks[i][1] -= c.remoteISN
			}
		}
		t.Opts = append(t.Opts, opt)
	}
	return t
}

// compareOpts compares options, exactly and in order; timestamps as
// packetdrill does.
func (r *runner) compareOpts(want, live *TCP, c *conn) []string {
	bad := len(want.Opts) != len(live.Opts)
	for i := 0; !bad && i < len(want.Opts); i++ {
		w, l := want.Opts[i], live.Opts[i]
		if w.Name != "TS" || l.Name != "TS" {
			bad = w.String() != l.String()
			continue
		}
		if w.Ecr != l.Ecr && !(r.set.allows("acks") && int32(uint32(l.Ecr)-uint32(w.Ecr)) > 0) {
			return []string{fmt.Sprintf("TS ecr: expected %d, got %d", w.Ecr, l.Ecr)}
		}
		if text := r.timestamp(uint32(w.Value), uint32(l.Value), c); text != "" {
			return []string{text}
		}
	}
	if bad {
		return []string{fmt.Sprintf("options: expected %s, got %s", formatOpts(want.Opts), formatOpts(live.Opts))}
	}
	return nil
}

// timestamp notes which timestamp stands for which, and compares how they grow
// if the script says how long a tick is.
func (r *runner) timestamp(script, live uint32, c *conn) string {
	c.ts[script] = live
	if !c.haveTS {
		c.haveTS, c.tsFirst = true, [2]uint32{script, live}
		return ""
	}
	if r.set.TSTick == 0 {
		return ""
	}
	want, got := script-c.tsFirst[0], live-c.tsFirst[1]
	d := time.Duration(int32(want-got)) * r.set.TSTick
	if d.Abs() > r.tolerance(r.tgt.Now()) {
		return fmt.Sprintf("TS val: expected %d (%d ticks after the first), got %d ticks", script, want, got)
	}
	return ""
}

// join puts consecutive segments together until they are as long as the
// expected one: a driver that segments for the stack shows them as one.
func (r *runner) join(k *Packet, o *observed, limit time.Duration) {
	if r.set.StrictSegments {
		return
	}
	size, last := len(o.payload), len(o.payload)
	for size == last && size > 0 && len(o.payload) < k.TCP.Len && o.flags&(flagSYN|flagRST|flagFIN) == 0 {
		var n observed
		if !r.await(limit, func() bool { return r.take(k, &n) }) {
			return
		}
		if !o.continues(&n, size, r.native() || r.set.allows("psh")) || len(o.payload)+len(n.payload) > k.TCP.Len {
			r.sent = append([]observed{n}, r.sent...)
			return
		}
		last = len(n.payload) // only the last one may be shorter
		o.payload = append(bytes.Clone(o.payload), n.payload...)
		o.flags, o.at = n.flags, n.at
	}
}

// continues reports whether n is the next segment of the same burst; a PSH
// ends one, unless pshToo: Linux may set it within one.
func (o *observed) continues(n *observed, size int, pshToo bool) bool {
	return n.c == o.c && n.seq == o.seq+uint32(len(o.payload)) && (pshToo || o.flags&flagPSH == 0) &&
		(o.flags^n.flags)&^(flagPSH|flagFIN) == 0 && n.ack == o.ack && n.win == o.win &&
		len(n.payload) <= size && formatOpts(n.opts) == formatOpts(o.opts)
}

// ipDiffs compares what stands in brackets.
func ipDiffs(info *IPInfo, s *segment) (diffs []string) {
	if info == nil {
		return nil
	}
	ecn := ecnNames[s.tos&3]
	for _, f := range info.Fields {
		got := int64(-1)
		switch f.Name {
		case "noecn", "ect0", "ect1", "ce":
			if f.Name != ecn {
				diffs = append(diffs, fmt.Sprintf("ecn: expected %s, got %s", f.Name, ecn))
			}
			continue
		case "ect01":
			if ecn != "ect0" && ecn != "ect1" {
				diffs = append(diffs, "ecn: expected ect0 or ect1, got "+ecn)
			}
			continue
		case "tos", "tclass":
			got = int64(s.tos)
		case "ttl", "hoplimit":
			got = int64(s.ttl)
		default:
			diffs = append(diffs, "["+f.Name+"] cannot be compared")
			continue
		}
		if got != f.Value {
			diffs = append(diffs, fmt.Sprintf("%s: expected %s, got %s", f.Name, formatInt(f.Value, f.Hex), formatInt(got, f.Hex)))
		}
	}
	return diffs
}

func (r *runner) compareICMP(m *ICMP, o *observed) {
	v6 := o.proto == protoICMPv6
	typ, ok := icmpNumber(m.Type, icmpTypes(v6))
	code, ok2 := icmpNumber(m.Code, icmpCodes(v6, m.Type))
	if !ok || !ok2 {
		panic(problem(Dialect, r.line, "ICMP %s %s is not known for %s", m.Type, m.Code, r.set.IPVersion))
	}
	if typ != o.icmpType || code != o.code {
		r.diverge("ICMP: expected type %d code %d, got type %d code %d", typ, code, o.icmpType, o.code)
	}
}

// check refuses what no run can have.
func (r *runner) check() {
	for i := range r.script.Events {
		e := &r.script.Events[i]
		k := e.Packet
		if k == nil {
			continue
		}
		if len(k.Encap) > 0 {
			feature := "encapsulation (" + k.Encap[0].Kind + ")"
			if k.Encap[0].Kind == "psp" {
				feature = "PSP"
			}
			if r.tgt.Lacks(feature) {
				panic(unsupported(e.Line, feature, "neither netstack nor a TUN device has such a header"))
			}
		}
		if k.TCP == nil {
			continue
		}
		_, ok := flagBits(k.TCP.Flags)
		if !ok || slices.ContainsFunc(k.TCP.Opts, func(o TCPOpt) bool { return o.Name == "ECN" }) {
			panic(unsupported(e.Line, "Accurate ECN", "Accurate ECN is parsed, and neither sent nor compared"))
		}
	}
}
