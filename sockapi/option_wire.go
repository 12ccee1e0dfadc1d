package sockapi

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// Sizes of option values, in bytes, on x86-64.
const (
	sizeofInt      = 4
	sizeofLinger   = 8  // int l_onoff, l_linger
	sizeofInAddr   = 4  // of IP_MULTICAST_IF
	sizeofIPMreq   = 8  // struct in_addr imr_multiaddr, imr_interface
	sizeofIPMreqn  = 12 // struct in_addr imr_multiaddr, imr_address; int imr_ifindex
	sizeofIPv6Mreq = 20 // struct in6_addr ipv6mr_multiaddr; int ipv6mr_interface
	sizeofName     = 16 // IFNAMSIZ, TCP_CA_NAME_MAX: a NUL is part of it
)

// ParseValue reads what a C program gives setsockopt for this option, laid out
// as on x86-64. The result has the Go type of the option's row; more bytes than
// the structure has are ignored, and too few are EINVAL:
//
//	int, bool, seconds, ms  int, 4 bytes; IPPROTO_IP takes one byte too, and none for 0 where Linux does
//	linger                  struct linger, 8 bytes
//	timeval                 struct timeval, 16 bytes; 292 years or more are no limit
//	string                  up to a NUL, 15 bytes at most; TCP_CONGESTION needs one byte
//	mreq, of IPPROTO_IP     struct ip_mreqn, 12 bytes, or ip_mreq, 8; IP_MULTICAST_IF takes an in_addr, 4
//	mreq, of IPPROTO_IPV6   struct ipv6_mreq, 20 bytes
//
// A timeval with a tv_usec out of its range fails with EDOM, as on Linux. So does
// a negative tv_sec, which [Proc.Setsockopt] refuses; Linux makes calls not wait
// then. TCP_INFO, which is read-only, and refused options, of which the table
// does not know the C type, fail with ENOPROTOOPT. The errors are Errnos. The
// range of a value is Setsockopt's to check.
//
// Sources: sk_setsockopt, do_tcp_setsockopt, do_ip_setsockopt,
// do_ipv6_setsockopt.
func (o *Option) ParseValue(b []byte) (any, error) {
	v, errno := o.parse(b)
	if errno != 0 {
		return nil, errno
	}
	return v, nil
}

