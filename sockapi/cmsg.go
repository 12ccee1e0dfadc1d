package sockapi

import (
	"fmt"
	"net/netip"
	"time"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Cmsg is one control message, the ancillary data of sendmsg and recvmsg:
// cmsg(3). Its Value has this Go type:
//
//	SOL_SOCKET    SO_TIMESTAMP     time.Time, of the world's clock; SO_TIMESTAMPNS too
//	IPPROTO_IP    IP_PKTINFO       PktInfo
//	IPPROTO_IP    IP_TTL, IP_TOS   int
//	IPPROTO_IP    IP_ORIGDSTADDR   netip.AddrPort
//	IPPROTO_IP    IP_RECVERR       ExtendedErr
//	IPPROTO_IPV6  IPV6_PKTINFO     PktInfo, without SpecDst
//	IPPROTO_IPV6  IPV6_HOPLIMIT, IPV6_TCLASS  int
//	IPPROTO_IPV6  IPV6_RECVERR     ExtendedErr
type Cmsg struct {
	Level, Type int
	Value       any
}

// PktInfo is struct in_pktinfo and in6_pktinfo: ip(7), ipv6(7).
type PktInfo struct {
	Ifindex int        // the interface the packet came by, or is to leave by
	SpecDst netip.Addr // IPv4: the local address that an answer should come from
	Addr    netip.Addr // the destination in the packet's header; when sending over IPv6, the source
}

// Origins of an ExtendedErr: <linux/errqueue.h>.
const (
	SO_EE_ORIGIN_LOCAL = 1
	SO_EE_ORIGIN_ICMP  = 2
	SO_EE_ORIGIN_ICMP6 = 3
)

// ExtendedErr is struct sock_extended_err, and the address that follows it: an
// error from the queue that MSG_ERRQUEUE reads, ip(7).
type ExtendedErr struct {
	Errno      Errno
	Origin     int // SO_EE_ORIGIN_ICMP...
	Type, Code int // of the ICMP message
	Info       int // the MTU of EMSGSIZE
	Data       int // of other origins; an ICMP error has 0
	Offender   netip.Addr
}

// cmsgName writes a control message's type: "IP_TTL".
func cmsgName(level, typ int) string {
	for _, row := range cmsgNames {
		if row.level == level && row.typ == typ {
			return row.name
		}
	}
	return fmt.Sprintf("%d:%d", level, typ)
}

var cmsgNames = []struct {
	level, typ int
	name       string
}{
	{SOL_SOCKET, SO_TIMESTAMP, "SO_TIMESTAMP"}, {SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS"},
	{IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO"}, {IPPROTO_IP, IP_TTL, "IP_TTL"}, {IPPROTO_IP, IP_TOS, "IP_TOS"},
	{IPPROTO_IP, IP_ORIGDSTADDR, "IP_ORIGDSTADDR"}, {IPPROTO_IP, IP_RECVERR, "IP_RECVERR"},
	{IPPROTO_IPV6, IPV6_PKTINFO, "IPV6_PKTINFO"}, {IPPROTO_IPV6, IPV6_HOPLIMIT, "IPV6_HOPLIMIT"},
	{IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS"}, {IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR"},
}

// received translates netstack's control messages, in Linux's order
// (sock_recv_timestamp, ip_cmsg_recv_offset, ip6_datagram_recv_ctl).
func (s *socket) received(cm *tcpip.ReceivableControlMessages) []Cmsg {
	var out []Cmsg
	add := func(level, typ int, v any) { out = append(out, Cmsg{level, typ, v}) }
	switch {
	case !cm.HasTimestamp:
	case s.timestamps == SO_TIMESTAMP:
		add(SOL_SOCKET, SO_TIMESTAMP, cm.Timestamp.Truncate(time.Microsecond))
	case s.timestamps == SO_TIMESTAMPNS:
		add(SOL_SOCKET, SO_TIMESTAMPNS, cm.Timestamp)
	}
	if cm.HasIPPacketInfo {
		i := cm.PacketInfo
		add(IPPROTO_IP, IP_PKTINFO, PktInfo{int(i.NIC), stack.Addr(i.LocalAddr), stack.Addr(i.DestinationAddr)})
	}
	if cm.HasTTL {
		add(IPPROTO_IP, IP_TTL, int(cm.TTL))
	}
	if cm.HasTOS {
		add(IPPROTO_IP, IP_TOS, int(cm.TOS))
	}
	if cm.HasOriginalDstAddress {
		add(IPPROTO_IP, IP_ORIGDSTADDR, s.addrPort(cm.OriginalDstAddress))
	}
	if cm.HasIPv6PacketInfo {
		i := cm.IPv6PacketInfo
		add(IPPROTO_IPV6, IPV6_PKTINFO, PktInfo{Ifindex: int(i.NIC), Addr: stack.Addr(i.Addr)})
	}
	if cm.HasHopLimit {
		add(IPPROTO_IPV6, IPV6_HOPLIMIT, int(cm.HopLimit))
	}
	if cm.HasTClass {
		add(IPPROTO_IPV6, IPV6_TCLASS, int(cm.TClass))
	}
	return out
}

// sendControl applies the control messages of a sendmsg. One that netstack
// cannot honour is refused as Linux refuses one that it does not know.
func (c *call) sendControl(s *socket, control []Cmsg, opts *tcpip.WriteOptions) Errno {
	for _, m := range control {
		errno := Errno(EINVAL)
		switch v := m.Value.(type) {
		case int:
			errno = s.sendNumber(m, v, opts)
		case PktInfo:
			errno = s.sendPktInfo(m, v, opts)
		}
		if errno != 0 {
			c.warn("netstack cannot send with " + cmsgName(m.Level, m.Type) + fmt.Sprintf(" %v", m.Value))
			return errno
		}
	}
	return 0
}

func (s *socket) sendNumber(m Cmsg, v int, opts *tcpip.WriteOptions) Errno {
	cm := &opts.ControlMessages
	switch {
	case v < 0 || v > 255 || s.stream():
		return EINVAL
	case m.Level == IPPROTO_IP && m.Type == IP_TTL && v > 0:
		cm.HasTTL, cm.TTL = true, uint8(v)
	case m.Level == IPPROTO_IPV6 && m.Type == IPV6_HOPLIMIT && s.family == AF_INET6:
		cm.HasHopLimit, cm.HopLimit = true, uint8(v)
	default:
		return EINVAL
	}
	return 0
}

// sendPktInfo chooses the interface, and over IPv6 also the source address. For
// IPv4, netstack takes the latter from bind alone.
func (s *socket) sendPktInfo(m Cmsg, v PktInfo, opts *tcpip.WriteOptions) Errno {
	cm := &opts.ControlMessages
	switch {
	case s.stream():
		return EINVAL
	case m.Level == IPPROTO_IP && m.Type == IP_PKTINFO && !specified(v.SpecDst):
		if v.Ifindex != 0 && opts.To != nil {
			opts.To.NIC = tcpip.NICID(v.Ifindex)
		}
	case m.Level == IPPROTO_IPV6 && m.Type == IPV6_PKTINFO && s.family == AF_INET6:
		cm.HasIPv6PacketInfo = true
		cm.IPv6PacketInfo.NIC = tcpip.NICID(v.Ifindex)
		if specified(v.Addr) {
			cm.IPv6PacketInfo.Addr = stack.Address(v.Addr)
		}
	default:
		return EINVAL
	}
	return 0
}

func specified(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }
