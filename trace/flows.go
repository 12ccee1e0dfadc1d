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
// It forgets a side that has been silent while very many others were not, so
// that it does not grow for ever: numbers of that are absolute then.
type Flows struct {
	sides Recent[flowSide, sideState] // each takes about 200 bytes
}

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
	me := f.sides.Get(key)
	if s.syn && (me == nil || me.isn != s.rawSeq) {
		me = &sideState{isn: s.rawSeq, nxt: s.rawSeq}
		f.sides.Put(key, me)
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

// Relate rewrites the numbers of a segment to relative ones without noting it:
// for a packet that is seen again at its receiver.
func (f *Flows) Relate(s *Summary) {
	me, peer := f.sides.Get(flowSide{s.Src, s.Dst}), f.sides.Get(flowSide{s.Dst, s.Src})
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
