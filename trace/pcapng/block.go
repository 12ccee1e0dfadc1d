package pcapng

import (
	"encoding/binary"
	"strings"
)

// The blocks of draft-ietf-opsawg-pcapng that a capture needs, little-endian
// on every machine. Section numbers in this file are that draft's.

// Block types (sections 4.1, 4.2 and 4.3).
const (
	typeSection   = 0x0a0d0d0a
	typeInterface = 1
	typePacket    = 6
)

// Option codes. 0 and 1 are common to all blocks (section 3.5), the others
// belong to the section (4.1), interface (4.2) and packet (4.3) block.
const (
	optEnd      = 0
	optComment  = 1
	shbUserAppl = 4
	ifName      = 2
	ifTSResol   = 9
	epbFlags    = 2
	epbPacketID = 5
)

// Link types of the tcpdump.org registry: a packet from its IP header on,
// version 4 or 6 as its first four bits say, and an Ethernet frame.
const (
	linkTypeEthernet = 1
	linkTypeRaw      = 101
)

// Direction, bits 0 and 1 of epb_flags (section 4.3.1).
const (
	flagInbound  = 1
	flagOutbound = 2
)

var le = binary.LittleEndian

// appendSection appends a Section Header Block (4.1). Its length is left
// unspecified (-1), since the file may still grow. Hardware and operating
// system are left out: they would differ between machines.
func appendSection(b []byte, comment string) []byte {
	start := len(b)
	b = beginBlock(b, typeSection)
	b = le.AppendUint32(b, 0x1a2b3c4d) // byte-order magic
	b = le.AppendUint16(b, 1)          // version 1.0
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, 1<<64-1)
	if comment != "" {
		b = appendText(b, optComment, comment)
	}
	b = appendText(b, shbUserAppl, "fivetuple")
	return endBlock(b, start)
}

// appendInterface appends an Interface Description Block (4.2) without a
// limit on packet sizes and with timestamps in units of 10^-9 seconds.
func appendInterface(b []byte, name string, ethernet bool) []byte {
	start := len(b)
	b = beginBlock(b, typeInterface)
	if ethernet {
		b = le.AppendUint16(b, linkTypeEthernet)
	} else {
		b = le.AppendUint16(b, linkTypeRaw)
	}
	b = le.AppendUint16(b, 0) // reserved
	b = le.AppendUint32(b, 0) // no snapshot length
	b = appendText(b, ifName, name)
	b = le.AppendUint16(b, ifTSResol)
	b = le.AppendUint16(b, 1)
	b = append(b, 9, 0, 0, 0)
	return endBlock(b, start)
}

// packetBlock is what one Enhanced Packet Block says.
type packetBlock struct {
	iface   uint32
	nanos   uint64 // since 1970
	data    []byte
	comment string
	inbound bool
	// num is the packet's number, 0 if it has none. epb_packetid is the same
	// wherever the same packet is seen (4.3), which is what it means here.
	num uint64
}

// appendPacket appends an Enhanced Packet Block (4.3). epb_dropcount is not
// used: it counts packets that a capture missed, and this one misses none.
func appendPacket(b []byte, p packetBlock) []byte {
	start := len(b)
	b = beginBlock(b, typePacket)
	b = le.AppendUint32(b, p.iface)
	b = le.AppendUint32(b, uint32(p.nanos>>32)) // high half first in either byte order
	b = le.AppendUint32(b, uint32(p.nanos))
	b = le.AppendUint32(b, uint32(len(p.data))) // captured
	b = le.AppendUint32(b, uint32(len(p.data))) // on the wire
	b = append(b, p.data...)
	b = pad(b, len(p.data))

	b = appendText(b, optComment, p.comment)
	b = le.AppendUint16(b, epbFlags)
	b = le.AppendUint16(b, 4)
	if p.inbound {
		b = le.AppendUint32(b, flagInbound)
	} else {
		b = le.AppendUint32(b, flagOutbound)
	}
	if p.num != 0 {
		b = le.AppendUint16(b, epbPacketID)
		b = le.AppendUint16(b, 8)
		b = le.AppendUint64(b, p.num)
	}
	return endBlock(b, start)
}

// beginBlock appends the head that every block has (3.1); endBlock fills in
// its length.
func beginBlock(b []byte, blockType uint32) []byte {
	b = le.AppendUint32(b, blockType)
	return le.AppendUint32(b, 0)
}

// endBlock ends the options and the block that begins at start. The length is
// written at both ends, so that a file can be read backwards.
func endBlock(b []byte, start int) []byte {
	b = le.AppendUint32(b, optEnd)
	total := uint32(len(b) - start + 4)
	le.PutUint32(b[start+4:], total)
	return le.AppendUint32(b, total)
}

// maxText is the longest text that is kept: an option's length has 16 bits.
const maxText = 1<<16 - 1

// appendText appends an option whose value is text. The draft wants UTF-8.
func appendText(b []byte, code uint16, text string) []byte {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.ToValidUTF8(text, "?") // replaces byte for byte at most: never longer
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(text)))
	b = append(b, text...)
	return pad(b, len(text))
}

// pad fills up to 32 bits behind n bytes of data (3.6.2).
func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// wholeBlocks is how many of the first n bytes of b, which begins with a
// block, are whole blocks.
func wholeBlocks(b []byte, n int) int {
	whole := 0
	for {
		if len(b)-whole < 8 {
			return whole
		}
		next := whole + int(le.Uint32(b[whole+4:]))
		if next > n {
			return whole
		}
		whole = next
	}
}
