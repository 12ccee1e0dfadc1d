package sockapi

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// Sizes of what control messages are made of, in bytes, on x86-64.
const (
	sizeofCmsghdr     = 16 // size_t cmsg_len; int cmsg_level, cmsg_type
	sizeofTimeval     = 16 // struct timespec too
	sizeofInPktinfo   = 12
	sizeofIn6Pktinfo  = 20
	sizeofExtendedErr = 16 // struct sock_extended_err, without the offender
)

// CmsgLen is CMSG_LEN of cmsg(3): cmsg_len of a message with n bytes of data.
func CmsgLen(n int) int { return sizeofCmsghdr + n }

// CmsgSpace is CMSG_SPACE of cmsg(3): what a message with n bytes of data takes
// up in a control buffer.
func CmsgSpace(n int) int { return sizeofCmsghdr + cmsgAlign(n) }

// cmsgAlign is CMSG_ALIGN: up to a multiple of sizeof(size_t).
func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// ParseControl reads a control buffer, msg_control of struct msghdr: a sequence
// of struct cmsghdr, laid out as on x86-64, each at a multiple of eight bytes.
// Values have the Go types that [Cmsg] lists; a message of any other type keeps
// a copy of its data, as []byte. IP_TOS is one byte (as received) or an int.
// What is left at the end, if it is too short for a header, is ignored: cmsg(3).
//
// It fails with EINVAL if a cmsg_len is shorter than the header or goes beyond
// the buffer (CMSG_OK of <linux/socket.h>), if a type's data does not have the
// type's size, and for a time or an address within it that Linux cannot have
// written. The errors are Errnos.
func ParseControl(b []byte) ([]Cmsg, error) {
	var out []Cmsg
	for len(b) >= sizeofCmsghdr {
		n := binary.LittleEndian.Uint64(b)
		if n < sizeofCmsghdr || n > uint64(len(b)) {
			return nil, EINVAL
		}
		m := Cmsg{Level: int(int32(binary.LittleEndian.Uint32(b[8:]))), Type: int(int32(binary.LittleEndian.Uint32(b[12:])))}
		errno := m.parse(b[sizeofCmsghdr:n])
		if errno != 0 {
			return nil, errno
		}
		out = append(out, m)
		b = b[min(cmsgAlign(int(n)), len(b)):]
	}
	return out, nil
}

// parse reads a message's data.
//
// parser: one case a type
func (m *Cmsg) parse(b []byte) (errno Errno) {
	switch (optKey{m.Level, m.Type}) {
	case optKey{SOL_SOCKET, SO_TIMESTAMP}:
		m.Value, errno = parseTime(b, time.Microsecond)
	case optKey{SOL_SOCKET, SO_TIMESTAMPNS}:
		m.Value, errno = parseTime(b, time.Nanosecond)
	case optKey{IPPROTO_IP, IP_PKTINFO}:
		if len(b) != sizeofInPktinfo {
			return EINVAL
		}
		m.Value = PktInfo{Ifindex: int(int32(binary.LittleEndian.Uint32(b))),
			SpecDst: netip.AddrFrom4([4]byte(b[4:])), Addr: netip.AddrFrom4([4]byte(b[8:]))}
	case optKey{IPPROTO_IPV6, IPV6_PKTINFO}:
		if len(b) < sizeofIn6Pktinfo { // ip6_datagram_send_ctl takes a longer one
			return EINVAL
		}
		m.Value = PktInfo{Ifindex: int(binary.LittleEndian.Uint32(b[16:])), Addr: netip.AddrFrom16([16]byte(b))}
	case optKey{IPPROTO_IP, IP_TOS}:
		if len(b) != 1 && (len(b) != 4 || binary.LittleEndian.Uint32(b) > math.MaxUint8) {
			return EINVAL
		}
		m.Value = int(b[0])
	case optKey{IPPROTO_IP, IP_TTL}, optKey{IPPROTO_IPV6, IPV6_HOPLIMIT}, optKey{IPPROTO_IPV6, IPV6_TCLASS}:
		if len(b) != 4 {
			return EINVAL
		}
		m.Value = int(int32(binary.LittleEndian.Uint32(b)))
	case optKey{IPPROTO_IP, IP_ORIGDSTADDR}:
		a, err := ParseSockaddr(b)
		if err != nil || a.Family != AF_INET || len(b) != SizeofSockaddrIn {
			return EINVAL
		}
		m.Value = a.Addr
	case optKey{IPPROTO_IP, IP_RECVERR}:
		m.Value, errno = parseExtendedErr(b, AF_INET, SizeofSockaddrIn)
	case optKey{IPPROTO_IPV6, IPV6_RECVERR}:
		m.Value, errno = parseExtendedErr(b, AF_INET6, SizeofSockaddrIn6)
	default:
		m.Value = append([]byte{}, b...)
	}
	return errno
}

