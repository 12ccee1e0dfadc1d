package packetdrill

// pureACK reports whether a segment does nothing but acknowledge.
func (s *segment) pureACK() bool {
	return s.proto == protoTCP && s.flags&^flagPSH == flagACK && len(s.payload) == 0
}

// extraACK reports whether a segment is an ACK that --allow=acks looks past:
// one that the script does not expect, and that acknowledges no more than what
// it expects next.
func (o *observed) extraACK(k *Packet) bool {
	if !o.pureACK() || k.TCP == nil || o.c == nil || k.TCP.Ack == nil {
		return false
	}
	bits, _ := flagBits(k.TCP.Flags)
	ahead := int32(o.c.scriptAck(&o.segment) - *k.TCP.Ack)
	if bits&^flagPSH != flagACK || k.TCP.Len > 0 {
		return ahead <= 0
	}
	return ahead < 0
}
