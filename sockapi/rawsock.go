package sockapi

import (
	"fmt"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// EtherTypes, the protocols of AF_PACKET: <linux/if_ether.h>. They are written
// as they are, not in network byte order.
const (
	ETH_P_ALL  = 0x0003
	ETH_P_IP   = 0x0800
	ETH_P_ARP  = 0x0806
	ETH_P_IPV6 = 0x86dd
)

// Packet types of a LinkAddr: <linux/if_packet.h>.
const (
	PACKET_HOST      = 0 // to this host
	PACKET_BROADCAST = 1
	PACKET_MULTICAST = 2
	PACKET_OTHERHOST = 3
	PACKET_OUTGOING  = 4 // sent by this host
)

// LinkAddr is struct sockaddr_ll, the address of a packet socket: packet(7).
type LinkAddr struct {
	Ifindex  int // the interface's number; 0 is any
	Protocol int // EtherType: ETH_P_IP...; 0 keeps what socket was given
	PktType  int // PACKET_HOST...; set by recvfrom
	// Addr is the Ethernet address; zero on a point-to-point interface.
	Addr [6]byte
}

// String reads "if2 ETH_P_IP 02:00:00:00:01:01 PACKET_HOST".
func (l LinkAddr) String() string {
	s := fmt.Sprintf("if%d %s", l.Ifindex, protocolName(AF_PACKET, l.Protocol))
	if l.Addr != [6]byte{} {
		s += " " + net.HardwareAddr(l.Addr[:]).String()
	}
	names := []string{"", "PACKET_BROADCAST", "PACKET_MULTICAST", "PACKET_OTHERHOST", "PACKET_OUTGOING"}
	if l.PktType > 0 && l.PktType < len(names) {
		s += " " + names[l.PktType]
	}
	return s
}

func (l LinkAddr) full() *tcpip.FullAddress {
	f := &tcpip.FullAddress{NIC: tcpip.NICID(l.Ifindex), Port: uint16(l.Protocol)}
	if l.Addr != [6]byte{} {
		f.LinkAddr = tcpip.LinkAddress(l.Addr[:])
	}
	return f
}

func linkAddrOf(res tcpip.ReadResult) LinkAddr {
	l := LinkAddr{Ifindex: int(res.RemoteAddr.NIC), Protocol: int(res.LinkPacketInfo.Protocol)}
	copy(l.Addr[:], res.RemoteAddr.LinkAddr)
	switch res.LinkPacketInfo.PktType {
	case tcpip.PacketBroadcast:
		l.PktType = PACKET_BROADCAST
	case tcpip.PacketMulticast:
		l.PktType = PACKET_MULTICAST
	case tcpip.PacketOtherHost:
		l.PktType = PACKET_OTHERHOST
	case tcpip.PacketOutgoing:
		l.PktType = PACKET_OUTGOING
	}
	return l
}

// rawProtocol is the third argument of socket for SOCK_RAW: raw(7).
func (s *socket) rawProtocol(proto int) Errno {
	s.proto = proto
	switch {
	case proto == IPPROTO_TCP:
		s.trans = tcp.ProtocolNumber
	case proto == IPPROTO_UDP:
		s.trans = udp.ProtocolNumber
	case proto == IPPROTO_ICMP && s.family == AF_INET:
		s.trans = icmp.ProtocolNumber4
	case proto == IPPROTO_ICMPV6 && s.family == AF_INET6:
		s.trans = icmp.ProtocolNumber6
	case proto == IPPROTO_RAW:
		s.trans = header.ICMPv4ProtocolNumber // the packet's own header says which
	default:
		return EPROTONOSUPPORT // netstack hands on the protocols that it has
	}
	return 0
}

// newPacketSocket makes a socket of AF_PACKET: SOCK_RAW is given whole frames,
// SOCK_DGRAM ("cooked") what they carry.
func newPacketSocket(s *socket, proto int) (*socket, Errno) {
	if s.typ != SOCK_RAW && s.typ != SOCK_DGRAM {
		return nil, ESOCKTNOSUPPORT
	}
	if proto < 0 || proto > 0xffff {
		return nil, EINVAL
	}
	s.proto = proto
	ep, err := s.st.Netstack().NewPacketEndpoint(s.typ == SOCK_DGRAM, tcpip.NetworkProtocolNumber(proto), s.wq)
	s.ep = ep
	return s, errnoOf(err)
}

// BindLink limits a packet socket to an interface and an EtherType: bind(2)
// with a sockaddr_ll.
func (p *Proc) BindLink(fd int, addr LinkAddr) error {
	c := p.begin("bind", fd, itoa(fd)+", "+addr.String())
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	if o.sock.family != AF_PACKET {
		return c.ret("", EINVAL)
	}
	if addr.Ifindex != 0 && !p.kernel.Stack().Netstack().HasNIC(tcpip.NICID(addr.Ifindex)) {
		return c.ret("", ENODEV)
	}
	full := addr.full()
	return c.ret("0", errnoOf(o.sock.ep.Bind(*full)))
}

// GetsocknameLink is what a packet socket is bound to: getsockname(2) with a
// sockaddr_ll.
func (p *Proc) GetsocknameLink(fd int) (LinkAddr, error) {
	c := p.begin("getsockname", fd, itoa(fd))
	o, errno := c.file()
	if errno != 0 {
		return LinkAddr{}, c.ret("", errno)
	}
	if o.sock.family != AF_PACKET {
		return LinkAddr{}, c.ret("", EINVAL)
	}
	local, err := o.sock.ep.GetLocalAddress()
	if err != nil {
		return LinkAddr{}, c.ret("", errnoOf(err))
	}
	l := LinkAddr{Ifindex: int(local.NIC), Protocol: int(local.Port)}
	return l, c.ret(l.String(), 0)
}

// SendtoLink sends on a packet socket: sendto(2) with a sockaddr_ll. A cooked
// socket is given the link's header, a raw one sends data as it is.
func (p *Proc) SendtoLink(fd int, data []byte, flags int, to LinkAddr) (int, error) {
	return p.send("sendto", fd, data, flags, &Msg{Link: to})
}

// RecvfromLink receives from a packet socket: recvfrom(2) with a sockaddr_ll.
func (p *Proc) RecvfromLink(fd, n, flags int) ([]byte, LinkAddr, error) {
	buf := make([]byte, max(n, 0))
	r, err := p.recvInto("recvfrom", fd, buf, flags)
	if err != nil {
		return nil, LinkAddr{}, err
	}
	return buf[:min(r.got, n)], r.link, nil
}

// IfNametoindex is the number of an interface: if_nametoindex(3). It fails
// with ENODEV.
func (p *Proc) IfNametoindex(name string) (int, error) {
	if i := p.kernel.Stack().InterfaceNamed(name); i != nil {
		return i.Index(), nil
	}
	return 0, &Error{Call: "if_nametoindex", Args: fmt.Sprintf("%q", name), Errno: ENODEV}
}

// IfIndextoname is the name of an interface: if_indextoname(3). It fails with
// ENXIO.
func (p *Proc) IfIndextoname(index int) (string, error) {
	for _, i := range p.kernel.Stack().Interfaces() {
		if i.Index() == index {
			return i.Name(), nil
		}
	}
	return "", &Error{Call: "if_indextoname", Args: itoa(index), Errno: ENXIO}
}