func (o *Option) parse(b []byte) (any, Errno) {
	switch {
	case o.Status == Refused:
		return nil, ENOPROTOOPT
	case o.Type == String:
		return o.parseString(b)
	case o.Type == MreqT:
		return o.parseMreq(b)
	case o.Level == IPPROTO_IP && len(b) < sizeofInt:
		b = o.widen(b)
	}
	if len(b) < sizeofInt {
		return nil, EINVAL
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	switch o.Type {
	case Int, Seconds, Millis:
		return n, 0
	case Bool:
		return n != 0, 0
	case LingerT:
		if len(b) < sizeofLinger {
			return nil, EINVAL
		}
		return Linger{On: n != 0, Seconds: int(int32(binary.LittleEndian.Uint32(b[4:])))}, 0
	case Timeval:
		return parseTimeval(b)
	}
	return nil, ENOPROTOOPT // TCP_INFO
}

// widen makes an int of a value that is shorter: its first byte, or 0 for an
// empty one, unless the option needs a byte (do_ip_setsockopt).
func (o *Option) widen(b []byte) []byte {
	switch {
	case len(b) > 0:
		return []byte{b[0], 0, 0, 0}
	case o.Num == IP_TTL || o.Num == IP_MULTICAST_TTL || o.Num == IP_MULTICAST_LOOP:
		return b
	}
	return make([]byte, sizeofInt)
}

func (o *Option) parseString(b []byte) (any, Errno) {
	if o.Num == TCP_CONGESTION && o.Level == IPPROTO_TCP && len(b) == 0 {
		return nil, EINVAL
	}
	b, _, _ = bytes.Cut(b[:min(len(b), sizeofName-1)], []byte{0})
	return string(b), 0
}

func parseTimeval(b []byte) (any, Errno) {
	if len(b) < sizeofTimeval {
		return nil, EINVAL
	}
	sec, usec := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	switch {
	case usec < 0 || usec >= 1e6 || sec < 0:
		return nil, EDOM
	case sec >= math.MaxInt64/int64(time.Second):
		return time.Duration(0), 0
	}
	return time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond, 0
}

// parseMreq tells the structures apart by their length. 0.0.0.0 and :: are no
// address.
func (o *Option) parseMreq(b []byte) (any, Errno) {
	v4 := func(at int) netip.Addr { return given(netip.AddrFrom4([4]byte(b[at:]))) }
	index := func(at int) int { return int(int32(binary.LittleEndian.Uint32(b[at:]))) }
	switch n := len(b); {
	case o.Level == IPPROTO_IPV6:
		if n < sizeofIPv6Mreq {
			return nil, EINVAL
		}
		return Mreq{Group: given(netip.AddrFrom16([16]byte(b))), Ifindex: index(16)}, 0
	case n >= sizeofIPMreqn:
		return Mreq{Group: v4(0), Local: v4(4), Ifindex: index(8)}, 0
	case n >= sizeofIPMreq:
		return Mreq{Group: v4(0), Local: v4(4)}, 0
	case n >= sizeofInAddr && o.Num == IP_MULTICAST_IF:
		return Mreq{Local: v4(0)}, 0
	}
	return nil, EINVAL
}

func given(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// AppendValue appends the C form of a value to b: what [Option.ParseValue]
// reads back. It takes the Go types that [Proc.Setsockopt] takes. A time is
// rounded up to microseconds; TCP_CONGESTION has 16 bytes, padded with zeros,
// and an interface's name a NUL, unless it is empty; an mreq of IPPROTO_IP is a
// struct ip_mreqn.
//
// TCP_INFO is struct tcp_info up to tcpi_rcv_wnd, 240 bytes with the padding.
// These fields are what netstack knows; all others within it are zero, which is
// then no count, and those after it are absent, as on a kernel before 6.2:
//
//	tcpi_state  tcpi_ca_state  tcpi_options (TIMESTAMPS, SACK, and WSCALE for a scale that is not 0)
//	tcpi_snd_wscale  tcpi_rcv_wscale  tcpi_rto  tcpi_snd_mss  tcpi_unacked  tcpi_sacked
//	tcpi_rtt  tcpi_rttvar  tcpi_snd_ssthresh  tcpi_snd_cwnd  tcpi_min_rtt  tcpi_snd_wnd  tcpi_rcv_wnd
//
// It fails with EINVAL for a value of another type or one that does not fit,
// with EDOM for a negative time, and with ENOPROTOOPT for a refused option. The
// errors are Errnos; b is returned as it was.
func (o *Option) AppendValue(b []byte, value any) ([]byte, error) {
	out, errno := o.append(b, value)
	if errno != 0 {
		return b, errno
	}
	return out, nil
}

func (o *Option) append(b []byte, value any) ([]byte, Errno) {
	if o.Status == Refused {
		return b, ENOPROTOOPT
	}
	if info, ok := value.(TCPInfo); ok && o.Type == Info {
		return appendTCPInfo(b, &info), 0
	}
	v, errno := o.convert(value)
	if errno != 0 {
		return b, errno
	}
	switch v := v.(type) {
	case bool:
		return appendInt(b, boolInt(v))
	case int:
		return appendInt(b, v)
	case Linger:
		if b, errno = appendInt(b, boolInt(v.On)); errno != 0 {
			return b, errno
		}
		return appendInt(b, v.Seconds)
	case time.Duration:
		if v < 0 {
			return b, EDOM
		}
		sec, usec := v/time.Second, (v%time.Second+time.Microsecond-1)/time.Microsecond
		if usec == 1e6 {
			sec, usec = sec+1, 0
		}
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, uint64(sec)), uint64(usec)), 0
	case string:
		return o.appendString(b, v)
	}
	return o.appendMreq(b, v.(Mreq))
}

// appendInt takes the numbers of an int and of an unsigned int.
func appendInt(b []byte, n int) ([]byte, Errno) {
	if int64(n) < math.MinInt32 || int64(n) > math.MaxUint32 {
		return b, EINVAL
	}
	return binary.LittleEndian.AppendUint32(b, uint32(n)), 0
}

func (o *Option) appendString(b []byte, s string) ([]byte, Errno) {
	if len(s) >= sizeofName || bytes.IndexByte([]byte(s), 0) >= 0 {
		return b, EINVAL
	}
	pad := 1
	switch {
	case o.Level == IPPROTO_TCP && o.Num == TCP_CONGESTION:
		pad = sizeofName - len(s)
	case s == "":
		pad = 0
	}
	return append(append(b, s...), make([]byte, pad)...), 0
}

func (o *Option) appendMreq(b []byte, m Mreq) ([]byte, Errno) {
	if m.Ifindex != int(int32(m.Ifindex)) {
		return b, EINVAL
	}
	if o.Level == IPPROTO_IPV6 {
		if !is6(m.Group) || m.Local.IsValid() {
			return b, EINVAL
		}
		return binary.LittleEndian.AppendUint32(appendAddr(b, m.Group, 16), uint32(m.Ifindex)), 0
	}
	if !is4(m.Group) || !is4(m.Local) {
		return b, EINVAL
	}
	b = appendAddr(appendAddr(b, m.Group, 4), m.Local, 4)
	return binary.LittleEndian.AppendUint32(b, uint32(m.Ifindex)), 0
}
