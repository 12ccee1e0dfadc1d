package sim

import (
	"strings"
	"time"

	"fivetuple/sim/netem"
	"fivetuple/stack"
	"fivetuple/trace"
)

// end is where a pipe begins or ends: an interface, a switch port, a device.
type end interface {
	host() string      // whose it is, for the trace
	name() string      // "eth0", "port1", "ft0"
	ethernet() bool    // whether packets have Ethernet headers
	connect(out *pipe) // sets the pipe that leaves here
	receive(f *flight) // takes an arriving packet
	settled()          // what it took has to be done with now
	owner(s *trace.Summary, inbound bool) trace.Origin
	forwards(s *trace.Summary) bool // whether it passes on what others sent
}

// pipe is one direction of a link.
type pipe struct {
	link     *Link
	from, to end
	dir      *netem.Direction
	rules    bool          // a rule may look at the bytes
	direct   bool          // a port's: what takes no time arrives while it is sent
	least    time.Duration // no packet arrives sooner after it was sent
	said     trace.ID      // the event of the packet sent last; 0: it is not in the trace yet
	free     *flight       // flights that have landed, for reuse
	scratch  netem.Packet  // the packet being decided about
}

func newPipe(l *Link, from, to end, cfg netem.Config, least time.Duration, seed uint64, rules ...netem.Model) (*pipe, error) {
	d, err := netem.NewDirection(cfg, stack.Stream(seed, "link", l.name, from.host(), from.name()), rules...)
	if err != nil {
		return nil, err
	}
	return &pipe{link: l, from: from, to: to, dir: d, rules: len(rules) > 0, least: least}, nil
}

// flight is one copy of a packet between the two ends of a pipe.
type flight struct {
	ev      event
	pipe    *pipe
	pkt     stack.Packet
	num     uint64
	copy    int
	corrupt bool
	seen    *sighting // what the trace knows of it; nil when nobody listens
	next    *flight
}

// sighting is what the copies of a packet share in the trace.
type sighting struct {
	ev     event
	pipe   *pipe
	cause  trace.ID // what sent it
	id     trace.ID // its event
	origin trace.Origin
	body   trace.Packet
}

// send decides what happens to a packet that leaves its sender now.
func (p *pipe) send(pkt stack.Packet) {
	w := p.link.w
	w.packets++
	now := w.loop.now
	np := &p.scratch
	*np = netem.Packet{Len: pkt.Len()}
	var seen *sighting
	if w.bus.Enabled() {
		seen = p.sight(pkt)
		np.Data = seen.body.Data
	} else if p.rules {
		np.Data = pkt.Bytes()
	}
	num := w.packets
	v, copies := p.dir.Send(now, np)
	if v.Drop == "" && copies[0].Drop != "" {
		v.Drop = copies[0].Drop
	}
	if seen != nil {
		seen.body.Note = v.Note
		start := now
		if v.Drop == "" {
			start = copies[0].Start
			seen.noteLostCopies(copies[1:])
		}
		seen.at(start, v.Drop)
		p.said = seen.id
	}
	last := -1 // the copy that takes the packet itself
	for n := range copies {
		if copies[n].Drop == "" {
			last = n
		}
	}
	for n := range copies[:last+1] {
		c := &copies[n]
		switch {
		case n == last:
			p.fly(pkt, num, n, c, seen)
		case c.Drop == "":
			p.fly(pkt.Clone(), num, n, c, seen)
		}
	}
	if last < 0 {
		pkt.Release()
	}
}

// fly schedules the arrival of one copy, or lets it arrive; it takes pkt.
func (p *pipe) fly(pkt stack.Packet, num uint64, n int, c *netem.Copy, seen *sighting) {
	f := p.free
	if f == nil {
		f = &flight{pipe: p}
		f.ev.act = f
	} else {
		p.free = f.next
	}
	f.num, f.copy, f.seen, f.corrupt = num, n, seen, len(c.Corrupt) > 0
	if f.corrupt {
		data := pkt.Bytes()
		for _, bit := range c.Corrupt {
			data[bit/8] ^= 0x80 >> (bit % 8)
		}
		pkt.Release()
		pkt = stack.NewPacket(data)
	}
	f.pkt = pkt
	w := p.link.w
	at := max(c.Arrive, w.loop.now+p.least)
	if p.direct && at <= w.loop.now {
		f.land()
		return
	}
	w.loop.schedule(&f.ev, at)
}

// fire implements [action]: the copy arrives.
func (f *flight) fire() {
	f.land()
	f.pipe.to.settled()
}

// land hands a copy that has arrived to the receiver.
func (f *flight) land() {
	f.pipe.to.receive(f)
	f.pkt, f.seen = stack.Packet{}, nil
	f.next, f.pipe.free = f.pipe.free, f
}

// sight records a packet for the trace.
func (p *pipe) sight(pkt stack.Packet) *sighting {
	w := p.link.w
	s := &sighting{pipe: p, cause: w.bus.Cause()}
	s.ev.act = s
	s.body = trace.Packet{
		What: trace.Sent, Num: w.packets, Link: p.link.name, Iface: p.from.name(), Peer: p.to.host(),
		Data: pkt.Bytes(), Ethernet: p.from.ethernet(),
	}
	s.body.Summary = trace.Decode(s.body.Data, s.body.Ethernet)
	if s.body.Forwarded = p.from.forwards(&s.body.Summary); s.body.Forwarded {
		w.flows.Relate(&s.body.Summary)
	} else {
		s.body.Retransmit = w.flows.Note(&s.body.Summary)
	}
	s.origin = p.from.owner(&s.body.Summary, false)
	return s
}

// at puts the packet into the trace when its first bit leaves.
func (s *sighting) at(start time.Duration, drop string) {
	w := s.pipe.link.w
	if drop != "" {
		s.body.What, s.body.Reason = trace.Dropped, drop
	}
	if start <= w.loop.now {
		s.fire()
		return
	}
	w.loop.schedule(&s.ev, start)
}

// fire implements [action].
func (s *sighting) fire() {
	s.id = s.pipe.link.w.bus.EmitCaused(s.cause, s.origin, &s.body)
}

// noteLostCopies notes the duplicates that found the queue full: it has to be
// done before the packet is in the trace.
func (s *sighting) noteLostCopies(copies []netem.Copy) {
	for _, c := range copies {
		if c.Drop != "" {
			s.body.Note = strings.TrimPrefix(s.body.Note+", its duplicate dropped: "+c.Drop, ", ")
		}
	}
}

// delivered puts the arrival into the trace and makes it the cause of what
// follows.
func (f *flight) delivered(w *World) {
	if f.seen == nil {
		return
	}
	body := f.seen.body
	body.What, body.Reason, body.Copy = trace.Delivered, "", f.copy
	to := f.pipe.to
	body.Iface, body.Peer = to.name(), f.pipe.from.host()
	if f.corrupt {
		body.Data = f.pkt.Bytes()
	}
	w.bus.SetCause(w.bus.EmitCaused(f.seen.id, to.owner(&body.Summary, true), &body))
}

// The methods below make an interface a link end.

func (i *iface) host() string      { return i.h.Name() }
func (i *iface) name() string      { return i.stack.Name() }
func (i *iface) ethernet() bool    { return i.stack.MAC() != nil }
func (i *iface) connect(out *pipe) { i.pipe = out }

func (i *iface) forwards(s *trace.Summary) bool {
	src := s.Src.Addr()
	if i.stack.Diverts() {
		return false // it answers for others
	}
	if !src.IsValid() || src.IsUnspecified() || src.IsLoopback() || src.IsLinkLocalUnicast() {
		return false
	}
	for _, a := range i.h.stack.Addrs() {
		if a.Addr() == src {
			return false
		}
	}
	return true
}

func (i *iface) owner(s *trace.Summary, inbound bool) trace.Origin {
	local, remote := s.Src, s.Dst
	if inbound {
		local, remote = remote, local
	}
	return i.h.originOf(s.Proto, local, remote)
}

// receive hands an arriving packet to the stack. What TCP makes of it happens
// when it is settled.
func (i *iface) receive(f *flight) {
	w := i.h.w
	f.delivered(w)
	var bad uint64
	check := f.seen != nil // it may have been damaged before it came to this link
	if check {
		bad = i.h.stack.ChecksumErrors()
	}
	taken := i.stack.Deliver(f.pkt)
	reason := i.stack.Discarded()
	if check && (!taken && f.corrupt || i.h.stack.ChecksumErrors() > bad) {
		reason = "bad checksum"
	}
	if reason != "" && f.seen != nil {
		body := f.seen.body
		body.What, body.Reason, body.Iface, body.Peer = trace.Discarded, reason, i.name(), f.pipe.from.host()
		w.bus.Emit(trace.Origin{Host: i.host()}, &body)
	}
	i.last = trace.FiveTuple{}
	if f.seen != nil {
		s := &f.seen.body.Summary
		i.last = trace.FiveTuple{Proto: s.Proto, Local: s.Dst, Remote: s.Src}
	}
}

// settled lets the stack work on what it was handed.
func (i *iface) settled() {
	i.h.stack.Settle()
	if i.last.Proto != "" {
		i.h.stack.SampleTuple(i.last)
	}
	i.h.flush(nil, false)
}
