package tuntest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	protoUDP      = 17
	udpHeaderLen  = 8
	ipv4HeaderLen = 20
	ipv6HeaderLen = 40
)

// errNotUDP means that a packet is something else than UDP directly over IP.
var errNotUDP = errors.New("not a UDP packet")

// headerLen is the length of the IP and UDP headers that UDP makes for the family of a.
func headerLen(a netip.Addr) int {
	if a.Is4() {
		return ipv4HeaderLen + udpHeaderLen
	}
	return ipv6HeaderLen + udpHeaderLen
}

// UDP returns an IP packet, of the family of src and dst, with a UDP datagram and correct checksums.
func UDP(src, dst netip.AddrPort, payload []byte) []byte {
	p := make([]byte, headerLen(src.Addr())+len(payload))
	ipLen := headerLen(src.Addr()) - udpHeaderLen
	be := binary.BigEndian
	if src.Addr().Is4() { // RFC 791 section 3.1
		p[0] = 4<<4 | ipv4HeaderLen/4
		be.PutUint16(p[2:], uint16(len(p)))
		p[8], p[9] = 64, protoUDP
		copy(p[12:], src.Addr().AsSlice())
		copy(p[16:], dst.Addr().AsSlice())
		be.PutUint16(p[10:], ^sum(0, p[:ipLen]))
	} else { // RFC 8200 section 3
		p[0] = 6 << 4
		be.PutUint16(p[4:], uint16(len(p)-ipLen))
		p[6], p[7] = protoUDP, 64
		copy(p[8:], src.Addr().AsSlice())
		copy(p[24:], dst.Addr().AsSlice())
	}
	u := p[ipLen:] // RFC 768
	be.PutUint16(u[0:], src.Port())
	be.PutUint16(u[2:], dst.Port())
	be.PutUint16(u[4:], uint16(len(u)))
	copy(u[udpHeaderLen:], payload)
	check := ^udpSum(src.Addr(), dst.Addr(), u)
	if check == 0 {
		check = 0xffff // 0 means that there is no checksum
	}
	be.PutUint16(u[6:], check)
	return p
}

// ParseUDP takes apart an IP packet with a whole UDP datagram; payload is part of p. It fails if a length
// or a checksum is wrong.
func ParseUDP(p []byte) (src, dst netip.AddrPort, payload []byte, err error) {
	srcIP, dstIP, u, err := parseIP(p)
	if err != nil {
		return src, dst, nil, err
	}
	be := binary.BigEndian
	if len(u) < udpHeaderLen || int(be.Uint16(u[4:])) != len(u) {
		return src, dst, nil, fmt.Errorf("the UDP length does not fit %d bytes of IP payload", len(u))
	}
	if udpSum(srcIP, dstIP, u) != 0xffff {
		return src, dst, nil, errors.New("the UDP checksum is wrong")
	}
	src = netip.AddrPortFrom(srcIP, be.Uint16(u[0:]))
	dst = netip.AddrPortFrom(dstIP, be.Uint16(u[2:]))
	return src, dst, u[udpHeaderLen:], nil
}

// parseIP returns the addresses and the UDP datagram of a packet.
func parseIP(p []byte) (src, dst netip.Addr, datagram []byte, err error) {
	be := binary.BigEndian
	stated := 0
	switch {
	case len(p) >= ipv4HeaderLen && p[0]>>4 == 4:
		if p[9] != protoUDP || p[0]&0xf != ipv4HeaderLen/4 {
			return src, dst, nil, errNotUDP
		}
		if sum(0, p[:ipv4HeaderLen]) != 0xffff {
			return src, dst, nil, errors.New("the IPv4 header checksum is wrong")
		}
		src, dst = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		stated, datagram = int(be.Uint16(p[2:])), p[ipv4HeaderLen:]
	case len(p) >= ipv6HeaderLen && p[0]>>4 == 6:
		if p[6] != protoUDP {
			return src, dst, nil, errNotUDP
		}
		src, dst = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		stated, datagram = ipv6HeaderLen+int(be.Uint16(p[4:])), p[ipv6HeaderLen:]
	default:
		return src, dst, nil, fmt.Errorf("%d bytes are not an IP packet", len(p))
	}
	if stated != len(p) {
		return src, dst, nil, fmt.Errorf("the packet states a length of %d bytes and has %d", stated, len(p))
	}
	return src, dst, datagram, nil
}

// udpSum is the ones' complement sum over the pseudo-header and the datagram (RFC 768, RFC 8200 section
// 8.1): 0xffff if its checksum is right.
func udpSum(src, dst netip.Addr, datagram []byte) uint16 {
	acc := uint32(protoUDP + len(datagram))
	acc = uint32(sum(acc, src.AsSlice()))
	acc = uint32(sum(acc, dst.AsSlice()))
	return sum(acc, datagram)
}

// sum adds p to acc in ones' complement arithmetic (RFC 1071).
func sum(acc uint32, p []byte) uint16 {
	for ; len(p) >= 2; p = p[2:] {
		acc += uint32(binary.BigEndian.Uint16(p))
	}
	if len(p) == 1 {
		acc += uint32(p[0]) << 8
	}
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}
