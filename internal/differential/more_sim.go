package main

import (
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sockapi"
)

func (s simulated) Socketpair(family, typ, proto int) ([2]int, error) {
	return s.p.Socketpair(family, typ, proto)
}
func (s simulated) MemfdCreate(name string) (int, error)      { return s.p.MemfdCreate(name, 0) }
func (s simulated) Write(fd int, b []byte) (int, error)       { return s.p.Write(fd, b) }
func (s simulated) Read(fd, n int) ([]byte, error)            { return s.p.Read(fd, n) }
func (s simulated) Lseek(fd, offset, whence int) (int, error) { return s.p.Lseek(fd, offset, whence) }
func (s simulated) Sendfile(out, in, offset, count int) (int, error) {
	return s.p.Sendfile(out, in, offset, count)
}

func (s simulated) Recvmsg(fd, n, flags int) (b []byte, from netip.AddrPort, got int, control []string, err error) {
	m := sockapi.Msg{Iov: [][]byte{make([]byte, n)}}
	n, err = s.p.Recvmsg(fd, &m, flags)
	if err != nil {
		return nil, from, 0, nil, err
	}
	for _, c := range m.Control {
		control = append(control, controlText(c))
	}
	return m.Iov[0][:min(n, len(m.Iov[0]))], m.Name, m.Flags, control, nil
}

func controlText(c sockapi.Cmsg) string {
	switch v := c.Value.(type) {
	case int:
		return fmt.Sprintf("%s %d", numberName(c.Level, c.Type), v)
	case time.Time:
		return numberName(c.Level, c.Type)
	case netip.AddrPort:
		return "IP_ORIGDSTADDR " + addr(v)
	case sockapi.PktInfo:
		return pktInfo(c.Level == sockapi.IPPROTO_IPV6, v)
	case sockapi.ExtendedErr:
		return extendedErr(v)
	}
	return fmt.Sprint(c)
}

func (s simulated) SendNumber(fd int, b []byte, to netip.AddrPort, level, typ, v int) (int, error) {
	return s.p.Sendmsg(fd, &sockapi.Msg{Name: to, Iov: [][]byte{b}, Control: []sockapi.Cmsg{{Level: level, Type: typ, Value: v}}}, sockapi.MSG_NOSIGNAL)
}

func (s simulated) Group(fd int, group netip.Addr, ifindex int, join bool) error {
	level, opt := sockapi.IPPROTO_IP, sockapi.IP_DROP_MEMBERSHIP
	if join {
		opt = sockapi.IP_ADD_MEMBERSHIP
	}
	if group.Is6() {
		level, opt = sockapi.IPPROTO_IPV6, sockapi.IPV6_DROP_MEMBERSHIP
		if join {
			opt = sockapi.IPV6_ADD_MEMBERSHIP
		}
	}
	return s.p.Setsockopt(fd, level, opt, sockapi.Mreq{Group: group, Ifindex: ifindex})
}

func (s simulated) SetString(fd, level, opt int, v string) error {
	return s.p.Setsockopt(fd, level, opt, v)
}
