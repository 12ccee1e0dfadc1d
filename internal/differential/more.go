package main

import (
	"fmt"
	"net/netip"
	"strings"

	"fivetuple/sockapi"
)

// more is the part of api that few programs need.
type more interface {
	Socketpair(family, typ, proto int) ([2]int, error)
	MemfdCreate(name string) (int, error)
	Write(fd int, b []byte) (int, error)
	Read(fd, n int) ([]byte, error)
	Lseek(fd, offset, whence int) (int, error)
	Sendfile(out, in, offset, count int) (int, error)
	// Recvmsg returns flags and control messages as well, the latter as text.
	Recvmsg(fd, n, flags int) (b []byte, from netip.AddrPort, got int, control []string, err error)
	// SendTTL sends with one control message, a number.
	SendNumber(fd int, b []byte, to netip.AddrPort, level, typ, v int) (int, error)
	// Group joins or leaves a multicast group on an interface.
	Group(fd int, group netip.Addr, ifindex int, join bool) error
	SetString(fd, level, opt int, s string) error
}

func (r *run) socketProto(family, typ, proto int) int {
	fd, err := r.Socket(family, typ, proto)
	if err != nil {
		r.add(err, "", "socket(%d, %d, %d)", family, typ, proto)
		return -1
	}
	r.add(nil, r.created(fd), "socket(%d, %d, %d)", family, typ, proto)
	return fd
}

func (r *run) socketpair(family, typ, proto int) (a, b int) {
	fds, err := r.Socketpair(family, typ, proto)
	if err != nil {
		r.add(err, "", "socketpair(%d, %d, %d)", family, typ, proto)
		return -1, -1
	}
	r.add(nil, r.created(fds[0])+" "+r.created(fds[1]), "socketpair(%d, %d, %d)", family, typ, proto)
	r.nonblock(fds[0])
	r.nonblock(fds[1])
	return fds[0], fds[1]
}

func (r *run) memfd(text string) int {
	fd, err := r.MemfdCreate("f")
	r.add(err, r.created(fd), "memfd_create")
	r.write(fd, text)
	return fd
}

func (r *run) write(fd int, text string) {
	n, err := r.Write(fd, []byte(text))
	r.add(err, fmt.Sprint(n), "write(%s, %d bytes)", r.name(fd), len(text))
}

func (r *run) read(fd, n int) {
	b, err := r.Read(fd, n)
	r.add(err, fmt.Sprintf("%d %q", len(b), short(string(b))), "read(%s, %d)", r.name(fd), n)
}

func (r *run) lseek(fd, offset, whence int) {
	n, err := r.Lseek(fd, offset, whence)
	r.add(err, fmt.Sprint(n), "lseek(%s, %d, %d)", r.name(fd), offset, whence)
}

func (r *run) sendfile(out, in, offset, count int) {
	n, err := r.Sendfile(out, in, offset, count)
	r.add(err, fmt.Sprint(n), "sendfile(%s, %s, %d, %d)", r.name(out), r.name(in), offset, count)
	r.Settle()
}

func (r *run) recvmsg(fd, n, flags int) {
	b, from, got, control, err := r.Recvmsg(fd, n, flags)
	result := fmt.Sprintf("%d %q flags %#x [%s]", len(b), short(string(b)), got, strings.Join(control, "; "))
	if from.IsValid() {
		result += " from " + addr(from)
	}
	r.add(err, result, "recvmsg(%s, %d, %#x)", r.name(fd), n, flags)
}

func (r *run) sendNumber(fd int, text, to string, level, typ, v int) {
	n, err := r.SendNumber(fd, []byte(text), netip.MustParseAddrPort(to), level, typ, v)
	r.add(err, fmt.Sprint(n), "sendmsg(%s, %d bytes, %s, %d:%d %d)", r.name(fd), len(text), to, level, typ, v)
	r.Settle()
}

func (r *run) group(fd int, group string, ifindex int, join bool) {
	r.add(r.Group(fd, netip.MustParseAddr(group), ifindex, join), "0", "group(%s, %s, if%d, %v)", r.name(fd), group, ifindex, join)
}

func (r *run) setString(fd, level, opt int, s string) {
	r.add(r.SetString(fd, level, opt, s), "0", "setsockopt(%s, %d, %d, %q)", r.name(fd), level, opt, s)
}

// pktInfo and the functions after it write control messages alike on both sides.
func pktInfo(v6 bool, i sockapi.PktInfo) string {
	if v6 {
		return fmt.Sprintf("IPV6_PKTINFO if%d %s", i.Ifindex, i.Addr)
	}
	return fmt.Sprintf("IP_PKTINFO if%d %s %s", i.Ifindex, i.SpecDst, i.Addr)
}

func extendedErr(e sockapi.ExtendedErr) string {
	return fmt.Sprintf("error %s origin %d type %d code %d info %d from %s", e.Errno.Name(), e.Origin, e.Type, e.Code, e.Info, e.Offender)
}

func numberName(level, typ int) string {
	return map[[2]int]string{
		{sockapi.IPPROTO_IP, sockapi.IP_TTL}: "IP_TTL", {sockapi.IPPROTO_IP, sockapi.IP_TOS}: "IP_TOS",
		{sockapi.IPPROTO_IPV6, sockapi.IPV6_HOPLIMIT}: "IPV6_HOPLIMIT", {sockapi.IPPROTO_IPV6, sockapi.IPV6_TCLASS}: "IPV6_TCLASS",
		{sockapi.SOL_SOCKET, sockapi.SO_TIMESTAMP}: "SO_TIMESTAMP", {sockapi.SOL_SOCKET, sockapi.SO_TIMESTAMPNS}: "SO_TIMESTAMPNS",
	}[[2]int{level, typ}]
}
