package sockapi_test

import (
	"bytes"
	"net/netip"
	"testing"

	"fivetuple/sockapi"
)

func TestDatagram(t *testing.T) { runRows(t, datagramRows) }

func (k *kit) sendto(fd int, s string, to netip.AddrPort) {
	n, err := k.Sendto(fd, []byte(s), 0, to)
	k.count("sendto", n, err)
	k.settle()
}

var datagramRows = []row{
	{name: "boundaries are kept", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		c := k.udp()
		k.sendto(c, "one", addr)
		k.sendto(c, "two", addr)
		k.sendto(c, "", addr)
		k.recvs(s, 9, 0, 3)
		k.recvs(s, 9, dontwait, 1)
	}, want: `sendto 3; sendto 3; sendto 0; recv "one"; recv "two"; recv ""; recv EAGAIN`},
	{name: "the sender's address", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		c := k.udp()
		k.sendto(c, "x", addr)
		_, from, err := k.Recvfrom(s, 9, 0)
		k.note("from", from == netip.AddrPortFrom(lo4, k.name(c).Port()), err)
		k.note("local", k.name(c).Addr(), k.name(c).Port() != 0)
	}, want: "sendto 1; from true ok; local 0.0.0.0 true"},
	{name: "a short buffer cuts the datagram", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		c := k.udp()
		k.sendto(c, "abcdef", addr)
		k.recvs(s, 3, 0, 1)
		k.recvs(s, 3, dontwait, 1)
	}, want: `sendto 6; recv "abc"; recv EAGAIN`},
	{name: "MSG_TRUNC tells the real length", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		k.sendto(k.udp(), "abcdef", addr)
		n, err := k.RecvInto(s, make([]byte, 3), sockapi.MSG_TRUNC|sockapi.MSG_PEEK)
		k.count("peek", n, err)
		n, err = k.RecvInto(s, make([]byte, 3), sockapi.MSG_TRUNC)
		k.count("recv", n, err)
		k.recvs(s, 3, dontwait, 1)
	}, want: "sendto 6; peek 6; recv 6; recv EAGAIN"},
	{name: "MSG_PEEK leaves the datagram", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		k.sendto(k.udp(), "abc", addr)
		k.recvs(s, 2, sockapi.MSG_PEEK, 2)
		k.recvs(s, 9, 0, 1)
	}, want: `sendto 3; recv "ab"; recv "ab"; recv "abc"`},
	{name: "a buffer of no length takes the datagram", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		c := k.udp()
		k.sendto(c, "abc", addr)
		_, from, err := k.Recvfrom(s, 0, 0)
		k.note("recv", err)
		k.note("from", from.IsValid())
		k.recvs(s, 9, dontwait, 1)
		k.sendto(c, "abc", addr)
		n, err := k.RecvInto(s, nil, sockapi.MSG_TRUNC)
		k.count("trunc", n, err)
		k.recvs(s, 0, dontwait, 1)
	}, want: "sendto 3; recv ok; from true; recv EAGAIN; sendto 3; trunc 3; recv EAGAIN"},
	{name: "MSG_WAITALL means nothing", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		k.sendto(k.udp(), "abc", addr)
		k.recvs(s, 9, sockapi.MSG_WAITALL, 1)
	}, want: `sendto 3; recv "abc"`},
	{name: "nothing to read", run: func(k *kit) {
		s, _ := k.bound(inet, dgram)
		k.recvs(s, 1, dontwait, 1)
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 10*ms))
		k.recvs(s, 1, 0, 1)
	}, want: "recv EAGAIN; recv EAGAIN"},
	{name: "no destination", run: func(k *kit) {
		s := k.udp()
		k.sends(s, "x", 1)
		k.sendto(s, "x", netip.AddrPortFrom(lo4, 0))
	}, want: "send EDESTADDRREQ; sendto EINVAL"},
	{name: "a destination of another family", run: func(k *kit) {
		_, addr := k.bound(inet, dgram)
		k.sendto(k.udp(), "x", netip.AddrPortFrom(lo6, addr.Port()))
		k.sendto(k.socket(inet6, dgram), "x", addr)
		k.sendto(k.socket(inet6, dgram), "x", netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port()))
		only := k.socket(inet6, dgram)
		k.must(k.Setsockopt(only, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1))
		k.sendto(only, "x", netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port()))
		k.sendto(only, "x", addr)
	}, want: "sendto EAFNOSUPPORT; sendto 1; sendto 1; sendto ENETUNREACH; sendto ENETUNREACH"},
	{name: "the unspecified destination means this host", run: func(k *kit) {
		s := k.udp()
		k.must(k.Bind(s, any4(0)))
		k.sendto(k.udp(), "x", any4(k.name(s).Port()))
		b, from, err := k.Recvfrom(s, 9, dontwait)
		k.data("recv", b, err)
		k.note("from", from.Addr())
	}, want: `sendto 1; recv "x"; from 127.0.0.1`},
	{name: "an IPv6 socket sees IPv4 senders mapped", run: func(k *kit) {
		s := k.socket(inet6, dgram)
		k.must(k.Bind(s, any6(0)))
		k.sendto(k.udp(), "x", netip.AddrPortFrom(lo4, k.name(s).Port()))
		b, from, err := k.Recvfrom(s, 9, dontwait)
		k.data("recv", b, err)
		k.note("from", from.Addr())
	}, want: `sendto 1; recv "x"; from ::ffff:127.0.0.1`},
	{name: "too long", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		big := bytes.Repeat([]byte("x"), 65508)
		n, err := k.Sendto(k.udp(), big, 0, addr)
		k.count("65508", n, err)
		n, err = k.Sendto(k.udp(), big[:65507], 0, addr)
		k.count("65507", n, err)
		k.settle()
		n, err = k.RecvInto(s, make([]byte, 70000), dontwait)
		k.count("recv", n, err)
	}, want: "65508 EMSGSIZE; 65507 65507; recv 65507"},
	{name: "connected: only the peer is heard", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		peer, peerAddr := k.bound(inet, dgram)
		k.must(k.Connect(s, peerAddr))
		k.sendto(k.udp(), "stranger", addr)
		k.sendto(peer, "peer", addr)
		k.recvs(s, 9, 0, 1)
		k.recvs(s, 9, dontwait, 1)
		k.sends(s, "answer", 1)
		k.recvs(peer, 9, 0, 1)
	}, want: `sendto 8; sendto 4; recv "peer"; recv EAGAIN; send 6; recv "answer"`},
	{name: "connected: what came before stays", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		_, peerAddr := k.bound(inet, dgram)
		k.sendto(k.udp(), "early", addr)
		k.must(k.Connect(s, peerAddr))
		k.recvs(s, 9, dontwait, 1)
	}, want: `sendto 5; recv "early"`},
	{name: "connected: another destination", run: func(k *kit) {
		s, _ := k.bound(inet, dgram)
		_, peerAddr := k.bound(inet, dgram)
		other, otherAddr := k.bound(inet, dgram)
		k.must(k.Connect(s, peerAddr))
		k.sendto(s, "x", otherAddr)
		k.recvs(other, 9, dontwait, 1)
	}, want: `sendto 1; recv "x"`},
	{name: "connected: nobody there", run: func(k *kit) {
		s := k.udp()
		dead, addr := k.bound(inet, dgram)
		k.must(k.Close(dead))
		k.must(k.Connect(s, addr))
		k.sends(s, "x", 1)
		k.poll("poll", s)
		k.recvs(s, 9, dontwait, 2)
		k.sends(s, "x", 2)
		k.soError(s)
		k.soError(s)
	}, want: "send 1; poll POLLOUT|POLLERR; recv ECONNREFUSED; recv EAGAIN; send 1; send ECONNREFUSED; SO_ERROR 0; SO_ERROR 0"},
	{name: "unconnected: nobody there", run: func(k *kit) {
		s := k.udp()
		dead, addr := k.bound(inet, dgram)
		k.must(k.Close(dead))
		k.sendto(s, "x", addr)
		k.sendto(s, "x", addr)
		k.recvs(s, 9, dontwait, 1)
	}, want: "sendto 1; sendto 1; recv EAGAIN"},
	{name: "shutdown", run: func(k *kit) {
		s := k.udp()
		k.note("unconnected", k.Shutdown(s, sockapi.SHUT_WR))
		_, addr := k.bound(inet, dgram)
		c := k.udp()
		k.must(k.Connect(c, addr))
		k.note("SHUT_WR", k.Shutdown(c, sockapi.SHUT_WR))
		k.sends(c, "x", 1)
		k.note("SHUT_RD", k.Shutdown(c, sockapi.SHUT_RD))
		k.recvs(c, 9, 0, 1)
		k.poll("poll", c)
	}, want: `unconnected ENOTCONN; SHUT_WR ok; send EPIPE; SHUT_RD ok; recv ""; poll POLLIN|POLLOUT|POLLHUP|POLLRDHUP`},
	{name: "SO_ERROR of a fresh socket", run: func(k *kit) { k.soError(k.udp()) }, want: "SO_ERROR 0"},
}