// parseTime reads struct timeval or, in nanoseconds, struct timespec.
func parseTime(b []byte, unit time.Duration) (any, Errno) {
	if len(b) != sizeofTimeval {
		return nil, EINVAL
	}
	sec, frac := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	if frac < 0 || frac >= int64(time.Second/unit) {
		return nil, EINVAL
	}
	return time.Unix(sec, frac*int64(unit)).UTC(), 0
}

// parseExtendedErr reads struct sock_extended_err and the address that follows
// it, which is of AF_UNSPEC where nobody sent the error.
func parseExtendedErr(b []byte, family, size int) (any, Errno) {
	if len(b) != sizeofExtendedErr+size {
		return nil, EINVAL
	}
	from, err := ParseSockaddr(b[sizeofExtendedErr:])
	errno := binary.LittleEndian.Uint32(b)
	if err != nil || from.Family != AF_UNSPEC && from.Family != family || errno > math.MaxUint16 {
		return nil, EINVAL
	}
	return ExtendedErr{Errno: Errno(errno), Origin: int(b[4]), Type: int(b[5]), Code: int(b[6]),
		Info: int(binary.LittleEndian.Uint32(b[8:])), Data: int(binary.LittleEndian.Uint32(b[12:])), Offender: from.Addr.Addr()}, 0
}

// AppendControl appends control messages to b as Linux writes them into
// msg_control: each is padded with zeros to a multiple of eight bytes, the last
// too. IP_TOS takes one byte, as received; sendmsg takes that as well. A message
// of a type that [Cmsg] does not list has a []byte.
//
// It fails with EINVAL for a value that has another Go type or does not fit. The
// errors are Errnos; b is returned as it was.
func AppendControl(b []byte, control []Cmsg) ([]byte, error) {
	out := b
	for _, m := range control {
		start := len(out)
		if m.Level != int(int32(m.Level)) || m.Type != int(int32(m.Type)) {
			return b, EINVAL
		}
		out = binary.LittleEndian.AppendUint64(out, 0)
		out = binary.LittleEndian.AppendUint32(out, uint32(m.Level))
		out = binary.LittleEndian.AppendUint32(out, uint32(m.Type))
		var errno Errno
		if out, errno = m.append(out); errno != 0 {
			return b, errno
		}
		n := len(out) - start
		binary.LittleEndian.PutUint64(out[start:], uint64(n))
		out = append(out, make([]byte, cmsgAlign(n)-n)...)
	}
	return out, nil
}

// append appends a message's data.
//
// parser: one case a type
func (m *Cmsg) append(b []byte) ([]byte, Errno) {
	number, isInt := m.Value.(int)
	when, isTime := m.Value.(time.Time)
	pktinfo, isInfo := m.Value.(PktInfo)
	ok := false
	switch (optKey{m.Level, m.Type}) {
	case optKey{SOL_SOCKET, SO_TIMESTAMP}:
		b, ok = appendTime(b, when, time.Microsecond), isTime
	case optKey{SOL_SOCKET, SO_TIMESTAMPNS}:
		b, ok = appendTime(b, when, time.Nanosecond), isTime
	case optKey{IPPROTO_IP, IP_PKTINFO}:
		ok = isInfo && pktinfo.Ifindex == int(int32(pktinfo.Ifindex)) && is4(pktinfo.SpecDst) && is4(pktinfo.Addr)
		if ok {
			b = binary.LittleEndian.AppendUint32(b, uint32(pktinfo.Ifindex))
			b = appendAddr(appendAddr(b, pktinfo.SpecDst, 4), pktinfo.Addr, 4)
		}
	case optKey{IPPROTO_IPV6, IPV6_PKTINFO}:
		a := pktinfo.Addr
		ok = isInfo && uint64(pktinfo.Ifindex) <= math.MaxUint32 && is6(a)
		if ok {
			b = binary.LittleEndian.AppendUint32(appendAddr(b, a, 16), uint32(pktinfo.Ifindex))
		}
	case optKey{IPPROTO_IP, IP_TOS}:
		b, ok = append(b, byte(number)), isInt && number == int(byte(number))
	case optKey{IPPROTO_IP, IP_TTL}, optKey{IPPROTO_IPV6, IPV6_HOPLIMIT}, optKey{IPPROTO_IPV6, IPV6_TCLASS}:
		b, ok = binary.LittleEndian.AppendUint32(b, uint32(number)), isInt && number == int(int32(number))
	case optKey{IPPROTO_IP, IP_ORIGDSTADDR}:
		a, _ := m.Value.(netip.AddrPort)
		var err error
		b, err = AppendSockaddr(b, Sockaddr{Family: AF_INET, Addr: a})
		ok = err == nil
	case optKey{IPPROTO_IP, IP_RECVERR}:
		b, ok = appendExtendedErr(b, m.Value, AF_INET, SizeofSockaddrIn)
	case optKey{IPPROTO_IPV6, IPV6_RECVERR}:
		b, ok = appendExtendedErr(b, m.Value, AF_INET6, SizeofSockaddrIn6)
	default:
		var raw []byte
		raw, ok = m.Value.([]byte)
		b = append(b, raw...)
	}
	if !ok {
		return b, EINVAL
	}
	return b, 0
}

func appendTime(b []byte, t time.Time, unit time.Duration) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.LittleEndian.AppendUint64(b, uint64(t.Nanosecond()/int(unit)))
}

// appendExtendedErr appends struct sock_extended_err and the offender's address,
// which takes size bytes whatever it is.
func appendExtendedErr(b []byte, value any, family, size int) ([]byte, bool) {
	e, ok := value.(ExtendedErr)
	if !ok || uint64(e.Info) > math.MaxUint32 || uint64(e.Data) > math.MaxUint32 || e.Origin != int(byte(e.Origin)) || e.Type != int(byte(e.Type)) || e.Code != int(byte(e.Code)) {
		return b, false
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Errno))
	b = append(b, byte(e.Origin), byte(e.Type), byte(e.Code), 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Info))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Data))
	if !e.Offender.IsValid() {
		return append(b, make([]byte, size)...), true
	}
	b, err := AppendSockaddr(b, Sockaddr{Family: family, Addr: netip.AddrPortFrom(e.Offender, 0)})
	return b, err == nil
}

// is4 reports whether an address can be written as struct in_addr; one that is
// not valid is 0.0.0.0.
func is4(a netip.Addr) bool { return !a.IsValid() || a.Is4() }

// is6 reports whether an address can be written as struct in6_addr, which has
// no scope; one that is not valid is ::.
func is6(a netip.Addr) bool { return !a.IsValid() || a.Is6() && a.Zone() == "" }

// appendAddr appends an address of size bytes, zeros for one that is not valid.
func appendAddr(b []byte, a netip.Addr, size int) []byte {
	if !a.IsValid() {
		return append(b, make([]byte, size)...)
	}
	return append(b, a.AsSlice()...)
}
