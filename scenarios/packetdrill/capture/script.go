package capture

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fivetuple/scenarios/packetdrill"
)

// Options say how a connection becomes a script.
type Options struct {
	// Name is the capture's file, for the head of the script; its folder is
	// left out.
	Name string
	// Side is whose script it is: that of the host under test.
	Side Side
	// Packets is after how many packets of the connection to stop; 0: all.
	Packets int
	// Strict expects ACKs exactly as they are in the capture.
	Strict bool
	// Windows expects the windows of outbound segments too.
	Windows bool
	// Lenient lets the stack acknowledge more often and earlier than in the
	// capture. Without it, that is allowed only where the capture shows ACKs
	// that were held back.
	Lenient bool
}

// Script is what came of a connection.
type Script struct {
	Tree *packetdrill.Script
	// Side is whose script it is.
	Side     Side
	head     []string
	comments map[int][]string // before the event of this index
}

// Text is the script as a file: parsing it gives Tree again.
func (s *Script) Text() string {
	var b strings.Builder
	for _, l := range s.head {
		b.WriteString(strings.TrimRight("// "+l, " ") + "\n")
	}
	options := *s.Tree
	options.Events = nil
	b.WriteString(packetdrill.Format(&options))
	for i := range s.Tree.Events {
		for _, l := range s.comments[i] {
			b.WriteString("// " + l + "\n")
		}
		b.WriteString(s.Tree.Events[i].String() + "\n")
	}
	return b.String()
}

// Import makes the script of a connection.
func Import(s *Stream, o Options) (*Script, error) {
	v := s.from(o.Side)
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("stream %d: %w", s.Num, err)
	}
	b := newBuilder(v, o)
	b.settings()
	b.open()
	for i := range v.steps {
		if b.full() {
			break
		}
		if o.Packets > 0 && i == o.Packets {
			b.cutShort = len(v.steps) - i
			break
		}
		if b.step(i); b.missing != nil {
			return nil, fmt.Errorf("stream %d: %w", s.Num, b.missing)
		}
	}
	b.flushRead()
	out := &Script{
		Tree: &packetdrill.Script{File: filepath.Base(o.Name), Options: b.options, Init: b.init, Events: b.events},
		Side: v.side, head: b.notes(), comments: b.comments,
	}
	if b.full() || len(out.Text()) > packetdrill.MaxSource {
		return nil, fmt.Errorf("stream %d: its script would have more than the %d bytes that are read: import its first packets alone, as --packets 5000 does", s.Num, packetdrill.MaxSource)
	}
	return out, nil
}

// shortest is less than any event takes.
const shortest = len("+0 > . 1:1(0) ack 1\n")

// full reports whether the script can no longer be read.
func (b *builder) full() bool { return len(b.events)*shortest > packetdrill.MaxSource }

// longest is how long a script may take: more than any connection, and what a
// time in it can say.
const longest = 1000 * time.Hour

// check refuses what no script can be made of.
func (v *view) check() error {
	syn, synACK := v.first[0], v.first[1]
	switch {
	case syn == nil:
		return errors.New("its handshake is not in the capture: a script begins with one, so the capture has to begin before the connection")
	case synACK == nil && v.Handshake() == "incomplete" && v.any(func(p *packet) bool { return !p.has(flagSYN) && !p.has(flagRST) }):
		return errors.New("its SYN-ACK is not in the capture, and what follows is: the capture has lost packets, or sees one direction only")
	}
	if !slices.ContainsFunc(v.steps, func(st step) bool { return st.out }) {
		return fmt.Errorf("the %s has sent nothing: there is nothing to expect of it; choose the other --side", v.side)
	}
	if v.unplaced {
		return fmt.Errorf("the capture was not taken at the %s, and the handshake does not tell how long packets took to it: take one there, as --pcap-dir does", v.side)
	}
	if slices.ContainsFunc(v.steps, func(st step) bool { return st.at < 0 || st.at > longest }) {
		return fmt.Errorf("its packets are too far apart: a script takes %d hours at most", longest/time.Hour)
	}
	for _, st := range v.steps {
		if st.badOpts {
			return fmt.Errorf("packet %d: its TCP options are malformed, or have one that scripts have no word for", st.num)
		}
	}
	for _, n := range [2]int64{v.ToServer, v.ToClient} {
		if n >= 1<<31 {
			return errors.New("it has 2 GiB of data in one direction, and a script's sequence numbers begin again after 4: import a shorter one")
		}
	}
	return nil
}

