package sockapi

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Sizes of Linux's socket addresses, in bytes: <linux/in.h>, <linux/in6.h>,
// <linux/if_packet.h>, <linux/socket.h>.
const (
	SizeofSockaddr    = 16 // struct sockaddr, what AF_UNSPEC has
	SizeofSockaddrIn  = 16
	SizeofSockaddrIn6 = 28
	SizeofSockaddrLl  = 20

	sizeofSockaddrIn6Old = 24 // RFC 2133's, without the scope: Linux takes it still
)

// Sockaddr is struct sockaddr: an address of any family. Its zero value is that
// of AF_UNSPEC, with which connect dissolves an association: connect(2).
type Sockaddr struct {
	Family int            // AF_UNSPEC, AF_INET, AF_INET6 or AF_PACKET
	Addr   netip.AddrPort // of AF_INET and AF_INET6
	Link   LinkAddr       // of AF_PACKET
}

// SockaddrOf is the address of AF_INET or AF_INET6; of AF_UNSPEC if a is not
// valid.
func SockaddrOf(a netip.AddrPort) Sockaddr {
	switch {
	case a.Addr().Is4():
		return Sockaddr{Family: AF_INET, Addr: a}
	case a.Addr().Is6():
		return Sockaddr{Family: AF_INET6, Addr: a}
	}
	return Sockaddr{}
}

// String reads "10.0.0.2:80", "[fe80::1%2]:80", "if2 ETH_P_IP" or "AF_UNSPEC".
func (s Sockaddr) String() string {
	switch s.Family {
	case AF_INET, AF_INET6:
		return s.Addr.String()
	case AF_PACKET:
		return s.Link.String()
	case AF_UNSPEC:
		return "AF_UNSPEC"
	}
	return familyName(s.Family)
}

// ParseSockaddr reads struct sockaddr_in (ip(7)), sockaddr_in6 (ipv6(7)),
// sockaddr_ll (packet(7)), or an address of AF_UNSPEC, laid out as on x86-64:
// the family in the machine's byte order, ports and EtherTypes in the network's.
// More bytes than the family's structure has are ignored.
//
// sin6_scope_id becomes the zone, a decimal number, of an address that has a
// scope; Linux ignores it for others. sin6_flowinfo and sll_hatype have no place
// in a Sockaddr.
//
// It fails with EINVAL if b is too short, or if sll_halen says that the Ethernet
// address is, and with EAFNOSUPPORT for another family. The errors are Errnos.
func ParseSockaddr(b []byte) (Sockaddr, error) {
	if len(b) < 2 {
		return Sockaddr{}, EINVAL
	}
	s := Sockaddr{Family: int(binary.LittleEndian.Uint16(b))}
	switch s.Family {
	case AF_UNSPEC:
		return s, nil
	case AF_INET:
		if len(b) < SizeofSockaddrIn {
			return Sockaddr{}, EINVAL
		}
		s.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	case AF_INET6:
		if len(b) < sizeofSockaddrIn6Old {
			return Sockaddr{}, EINVAL
		}
		a := netip.AddrFrom16([16]byte(b[8:24]))
		if len(b) >= SizeofSockaddrIn6 && scoped(a) {
			if id := binary.LittleEndian.Uint32(b[24:]); id != 0 {
				a = a.WithZone(strconv.FormatUint(uint64(id), 10))
			}
		}
		s.Addr = netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[2:]))
	case AF_PACKET:
		link, errno := parseLinkAddr(b)
		if errno != 0 {
			return Sockaddr{}, errno
		}
		s.Link = link
	default:
		return Sockaddr{}, EAFNOSUPPORT
	}
	return s, nil
}

// scoped reports whether Linux looks at an address's scope:
// __ipv6_addr_needs_scope_id.
func scoped(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast()
}

// parseLinkAddr reads struct sockaddr_ll as packet_snd does: sll_halen is 0
// where there is no address, and must be within b.
func parseLinkAddr(b []byte) (l LinkAddr, errno Errno) {
	if len(b) < SizeofSockaddrLl {
		return l, EINVAL
	}
	l.Protocol = int(binary.BigEndian.Uint16(b[2:]))
	l.Ifindex = int(int32(binary.LittleEndian.Uint32(b[4:])))
	l.PktType = int(b[10])
	switch halen := int(b[11]); {
	case halen == 0:
	case halen < len(l.Addr) || 12+halen > len(b):
		return LinkAddr{}, EINVAL
	default:
		l.Addr = [6]byte(b[12:])
	}
	return l, 0
}

// AppendSockaddr appends the C form of an address to b: SizeofSockaddrIn,
// SizeofSockaddrIn6, SizeofSockaddrLl or SizeofSockaddr bytes. sll_hatype is
// ARPHRD_ETHER, and sll_halen 6, for a LinkAddr that has an Ethernet address;
// both are 0 for one that has none.
//
// It fails with EINVAL if the address is not one of the family, if a field does
// not fit, and for a zone that is no number: if_nametoindex finds the number of
// a name. For another family it fails with EAFNOSUPPORT. The errors are Errnos;
// b is returned as it was.
func AppendSockaddr(b []byte, s Sockaddr) ([]byte, error) {
	a := s.Addr.Addr()
	out := binary.LittleEndian.AppendUint16(b, uint16(s.Family))
	out = binary.BigEndian.AppendUint16(out, s.Addr.Port())
	switch s.Family {
	case AF_UNSPEC:
		return append(b, make([]byte, SizeofSockaddr)...), nil
	case AF_INET:
		if !a.Is4() {
			return b, EINVAL
		}
		return append(append(out, a.AsSlice()...), make([]byte, 8)...), nil // sin_zero
	case AF_INET6:
		scope, errno := scopeID(a)
		if errno != 0 {
			return b, errno
		}
		out = binary.LittleEndian.AppendUint32(out, 0) // sin6_flowinfo
		out = append(out, a.AsSlice()...)
		return binary.LittleEndian.AppendUint32(out, scope), nil
	case AF_PACKET:
		return appendLinkAddr(b, s.Link)
	}
	return b, EAFNOSUPPORT
}

// scopeID is sin6_scope_id of an address.
func scopeID(a netip.Addr) (uint32, Errno) {
	if !a.Is6() {
		return 0, EINVAL
	}
	if a.Zone() == "" {
		return 0, 0
	}
	id, err := strconv.ParseUint(a.Zone(), 10, 32)
	if err != nil {
		return 0, EINVAL
	}
	return uint32(id), 0
}

func appendLinkAddr(b []byte, l LinkAddr) ([]byte, error) {
	if l.Protocol < 0 || l.Protocol > 0xffff || l.Ifindex != int(int32(l.Ifindex)) || l.PktType < 0 || l.PktType > 0xff {
		return b, EINVAL
	}
	hatype, halen := uint16(0), byte(0)
	if l.Addr != [6]byte{} {
		hatype, halen = 1, 6 // ARPHRD_ETHER, ETH_ALEN
	}
	b = binary.LittleEndian.AppendUint16(b, AF_PACKET)
	b = binary.BigEndian.AppendUint16(b, uint16(l.Protocol))
	b = binary.LittleEndian.AppendUint32(b, uint32(l.Ifindex))
	b = binary.LittleEndian.AppendUint16(b, hatype)
	b = append(b, byte(l.PktType), halen)
	return append(append(b, l.Addr[:]...), 0, 0), nil
}

// zoned is the interface that an address's zone names, or whose number it is;
// 0 if there is none.
func (s *socket) zoned(zone string) int {
	for _, i := range s.st.Interfaces() {
		if i.Name() == zone || itoa(i.Index()) == zone {
			return i.Index()
		}
	}
	return 0
}
