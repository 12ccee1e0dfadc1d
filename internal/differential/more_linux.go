package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"fivetuple/sockapi"

	"golang.org/x/sys/unix"
)

func (kernel) Socketpair(family, typ, proto int) ([2]int, error) {
	return unix.Socketpair(family, typ|unix.SOCK_CLOEXEC, proto)
}
func (kernel) MemfdCreate(name string) (int, error) { return unix.MemfdCreate(name, unix.MFD_CLOEXEC) }
func (kernel) Write(fd int, b []byte) (int, error)  { return unix.Write(fd, b) }

func (kernel) Read(fd, n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := unix.Read(fd, b)
	return b[:max(n, 0)], err
}

func (kernel) Lseek(fd, offset, whence int) (int, error) {
	n, err := unix.Seek(fd, int64(offset), whence)
	return int(n), err
}

func (kernel) Sendfile(out, in, offset, count int) (int, error) {
	if offset < 0 {
		return unix.Sendfile(out, in, nil, count)
	}
	at := int64(offset)
	return unix.Sendfile(out, in, &at, count)
}

func (kernel) Recvmsg(fd, n, flags int) (b []byte, from netip.AddrPort, got int, control []string, err error) {
	b, oob := make([]byte, n), make([]byte, 512)
	var nb, no int
	err = retry(func() error {
		var sa unix.Sockaddr
		nb, no, got, sa, err = unix.Recvmsg(fd, b, oob, flags)
		from = addrPort(sa)
		return err
	})
	if err != nil {
		return nil, netip.AddrPort{}, 0, nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:no])
	for _, m := range msgs {
		control = append(control, kernelControl(m))
	}
	return b[:min(nb, n)], from, got, control, err
}

// kernelControl writes a control message of Linux's.
func kernelControl(m unix.SocketControlMessage) string {
	level, typ, d := int(m.Header.Level), int(m.Header.Type), m.Data
	le := binary.LittleEndian
	switch {
	case level == sockapi.SOL_SOCKET:
		return numberName(level, typ)
	case level == sockapi.IPPROTO_IP && typ == sockapi.IP_PKTINFO:
		return pktInfo(false, sockapi.PktInfo{Ifindex: int(le.Uint32(d)), SpecDst: netip.AddrFrom4([4]byte(d[4:])), Addr: netip.AddrFrom4([4]byte(d[8:]))})
	case level == sockapi.IPPROTO_IPV6 && typ == sockapi.IPV6_PKTINFO:
		return pktInfo(true, sockapi.PktInfo{Ifindex: int(le.Uint32(d[16:])), Addr: netip.AddrFrom16([16]byte(d))})
	case level == sockapi.IPPROTO_IP && typ == sockapi.IP_ORIGDSTADDR:
		return "IP_ORIGDSTADDR " + addr(netip.AddrPortFrom(netip.AddrFrom4([4]byte(d[4:])), binary.BigEndian.Uint16(d[2:])))
	case level == sockapi.IPPROTO_IP && typ == sockapi.IP_RECVERR, level == sockapi.IPPROTO_IPV6 && typ == sockapi.IPV6_RECVERR:
		e := sockapi.ExtendedErr{Errno: sockapi.Errno(le.Uint32(d)), Origin: int(d[4]), Type: int(d[5]), Code: int(d[6]), Info: int(le.Uint32(d[8:]))}
		if level == sockapi.IPPROTO_IP {
			e.Offender = netip.AddrFrom4([4]byte(d[20:]))
		} else {
			e.Offender = netip.AddrFrom16([16]byte(d[24:]))
		}
		return extendedErr(e)
	case len(d) == 1: // IP_TOS
		return fmt.Sprintf("%s %d", numberName(level, typ), d[0])
	}
	return fmt.Sprintf("%s %d", numberName(level, typ), le.Uint32(d))
}

func (kernel) SendNumber(fd int, b []byte, to netip.AddrPort, level, typ, v int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	le := binary.LittleEndian
	le.PutUint64(oob, uint64(unix.CmsgLen(4)))
	le.PutUint32(oob[8:], uint32(level))
	le.PutUint32(oob[12:], uint32(typ))
	le.PutUint32(oob[16:], uint32(v))
	return unix.SendmsgN(fd, b, oob, sockaddr(to), unix.MSG_NOSIGNAL)
}

func (kernel) Group(fd int, group netip.Addr, ifindex int, join bool) error {
	if group.Is6() {
		opt := unix.IPV6_LEAVE_GROUP
		if join {
			opt = unix.IPV6_JOIN_GROUP
		}
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, opt, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(ifindex)})
	}
	opt := unix.IP_DROP_MEMBERSHIP
	if join {
		opt = unix.IP_ADD_MEMBERSHIP
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, opt, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(ifindex)})
}

func (kernel) SetString(fd, level, opt int, s string) error {
	return unix.SetsockoptString(fd, level, opt, s)
}
