package trace

import (
	"net/netip"
	"slices"
)

// Flows makes sequence numbers relative. It remembers each side's initial
// sequence number from its SYN, so the numbers of a connection start at 0 as
// in packetdrill and Wireshark, and notices segments that repeat old data.
// The zero value is ready for use.
//
// It forgets a side that has been silent while keptSides others were not, so
// that it does not grow for ever: numbers of that are absolute then.
type Flows struct {
	sides, older map[flowSide]*sideState // those of older move to sides when they are asked for
}

// keptSides is how many sides a map may have before it becomes the older one: each
// takes about 200 bytes.
const keptSides = 1 << 18

// flowSide names the sending side of a connection.
type flowSide struct{ from, to netip.AddrPort }

type sideState struct {
	isn uint32
	nxt uint32 // one beyond the highest sequence number sent
}

// Note rewrites the numbers of a TCP segment that its sender has just sent to
// relative ones, and reports whether the segment repeats sequence space that
// was sent before. Other packets are left alone.
func (f *Flows) Note(s *Summary) (retransmit bool) {
	if s.Proto != "tcp" {
		return false
	}
	key := flowSide{s.Src, s.Dst}
	me := f.side(key)
	if s.syn && (me == nil || me.isn != s.rawSeq) {
		me = &sideState{isn: s.rawSeq, nxt: s.rawSeq}
		f.keep(key, me)
	}
	if me == nil {
		f.Relate(s)
		return false
	}
	span := s.Span()
	retransmit = span > 0 && int32(s.rawSeq-me.nxt) < 0
	if end := s.rawSeq + span; int32(end-me.nxt) > 0 {
		me.nxt = end
	}
	f.Relate(s)
	return retransmit
}

// side finds a side, nil if it is not known.
func (f *Flows) side(key flowSide) *sideState {
	if s := f.sides[key]; s != nil {
		return s
	}
	s := f.older[key]
	if s != nil {
		f.keep(key, s)
	}
	return s
}

// keep makes a side one of the younger.
func (f *Flows) keep(key flowSide, s *sideState) {
	if f.sides == nil || len(f.sides) >= keptSides {
		f.sides, f.older = make(map[flowSide]*sideState), f.sides
	}
	f.sides[key] = s
}

// Relate rewrites the numbers of a segment to relative ones without noting it:
// for a packet that is seen again at its receiver.
func (f *Flows) Relate(s *Summary) {
	me, peer := f.side(flowSide{s.Src, s.Dst}), f.side(flowSide{s.Dst, s.Src})
	if me == nil && peer != nil && s.Flags == "R." && s.rawSeq == 0 {
		me = &sideState{} // refuses a SYN: it has no numbers of its own (RFC 9293, 3.10.7.1)
	}
	if me == nil || s.Proto != "tcp" || s.Rel {
		return
	}
	s.Seq, s.Rel = s.rawSeq-me.isn, true
	if peer == nil {
		return
	}
	if s.HasAck {
		s.Ack = s.rawAck - peer.isn
	}
	s.SACK = slices.Clone(s.SACK) // a copied Summary shares it
	for i := range s.SACK {
		s.SACK[i][0] -= peer.isn
		s.SACK[i][1] -= peer.isn
	}
}