// builder writes the events.
type builder struct {
	v *view
	o Options
	plan
	options  []packetdrill.Option
	init     *packetdrill.Command
	events   []packetdrill.Event
	comments map[int][]string
	pending  []string // comments for the next event
	now      time.Duration
	cutShort int

	isn      [2]uint32 // of this side and of the other one
	have     [2]bool
	ts       [2]uint32 // the first timestamp of each
	haveTS   [2]bool
	seen     [2]uint32 // beyond the highest number sent, relative
	fd       int64
	ready    bool // the connection can be written to and read from
	closed   bool
	rcv      received
	unread   int
	eof      bool
	eofRead  bool
	closeDue bool // after shutdown
	nodelay  bool
	counts   counts
	missing  error // a segment of this side that is not in the capture
}

// The indexes of pairs: this side's, the other one's.
const (
	own  = 0
	peer = 1
)

func newBuilder(v *view, o Options) *builder {
	return &builder{v: v, o: o, plan: newPlan(v), comments: make(map[int][]string), fd: 3}
}

func (b *builder) option(name, value string) {
	b.options = append(b.options, packetdrill.Option{Name: name, Value: value, HasValue: true})
}

func (b *builder) comment(format string, args ...any) {
	b.pending = append(b.pending, fmt.Sprintf(format, args...))
}

// event adds an event at a time of the view.
func (b *builder) event(at time.Duration, e packetdrill.Event) {
	at = max(b.now, at.Round(time.Microsecond))
	e.Time = packetdrill.Time{Kind: packetdrill.Relative, At: at - b.now}
	if len(b.events) == 0 {
		e.Time = packetdrill.Time{At: 0}
	}
	b.now = at
	if len(b.pending) > 0 {
		b.comments[len(b.events)] = b.pending
		b.pending = nil
	}
	b.events = append(b.events, e)
}

// step writes one packet, with the calls before and after it.
func (b *builder) step(i int) {
	st := &b.v.steps[i]
	if st.icmp != nil {
		b.icmp(st)
		return
	}
	b.numbers(st)
	if st.out {
		b.before(i, st)
		b.remark(st)
		b.packet(st, b.tcp(st))
		b.after(st)
		return
	}
	b.flushLarge(i)
	b.remark(st)
	b.inbound(st)
	b.arrived(i, st)
}

// numbers notes initial sequence numbers and first timestamps.
func (b *builder) numbers(st *step) {
	who := st.who()
	if st.has(flagSYN) && !b.have[who] {
		b.have[who], b.isn[who] = true, st.seq
	}
	for _, o := range st.opts {
		if o.Name == "TS" && !b.haveTS[who] {
			b.haveTS[who], b.ts[who] = true, uint32(o.Value)-tsBase[who]
		}
	}
}

func (st *step) who() int {
	if st.out {
		return own
	}
	return peer
}

// tsBase is the timestamp with which a script begins, for each side: any would
// do, since the runner maps them.
var tsBase = [2]uint32{100, 700}

// rel is the segment's first sequence number, relative to its sender's.
func (b *builder) rel(st *step) uint32 {
	if !b.have[st.who()] {
		return 0 // a RST that answers a SYN has no numbers of its own
	}
	return st.seq - b.isn[st.who()]
}

