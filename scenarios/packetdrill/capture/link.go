package capture

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// Ethernet's types: IEEE 802 numbers.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ before 802.1ad
)

// Link types of the tcpdump.org registry that layers does not name by these
// numbers on every system.
const (
	linkRawBSD  layers.LinkType = 12 // raw IP, and 14 on OpenBSD
	linkRawOBSD layers.LinkType = 14
	linkSLL2    layers.LinkType = 276
)

// network is the packet of a frame from its IP header on. ok is false for what
// is not IP; known is false for a link type that cannot be read.
func (f *frame) network() (b []byte, ok, known bool) {
	switch f.link {
	case layers.LinkTypeEthernet:
		b, ok = ethernet(f.data, 12)
	case layers.LinkTypeLinuxSLL:
		f.cooked(f.data, 0)
		b, ok = ethernet(f.data, 14)
	case linkSLL2:
		b, ok = f.cooked2()
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, linkRawBSD, linkRawOBSD:
		b, ok = f.data, true
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		if len(f.data) >= 4 {
			b, ok = f.data[4:], true // the family's number differs between systems: IP's version tells
		}
	default:
		return nil, false, false
	}
	return b, ok && len(b) > 0 && (b[0]>>4 == 4 || b[0]>>4 == 6), true
}

// ethernet skips VLAN tags; the type is at the given byte.
func ethernet(b []byte, at int) ([]byte, bool) {
	for len(b) >= at+2 {
		switch binary.BigEndian.Uint16(b[at:]) {
		case etherIPv4, etherIPv6:
			return b[at+2:], true
		case etherVLAN, etherQinQ, etherOld:
			at += 4
		default:
			return nil, false
		}
	}
	return nil, false
}

// packetOutgoing is the type of a packet that the host itself has sent:
// LINKTYPE_LINUX_SLL's first field, as in packet(7).
const packetOutgoing = 4

// cooked takes the direction of a Linux cooked header.
func (f *frame) cooked(b []byte, at int) {
	switch {
	case len(b) < at+2 || f.dir != unknown:
	case binary.BigEndian.Uint16(b[at:]) == packetOutgoing:
		f.dir = outbound
	default:
		f.dir = inbound
	}
}

// cooked2 is version 2: protocol, reserved, interface, ARPHRD, packet type (1
// byte), address length, address: 20 bytes.
func (f *frame) cooked2() ([]byte, bool) {
	if len(f.data) < 20 {
		return nil, false
	}
	if f.dir == unknown {
		f.dir = inbound
		if f.data[10] == packetOutgoing {
			f.dir = outbound
		}
	}
	f.iface = int(binary.BigEndian.Uint32(f.data[4:]))
	switch binary.BigEndian.Uint16(f.data) {
	case etherIPv4, etherIPv6:
		return f.data[20:], true
	case etherVLAN, etherQinQ, etherOld:
		return ethernet(f.data, 22)
	}
	return nil, false
}
