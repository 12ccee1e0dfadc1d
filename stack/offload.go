package stack

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Offload is the work on a packet that its sender has left to whoever is
// behind the link, in the terms of virtio-net's header (virtio 1.2, 5.1.6):
// the checksum, and the division of a super-packet into segments. Places in the
// packet count from its first byte, which is an Ethernet header's where there is
// one. The zero value is an ordinary packet.
type Offload struct {
	// NeedsChecksum: the transport checksum, ChecksumOffset bytes after
	// ChecksumStart, covers the pseudo-header and nothing else yet.
	NeedsChecksum bool
	// Verified: somebody has verified the checksums.
	Verified bool
	// Segments is what the packet is to be divided into; SegmentSize is the
	// most payload that one takes, in bytes. HeaderLen is the length of the
	// headers that each of them gets.
	Segments                      SegmentType
	ChecksumStart, ChecksumOffset uint16
	SegmentSize, HeaderLen        uint16
}

// SegmentType is the kind of a super-packet, with virtio-net's numbers.
type SegmentType uint8

// The kinds of super-packets.
const (
	SegmentNone  SegmentType = 0 // the packet is not divided
	SegmentTCPv4 SegmentType = 1
	SegmentTCPv6 SegmentType = 4
	SegmentUDP   SegmentType = 5 // of datagrams with one size, but for the last
)

// trusted reports whether the checksums need no verification: they have been
// verified, or the packet has crossed no wire yet.
func (o Offload) trusted() bool { return o.NeedsChecksum || o.Verified }

// maxSuper is the longest IP packet, super-packets included: what IPv4's total
// length can say.
const maxSuper = 65535

// offloadOf translates what netstack leaves to a link that divides packets.
func offloadOf(pb *stack.PacketBuffer) Offload {
	g := &pb.GSOOptions
	if g.Type == stack.GSONone || !g.NeedsCsum {
		return Offload{Verified: pb.TransportProtocolNumber == header.UDPProtocolNumber} // netstack has just computed it
	}
	ip := len(pb.LinkHeader().Slice()) + len(pb.NetworkHeader().Slice())
	o := Offload{NeedsChecksum: true, ChecksumStart: uint16(ip), ChecksumOffset: g.CsumOffset,
		SegmentSize: g.MSS, HeaderLen: uint16(pb.HeaderSize())}
	if pb.Data().Size() > int(g.MSS) {
		o.Segments = SegmentTCPv4
		if g.Type == stack.GSOTCPv6 {
			o.Segments = SegmentTCPv6
		}
	}
	return o
}

// complete computes the checksum that was left open in the packet b.
func (o Offload) complete(b []byte) {
	start, at := int(o.ChecksumStart), int(o.ChecksumStart)+int(o.ChecksumOffset)
	if !o.NeedsChecksum || at+2 > len(b) {
		return
	}
	sum := ^checksum.Checksum(b[start:], 0)
	if sum == 0 && o.ChecksumOffset != header.TCPChecksumOffset {
		sum = 0xffff // UDP takes 0 for "none" (RFC 768); TCP's is 0 then (RFC 1624)
	}
	binary.BigEndian.PutUint16(b[at:], sum)
}

// offloading is the link end point of an interface whose far end divides
// packets and computes checksums.
type offloading struct{ *endpoint }

var _ stack.GSOEndpoint = offloading{}

// GSOMaxSize implements [stack.GSOEndpoint].
func (offloading) GSOMaxSize() uint32 { return maxSuper }

// SupportedGSO implements [stack.GSOEndpoint].
func (offloading) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }
