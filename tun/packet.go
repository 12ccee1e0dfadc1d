package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxSuper is the length in bytes of the longest IP packet, super-packets included: what IPv4's total length
// can say.
const MaxSuper = 65535

// superOf is the length in bytes of the longest super-packet with its link header.
func superOf(d Device) int { return mostOf(MaxSuper, d.Ethernet()) }

// Packet is a packet of a batch.
type Packet struct {
	// Data is the packet's memory, in order. ReadBatch fills it; WriteBatch takes all of it.
	Data [][]byte

	// Len is how many bytes of Data ReadBatch has filled. WriteBatch does not look at it.
	Len int

	Offload
}

// Offload is the work on a packet that its sender has left to the other side, in the terms of virtio-net's
// header (virtio 1.2 section 5.1.6). Places in the packet count from its first byte, of an Ethernet header if there
// is one. The zero value is an ordinary packet.
type Offload struct {
	// NeedsChecksum: the transport checksum, ChecksumOffset bytes after ChecksumStart, covers the
	// pseudo-header and nothing else yet.
	NeedsChecksum bool

	// Verified: somebody has verified the checksums.
	Verified bool

	// Segments is what the packet is to be divided into; SegmentSize is the most payload that one takes,
	// in bytes. HeaderLen is the length of the headers that each of them gets; it is a hint.
	Segments                      SegmentType
	ChecksumStart, ChecksumOffset uint16
	SegmentSize, HeaderLen        uint16
}

// SegmentType is the kind of a super-packet, with virtio-net's numbers.
type SegmentType uint8

// The kinds of super-packets.
const (
	SegmentNone  SegmentType = 0
	SegmentTCPv4 SegmentType = 1
	SegmentTCPv6 SegmentType = 4
	SegmentUDP   SegmentType = 5 // of datagrams with one size, but for the last (VIRTIO_NET_HDR_GSO_UDP_L4)
)

// size is how much fits into Data, or is in it.
func (p *Packet) size() (n int) {
	for _, d := range p.Data {
		n += len(d)
	}
	return n
}

// first is the first byte, 0 if there is none.
func (p *Packet) first() byte {
	for _, d := range p.Data {
		if len(d) > 0 {
			return d[0]
		}
	}
	return 0
}

// checkReadBatch refuses buffers that could not hold what the device may deliver.
func checkReadBatch(name string, least int, ps []Packet) error {
	for i := range ps {
		if n := ps[i].size(); n < least {
			return &Error{
				Problem: fmt.Sprintf("read %s: a buffer of %d bytes is shorter than %d", name, n, least), Err: io.ErrShortBuffer,
			}
		}
	}
	return nil
}

// checkWriteBatch refuses what a device cannot carry.
func checkWriteBatch(d Device, p *Packet) error {
	n := p.size()
	if err := checkPacket(d, n, p.first()); err != nil {
		return err
	}
	most := d.Most()
	if p.Segments != SegmentNone {
		most = superOf(d)
	}
	switch {
	case n > most:
		return &Error{Problem: fmt.Sprintf("write %s: a packet of %d bytes is longer than %d", d.Name(), n, most), Err: ErrTooLong}
	case p.Offload != (Offload{}) && !d.Offloads(), p.Segments == SegmentUDP && !d.OffloadsUDP():
		return &Error{Problem: fmt.Sprintf("write %s: the device has no such offload", d.Name()), Err: errors.ErrUnsupported}
	}
	return nil
}

// scatter copies b, which fits, to p.
func (p *Packet) scatter(b []byte) {
	p.Len = len(b)
	for _, d := range p.Data {
		b = b[copy(d, b):]
	}
}

// flat is the packet in one piece.
func (p *Packet) flat() []byte {
	b := make([]byte, 0, p.size())
	for _, d := range p.Data {
		b = append(b, d...)
	}
	return b
}

// Complete computes the checksum that was left open in the packet b.
func (o *Offload) Complete(b []byte) {
	start, at := int(o.ChecksumStart), int(o.ChecksumStart)+int(o.ChecksumOffset)
	if !o.NeedsChecksum || at+2 > len(b) {
		return
	}
	sum := uint32(0)
	for i := start; i < len(b); i += 2 { // RFC 1071
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum = ^sum & 0xffff; sum == 0 {
		sum = 0xffff // UDP takes 0 for "none"; to TCP both are the same
	}
	binary.BigEndian.PutUint16(b[at:], uint16(sum))
}

// virtio-net's header in front of each packet, without the count of merged buffers (virtio 1.2 section
// 5.1.6); the kernel's byte order is the machine's.
const (
	vnetLen = 10

	vnetNeedsChecksum = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	vnetDataValid     = 2 // VIRTIO_NET_HDR_F_DATA_VALID
)

// putVnet writes the header for o.
func (o *Offload) putVnet(b []byte) {
	ne := binary.NativeEndian
	b[0] = 0
	if o.NeedsChecksum {
		b[0] = vnetNeedsChecksum
	}
	b[1] = byte(o.Segments)
	ne.PutUint16(b[2:], o.HeaderLen)
	ne.PutUint16(b[4:], o.SegmentSize)
	ne.PutUint16(b[6:], o.ChecksumStart)
	ne.PutUint16(b[8:], o.ChecksumOffset)
	if o.Segments == SegmentNone {
		clear(b[2:6])
	}
}

// getVnet reads the header.
func getVnet(b []byte) Offload {
	ne := binary.NativeEndian
	o := Offload{
		NeedsChecksum: b[0]&vnetNeedsChecksum != 0, Verified: b[0]&vnetDataValid != 0,
		Segments: SegmentType(b[1] &^ 0x80), // VIRTIO_NET_HDR_GSO_ECN
	}
	if o.Segments != SegmentNone {
		o.HeaderLen, o.SegmentSize = ne.Uint16(b[2:]), ne.Uint16(b[4:])
	}
	if o.NeedsChecksum {
		o.ChecksumStart, o.ChecksumOffset = ne.Uint16(b[6:]), ne.Uint16(b[8:])
	}
	return o
}
