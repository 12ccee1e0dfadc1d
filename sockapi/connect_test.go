package sockapi_test

import (
	"net/netip"
	"testing"

	"fivetuple/sockapi"
)

func TestConnect(t *testing.T) { runRows(t, connectRows) }

var connectRows = []row{
	{name: "nobody listens", run: func(k *kit) {
		s := k.tcp()
		k.note("connect", k.Connect(s, k.closedPort()))
		k.soError(s)
	}, want: "connect ECONNREFUSED; SO_ERROR 0"},
	{name: "again after a refusal", run: func(k *kit) {
		s := k.tcp()
		k.note("refused", k.Connect(s, k.closedPort()))
		_, addr := k.listener(1)
		k.note("again", k.Connect(s, addr))
	}, want: "refused ECONNREFUSED; again ok"},
	{name: "again after a refusal: options and address stay", run: func(k *kit) {
		s, addr := k.bound(inet, stream)
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1))
		k.must(k.Setsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_KEEPCNT, 3))
		k.must(k.Setsockopt(s, sockapi.IPPROTO_IP, sockapi.IP_TTL, 9))
		before, _ := k.Getsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVBUF)
		k.note("connect", k.Connect(s, k.closedPort()))
		k.note("same name", k.name(s) == addr)
		for _, o := range [][2]int{{sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE}, {sockapi.IPPROTO_TCP, sockapi.TCP_KEEPCNT}, {sockapi.IPPROTO_IP, sockapi.IP_TTL}} {
			v, err := k.Getsockopt(s, o[0], o[1])
			k.note("option", v, err)
		}
		after, _ := k.Getsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVBUF)
		k.note("same buffer", before == after)
		k.note("listen", k.Listen(s, 1))
	}, want: "connect ECONNREFUSED; same name true; option true ok; option 3 ok; option 9 ok; same buffer true; listen ok"},
	{name: "names after a refusal", run: func(k *kit) {
		s := k.tcp()
		k.note("connect", k.Connect(s, k.closedPort()))
		_, err := k.Getpeername(s)
		k.note("peer", err)
		k.note("local", k.name(s).Addr(), k.name(s).Port() == 0)
	}, want: "connect ECONNREFUSED; peer ENOTCONN; local 0.0.0.0 true", linux: "connect ECONNREFUSED; peer ENOTCONN; local 0.0.0.0 false"},
	{name: "again after a reset", run: func(k *kit) {
		c, s := k.pair()
		k.reset(s)
		k.note("connect", k.Connect(c, k.closedPort()))
		k.soError(c)
	}, want: "connect EISCONN; SO_ERROR ECONNRESET"},
	{name: "send and recv after a refusal", run: func(k *kit) {
		s := k.tcp()
		k.note("connect", k.Connect(s, k.closedPort()))
		n, err := k.Send(s, []byte("x"), 0)
		k.count("send", n, err)
		b, err := k.Recv(s, 1, 0)
		k.data("recv", b, err)
		k.poll("poll", s)
	}, want: "connect ECONNREFUSED; send EPIPE; recv ENOTCONN; poll POLLOUT|POLLHUP"},
	{name: "connected already", run: func(k *kit) {
		c, s := k.pair()
		peer, _ := k.Getpeername(c)
		k.note("client", k.Connect(c, peer))
		k.note("server", k.Connect(s, k.closedPort()))
	}, want: "client EISCONN; server EISCONN"},
	{name: "a listener", run: func(k *kit) {
		l, addr := k.listener(1)
		k.note("connect", k.Connect(l, addr))
	}, want: "connect EISCONN"},
	{name: "non-blocking, refused", run: func(k *kit) {
		s := k.socket(inet, stream|nonblock)
		addr := k.closedPort()
		k.note("first", k.Connect(s, addr))
		k.settle()
		k.poll("poll", s)
		k.note("second", k.Connect(s, addr))
		k.soError(s)
	}, want: "first EINPROGRESS; poll POLLIN|POLLOUT|POLLERR|POLLHUP|POLLRDHUP; second ECONNREFUSED; SO_ERROR 0"},
	{name: "non-blocking, refused, asked by SO_ERROR", run: func(k *kit) {
		s := k.socket(inet, stream|nonblock)
		k.note("connect", k.Connect(s, k.closedPort()))
		k.settle()
		k.soError(s)
		k.soError(s)
		b, err := k.Recv(s, 1, 0)
		k.data("recv", b, err)
	}, want: `connect EINPROGRESS; SO_ERROR ECONNREFUSED; SO_ERROR 0; recv ""`},
	{name: "non-blocking, refused, asked by SO_ERROR, again", run: func(k *kit) {
		s := k.socket(inet, stream|nonblock)
		_, addr := k.listener(1)
		k.note("connect", k.Connect(s, k.closedPort()))
		k.settle()
		k.soError(s)
		k.poll("poll", s)
		k.note("again", k.Connect(s, addr))
		k.note("again", k.Connect(s, addr))
		k.settle()
		k.note("again", k.Connect(s, addr))
	}, want: "connect EINPROGRESS; SO_ERROR ECONNREFUSED; poll POLLIN|POLLOUT|POLLHUP|POLLRDHUP; again ECONNABORTED; again EINPROGRESS; again ok"},
	{name: "non-blocking, done", run: func(k *kit) {
		_, addr := k.listener(1)
		s := k.socket(inet, stream|nonblock)
		k.note("first", k.Connect(s, addr))
		k.settle()
		k.poll("poll", s)
		k.soError(s)
		k.note("second", k.Connect(s, addr))
		k.note("third", k.Connect(s, addr))
	}, want: "first EINPROGRESS; poll POLLOUT; SO_ERROR 0; second ok; third EISCONN"},
	{name: "to the unspecified address means this host", run: func(k *kit) {
		l, addr := k.listener(1)
		s := k.tcp()
		k.note("connect", k.Connect(s, netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())))
		peer, err := k.Getpeername(s)
		k.note("peer", peer.Addr(), err)
		k.Close(l)
	}, want: "connect ok; peer 127.0.0.1 ok"},
	{name: "to the unspecified IPv6 address means this host", run: func(k *kit) {
		l, addr := k.bound(inet6, stream)
		k.must(k.Listen(l, 1))
		s := k.socket(inet6, stream)
		k.note("connect", k.Connect(s, netip.AddrPortFrom(netip.IPv6Unspecified(), addr.Port())))
		peer, err := k.Getpeername(s)
		k.note("peer", peer.Addr(), err)
	}, want: "connect ok; peer ::1 ok"},
	{name: "an IPv6 address on an IPv4 socket", run: func(k *kit) {
		k.note("tcp", k.Connect(k.tcp(), netip.AddrPortFrom(lo6, 9)))
		k.note("udp", k.Connect(k.udp(), netip.AddrPortFrom(lo6, 9)))
	}, want: "tcp EAFNOSUPPORT; udp EAFNOSUPPORT"},
	{name: "an IPv4 address on an IPv6 socket", run: func(k *kit) {
		k.note("tcp", k.Connect(k.socket(inet6, stream), netip.AddrPortFrom(lo4, 9)))
		s := k.socket(inet6, dgram)
		k.note("udp", k.Connect(s, netip.AddrPortFrom(lo4, 9)))
		peer, err := k.Getpeername(s)
		k.note("peer", peer, err)
	}, want: "tcp EINVAL; udp ok; peer [::ffff:127.0.0.1]:9 ok"},
	{name: "a datagram socket, and away again", run: func(k *kit) {
		_, addr := k.bound(inet, dgram)
		s := k.udp()
		k.note("connect", k.Connect(s, addr))
		k.note("again", k.Connect(s, addr))
		peer, err := k.Getpeername(s)
		k.note("peer is it", peer == addr, err)
		k.note("local", k.name(s).Addr())
		k.note("dissolve", k.Connect(s, netip.AddrPort{}))
		_, err = k.Getpeername(s)
		k.note("peer", err)
		k.note("local", k.name(s).Addr(), k.name(s).Port() == 0)
	}, want: "connect ok; again ok; peer is it true ok; local 127.0.0.1; dissolve ok; peer ENOTCONN; local 0.0.0.0 true"},
	{name: "AF_UNSPEC on a stream", run: func(k *kit) {
		c, s := k.pair()
		k.note("connect", k.Connect(c, netip.AddrPort{}))
		k.settle()
		b, err := k.Recv(s, 1, dontwait)
		k.data("peer", b, err)
		_, err = k.Getpeername(c)
		k.note("peer's name", err)
		_, addr := k.listener(1)
		k.note("again", k.Connect(c, addr))
	}, want: "connect ok; peer ECONNRESET; peer's name ENOTCONN; again ok"},
	{name: "AF_UNSPEC on a listener", run: func(k *kit) {
		l, addr := k.listener(1)
		k.note("connect", k.Connect(l, netip.AddrPort{}))
		k.note("nobody listens", k.Connect(k.tcp(), addr))
		k.note("AF_UNSPEC on a fresh socket", k.Connect(k.tcp(), netip.AddrPort{}))
	}, want: "connect ok; nobody listens ECONNREFUSED; AF_UNSPEC on a fresh socket ok"},
	{name: "no route", run: func(k *kit) {
		k.note("multicast", k.Connect(k.tcp(), netip.MustParseAddrPort("224.0.0.1:9")))
	}, want: "multicast ENETUNREACH"},
	{name: "names of a fresh socket", run: func(k *kit) {
		for _, typ := range []int{stream, dgram} {
			s := k.socket(inet, typ)
			_, err := k.Getpeername(s)
			k.note("peer", err)
			k.note("local", k.name(s))
		}
		k.note("local6", k.name(k.socket(inet6, stream)))
		l, _ := k.listener(1)
		_, err := k.Getpeername(l)
		k.note("listener's peer", err)
	}, want: "peer ENOTCONN; local 0.0.0.0:0; peer ENOTCONN; local 0.0.0.0:0; local6 [::]:0; listener's peer ENOTCONN"},
	{name: "names of a connection", run: func(k *kit) {
		c, s := k.pair()
		cp, _ := k.Getpeername(c)
		sp, _ := k.Getpeername(s)
		k.note("mirrored", k.name(c) == sp, k.name(s) == cp)
	}, want: "mirrored true true"},
	{name: "names after the peer has gone", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Close(c))
		k.settle()
		_, err := k.Getpeername(s)
		k.note("after FIN", err)
		c, s = k.pair()
		k.reset(c)
		_, err = k.Getpeername(s)
		k.note("after RST", err)
		k.note("local", k.name(s).Addr())
	}, want: "after FIN ok; after RST ENOTCONN; local 127.0.0.1"},
	{name: "a socket of an unknown kind", run: func(k *kit) {
		_, err := k.Socket(99, stream, 0)
		k.note("family", err)
		_, err = k.Socket(inet, 99, 0)
		k.note("type", err)
		_, err = k.Socket(inet, stream, sockapi.IPPROTO_UDP)
		k.note("protocol", err)
		_, err = k.Socket(inet, dgram, sockapi.IPPROTO_TCP)
		k.note("protocol", err)
		_, err = k.Socket(sockapi.AF_UNSPEC, stream, 0)
		k.note("AF_UNSPEC", err)
		_, err = k.Socket(inet, stream|1<<20, 0)
		k.note("flag", err)
	}, want: "family EAFNOSUPPORT; type EINVAL; protocol EPROTONOSUPPORT; protocol EPROTONOSUPPORT; AF_UNSPEC EAFNOSUPPORT; flag EINVAL"},
	{name: "not a descriptor", run: func(k *kit) {
		const bad = 9999
		addr := netip.AddrPortFrom(lo4, 9)
		k.note("bind", k.Bind(bad, addr))
		k.note("listen", k.Listen(bad, 1))
		k.note("connect", k.Connect(bad, addr))
		k.note("shutdown", k.Shutdown(bad, sockapi.SHUT_WR))
		k.note("close", k.Close(bad), k.Close(-1))
		_, _, err := k.Accept4(bad, 0)
		k.note("accept", err)
		_, err = k.Getsockname(bad)
		k.note("getsockname", err)
		_, err = k.Getpeername(bad)
		k.note("getpeername", err)
		_, err = k.Recv(bad, 1, 0)
		k.note("recv", err)
		_, err = k.Send(bad, nil, 0)
		k.note("send", err)
		_, err = k.Dup(bad)
		k.note("dup", err)
		_, err = k.Fcntl(bad, sockapi.F_GETFL, 0)
		k.note("fcntl", err)
		k.note("setsockopt", k.Setsockopt(bad, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1))
		_, err = k.Getsockopt(bad, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE)
		k.note("getsockopt", err)
		k.poll("poll", bad)
		k.poll("poll -1", -1)
	}, want: "bind EBADF; listen EBADF; connect EBADF; shutdown EBADF; close EBADF EBADF; accept EBADF; getsockname EBADF; getpeername EBADF; recv EBADF; send EBADF; dup EBADF; fcntl EBADF; setsockopt EBADF; getsockopt EBADF; poll POLLNVAL; poll -1 0"},
	{name: "accept4 with an unknown flag", run: func(k *kit) {
		l, _ := k.listener(1)
		_, _, err := k.Accept4(l, 1)
		k.note("flag 1", err)
	}, want: "flag 1 EINVAL"},
	{name: "accept on what does not listen", run: func(k *kit) {
		_, _, err := k.Accept4(k.tcp(), 0)
		k.note("fresh", err)
		c, _ := k.pair()
		_, _, err = k.Accept4(c, 0)
		k.note("connected", err)
		_, _, err = k.Accept4(k.udp(), 0)
		k.note("datagram", err)
	}, want: "fresh EINVAL; connected EINVAL; datagram EOPNOTSUPP"},
	{name: "accept without waiting", run: func(k *kit) {
		l := k.socket(inet, stream|nonblock)
		k.must(k.Listen(l, 1))
		_, _, err := k.Accept4(l, 0)
		k.note("empty", err)
		l2, _ := k.listener(1)
		k.must(k.Setsockopt(l2, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 10*ms))
		_, _, err = k.Accept4(l2, 0)
		k.note("timeout", err)
	}, want: "empty EAGAIN; timeout EAGAIN"},
	{name: "accepted sockets do not inherit O_NONBLOCK", run: func(k *kit) {
		l := k.socket(inet, stream|nonblock)
		k.must(k.Listen(l, 1))
		k.must(k.Connect(k.tcp(), netip.AddrPortFrom(lo4, k.name(l).Port())))
		k.settle()
		fl, err := k.Fcntl(k.accept(l), sockapi.F_GETFL, 0)
		k.note("flags", fl, err)
		k.must(k.Connect(k.tcp(), netip.AddrPortFrom(lo4, k.name(l).Port())))
		k.settle()
		fd, _, err := k.Accept4(l, sockapi.SOCK_NONBLOCK|sockapi.SOCK_CLOEXEC)
		k.must(err)
		k.fds = append(k.fds, fd)
		fl, err = k.Fcntl(fd, sockapi.F_GETFL, 0)
		k.note("asked", fl, err)
		fl, err = k.Fcntl(fd, sockapi.F_GETFD, 0)
		k.note("cloexec", fl, err)
	}, want: "flags 2 ok; asked 2050 ok; cloexec 1 ok"},
	{name: "a connection that was reset before accept", run: func(k *kit) {
		l, addr := k.listener(1)
		c := k.tcp()
		k.must(k.Connect(c, addr))
		k.settle()
		k.reset(c)
		s := k.accept(l)
		b, err := k.Recv(s, 1, dontwait)
		k.data("recv", b, err)
	}, want: "recv ECONNRESET"},
	{name: "a listener is closed with a connection in its queue", run: func(k *kit) {
		l, addr := k.listener(1)
		c := k.tcp()
		k.must(k.Connect(c, addr))
		k.settle()
		k.must(k.Close(l))
		k.settle()
		b, err := k.Recv(c, 1, dontwait)
		k.data("recv", b, err)
	}, want: "recv ECONNRESET"},
}