// tcp is a segment as a script has it.
func (b *builder) tcp(st *step) *packetdrill.TCP {
	who := st.who()
	t := &packetdrill.TCP{Flags: packetdrill.FlagText(st.flags), Start: b.rel(st), Len: st.size}
	if !b.have[who] && st.seq != 0 {
		t.Start = st.seq
	}
	t.End = t.Start + uint32(t.Len)
	if st.has(flagACK) {
		ack := st.ack - b.isn[1-who]
		t.Ack = &ack
	}
	if win := int(st.win); !st.out || b.o.Windows {
		t.Win = &win
	}
	if urg := int(st.urg); st.has(flagURG) {
		t.Urg = &urg
	}
	for _, o := range st.opts {
		t.Opts = append(t.Opts, b.opt(o, st))
	}
	return t
}

// opt makes the numbers of an option relative.
func (b *builder) opt(o opt, st *step) opt {
	who := st.who()
	switch o.Name {
	case "TS":
		o.Value = int64(uint32(o.Value) - b.ts[who])
		if b.haveTS[1-who] && st.has(flagACK) {
			o.Ecr = int64(uint32(o.Ecr) - b.ts[1-who])
		}
	case "sack":
		blocks := make([][2]uint32, len(o.Blocks))
		for i, k := range o.Blocks {
			blocks[i] = [2]uint32{k[0] - b.isn[1-who], k[1] - b.isn[1-who]}
		}
		o.Blocks = blocks
	}
	return o
}

func (b *builder) packet(st *step, t *packetdrill.TCP) {
	k := &packetdrill.Packet{Inbound: !st.out, TCP: t}
	if b.refuses {
		k.Ports = &[2]int{int(st.src.Port()), int(st.dst.Port())}
	}
	b.event(st.at, packetdrill.Event{Packet: k})
}

// inbound writes a segment that comes. One that is larger than the MSS was put
// together where it was captured: it came in pieces.
func (b *builder) inbound(st *step) {
	t := b.tcp(st)
	limit := b.plan.mss - optsLen(st.opts)
	if t.Len <= limit || limit <= 0 {
		b.packet(st, t)
		return
	}
	b.counts.large[peer]++
	b.comment("packet %d has %d bytes: it came in pieces of the MSS", st.num, t.Len)
	for t.Len > 0 && !b.full() {
		piece := *t
		piece.Len = min(limit, t.Len)
		piece.End = piece.Start + uint32(piece.Len)
		t.Start, t.Len = piece.End, t.Len-piece.Len
		if t.Len > 0 {
			piece.Flags = packetdrill.FlagText(st.flags &^ (flagPSH | flagFIN))
		}
		b.packet(st, &piece)
	}
}

// optsLen is how many bytes options take.
func optsLen(opts []opt) int {
	n := 0
	for _, o := range opts {
		switch o.Name {
		case "nop", "eol":
			n++
		case "sackOK":
			n += 2
		case "wscale":
			n += 3
		case "mss":
			n += 4
		case "TS":
			n += 10
		case "sack":
			n += 2 + 8*len(o.Blocks)
		default:
			n += 4 + len(o.Hex)/2
		}
	}
	return n
}

// icmp writes an ICMP error about a segment of this side.
func (b *builder) icmp(st *step) {
	e := st.icmp
	typ, code, ok := packetdrill.ICMPNames(e.v6, e.typ, e.code)
	if !ok || !b.have[own] {
		b.comment("packet %d, ICMP type %d code %d, is left out: scripts have no words for it", st.num, e.typ, e.code)
		return
	}
	m := &packetdrill.ICMP{Type: typ, Code: code}
	if !e.v6 && e.typ == 3 && e.code == 4 || e.v6 && e.typ == 2 {
		mtu := int64(e.rest)
		if !e.v6 {
			mtu &= 0xffff
		}
		m.MTU = &mtu
	}
	start := st.seq - b.isn[own]
	m.Echoed = &packetdrill.Echoed{Start: start, End: start + uint32(st.size), Len: st.size}
	b.event(st.at, packetdrill.Event{Packet: &packetdrill.Packet{Inbound: true, ICMP: m}})
}
