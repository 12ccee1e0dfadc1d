package sockapi_test

import (
	"net/netip"
	"testing"

	"fivetuple/sockapi"
)

func TestBind(t *testing.T) { runRows(t, bindRows) }

func any4(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), port) }
func any6(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Unspecified(), port) }

// clash binds a second socket where a first one is bound already.
type clash struct {
	typ               int
	first, second     netip.Addr
	reuseA, reuseB    bool
	reusePort, listen bool
	v6onlyA, v6onlyB  bool
}

func (c clash) run(k *kit) {
	f1, f2 := inet, inet
	if c.first.Is6() {
		f1 = inet6
	}
	if c.second.Is6() {
		f2 = inet6
	}
	a, b := k.socket(f1, c.typ), k.socket(f2, c.typ)
	set := func(fd, level, opt int, on bool) {
		if on {
			k.must(k.Setsockopt(fd, level, opt, 1))
		}
	}
	set(a, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, c.reuseA)
	set(b, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, c.reuseB)
	set(a, sockapi.SOL_SOCKET, sockapi.SO_REUSEPORT, c.reusePort)
	set(b, sockapi.SOL_SOCKET, sockapi.SO_REUSEPORT, c.reusePort)
	set(a, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, c.v6onlyA)
	set(b, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, c.v6onlyB)
	k.must(k.Bind(a, netip.AddrPortFrom(c.first, 0)))
	if c.listen {
		k.must(k.Listen(a, 1))
	}
	err := k.Bind(b, netip.AddrPortFrom(c.second, k.name(a).Port()))
	k.note("bind", err)
	if err == nil && c.typ == stream {
		k.note("listen", k.Listen(b, 1))
	}
}

var (
	wild4, wild6 = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	lo4b         = netip.MustParseAddr("127.0.0.2")
)

var bindRows = []row{
	{name: "a second name", run: func(k *kit) {
		s, _ := k.bound(inet, stream)
		k.note("bind", k.Bind(s, any4(0)))
		u, _ := k.bound(inet, dgram)
		k.note("udp", k.Bind(u, any4(0)))
	}, want: "bind EINVAL; udp EINVAL"},
	{name: "after connect", run: func(k *kit) {
		c, _ := k.pair()
		k.note("bind", k.Bind(c, any4(0)))
	}, want: "bind EINVAL"},
	{name: "an address of another host", run: func(k *kit) {
		k.note("tcp", k.Bind(k.tcp(), netip.MustParseAddrPort("192.0.2.1:0")))
		k.note("udp", k.Bind(k.udp(), netip.MustParseAddrPort("192.0.2.1:0")))
		k.note("ipv6", k.Bind(k.socket(inet6, stream), netip.MustParseAddrPort("[2001:db8::1]:0")))
	}, want: "tcp EADDRNOTAVAIL; udp EADDRNOTAVAIL; ipv6 EADDRNOTAVAIL"},
	{name: "a name that was refused leaves none", run: func(k *kit) {
		_, taken := k.bound(inet, stream)
		s := k.tcp()
		k.note("taken", k.Bind(s, taken))
		k.note("local", k.name(s))
		k.note("foreign", k.Bind(s, netip.MustParseAddrPort("192.0.2.1:0")))
		k.note("local", k.name(s))
		k.note("free", k.Bind(s, any4(0)))
		u := k.udp()
		k.note("udp", k.Bind(u, netip.MustParseAddrPort("192.0.2.1:0")))
		k.note("local", k.name(u))
	}, want: "taken EADDRINUSE; local 0.0.0.0:0; foreign EADDRNOTAVAIL; local 0.0.0.0:0; free ok; udp EADDRNOTAVAIL; local 0.0.0.0:0"},
	{name: "an address of another family", run: func(k *kit) {
		k.note("tcp", k.Bind(k.tcp(), netip.AddrPortFrom(lo6, 0)))
		k.note("udp", k.Bind(k.udp(), netip.AddrPortFrom(lo6, 0)))
		k.note("tcp6", k.Bind(k.socket(inet6, stream), netip.AddrPortFrom(lo4, 0)))
		k.note("udp6", k.Bind(k.socket(inet6, dgram), netip.AddrPortFrom(lo4, 0)))
	}, want: "tcp EAFNOSUPPORT; udp EAFNOSUPPORT; tcp6 EINVAL; udp6 EINVAL"},
	{name: "a free port", run: func(k *kit) {
		s, addr := k.bound(inet, stream)
		k.note("port", addr.Port() != 0, addr.Addr())
		k.note("listen", k.Listen(s, 1))
	}, want: "port true 127.0.0.1; listen ok"},
	{name: "tcp: the same address", run: clash{typ: stream, first: lo4, second: lo4}.run, want: "bind EADDRINUSE"},
	{name: "tcp: two addresses", run: clash{typ: stream, first: lo4, second: lo4b}.run, want: "bind ok; listen ok"},
	{name: "tcp: wildcard first", run: clash{typ: stream, first: wild4, second: lo4}.run, want: "bind EADDRINUSE"},
	{name: "tcp: wildcard second", run: clash{typ: stream, first: lo4, second: wild4}.run, want: "bind EADDRINUSE"},
	{name: "tcp: one reuses", run: clash{typ: stream, first: lo4, second: lo4, reuseB: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: both reuse", run: clash{typ: stream, first: lo4, second: lo4, reuseA: true, reuseB: true}.run, want: "bind ok; listen ok"},
	{name: "tcp: both reuse, the first listens", run: clash{typ: stream, first: lo4, second: lo4, reuseA: true, reuseB: true, listen: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: both reuse, both listen", run: func(k *kit) {
		a, b := k.tcp(), k.tcp()
		for _, s := range []int{a, b} {
			k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1))
		}
		k.must(k.Bind(a, any4(0)))
		k.note("bind", k.Bind(b, netip.AddrPortFrom(lo4, k.name(a).Port())))
		k.note("first", k.Listen(a, 1))
		k.note("second", k.Listen(b, 1))
		k.note("first again", k.Listen(a, 1))
	}, want: "bind ok; first ok; second EADDRINUSE; first again ok"},
	{name: "tcp: both reuse, a specific address listens", run: clash{typ: stream, first: lo4, second: wild4, reuseA: true, reuseB: true, listen: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: both reuse, another address listens", run: clash{typ: stream, first: lo4, second: lo4b, reuseA: true, reuseB: true, listen: true}.run, want: "bind ok; listen ok"},
	{name: "tcp: both reuse, dual stack listens", run: clash{typ: stream, first: wild6, second: lo4, reuseA: true, reuseB: true, listen: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: both reuse, dual stack second", run: clash{typ: stream, first: lo4, second: wild6, reuseA: true, reuseB: true, listen: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: both reuse, IPv6 only listens", run: clash{typ: stream, first: wild6, second: lo4, reuseA: true, reuseB: true, listen: true, v6onlyA: true}.run, want: "bind ok; listen ok"},
	{name: "tcp: both reuse, wildcard listens", run: clash{typ: stream, first: wild4, second: lo4, reuseA: true, reuseB: true, listen: true}.run, want: "bind EADDRINUSE"},
	{name: "tcp: SO_REUSEPORT", run: clash{typ: stream, first: lo4, second: lo4, reusePort: true, listen: true}.run, want: "bind ok; listen ok"},
	{name: "tcp: dual stack first", run: clash{typ: stream, first: wild6, second: wild4}.run, want: "bind EADDRINUSE"},
	{name: "tcp: dual stack second", run: clash{typ: stream, first: wild4, second: wild6}.run, want: "bind EADDRINUSE"},
	{name: "tcp: IPv6 only", run: clash{typ: stream, first: wild6, second: wild4, v6onlyA: true}.run, want: "bind ok; listen ok"},
	{name: "tcp: IPv6 only second", run: clash{typ: stream, first: wild4, second: wild6, v6onlyB: true}.run, want: "bind ok; listen ok"},
	{name: "udp: the same address", run: clash{typ: dgram, first: lo4, second: lo4}.run, want: "bind EADDRINUSE"},
	{name: "udp: two addresses", run: clash{typ: dgram, first: lo4, second: lo4b}.run, want: "bind ok"},
	{name: "udp: wildcard first", run: clash{typ: dgram, first: wild4, second: lo4}.run, want: "bind EADDRINUSE"},
	{name: "udp: wildcard second", run: clash{typ: dgram, first: lo4, second: wild4}.run, want: "bind EADDRINUSE"},
	{name: "udp: one reuses", run: clash{typ: dgram, first: lo4, second: lo4, reuseB: true}.run, want: "bind EADDRINUSE"},
	{name: "udp: both reuse", run: clash{typ: dgram, first: lo4, second: lo4, reuseA: true, reuseB: true}.run, want: "bind ok"},
	{name: "udp: SO_REUSEPORT", run: clash{typ: dgram, first: lo4, second: lo4, reusePort: true}.run, want: "bind ok"},
	{name: "udp: dual stack first", run: clash{typ: dgram, first: wild6, second: wild4}.run, want: "bind EADDRINUSE"},
	{name: "udp: IPv6 only", run: clash{typ: dgram, first: wild6, second: wild4, v6onlyA: true}.run, want: "bind ok"},
	{name: "tcp and udp have ports of their own", run: func(k *kit) {
		_, addr := k.bound(inet, stream)
		k.note("udp", k.Bind(k.udp(), addr))
	}, want: "udp ok"},
	{name: "a port is free again after close", run: func(k *kit) {
		s, addr := k.bound(inet, stream)
		k.must(k.Listen(s, 1))
		k.must(k.Close(s))
		k.settle()
		k.note("bind", k.Bind(k.tcp(), addr))
	}, want: "bind ok"},
	{name: "TIME-WAIT holds the port", run: func(k *kit) {
		l, addr := k.listener(1)
		c := k.tcp()
		k.must(k.Connect(c, addr))
		s := k.accept(l)
		k.must(k.Close(s)) // the server closes first: TIME-WAIT is here
		k.settle()
		k.must(k.Close(c))
		k.must(k.Close(l))
		k.settle()
		k.note("bind", k.Bind(k.tcp(), addr))
		again := k.tcp()
		k.must(k.Setsockopt(again, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1))
		k.note("reuse", k.Bind(again, addr))
		k.note("listen", k.Listen(again, 1))
	}, want: "bind EADDRINUSE; reuse EADDRINUSE; listen ok"},
	{name: "a connection that was accepted holds the port", run: func(k *kit) {
		l, addr := k.listener(1)
		c := k.tcp()
		k.must(k.Connect(c, addr))
		k.accept(l)
		k.must(k.Close(l))
		k.settle()
		k.note("bind", k.Bind(k.tcp(), addr))
	}, want: "bind EADDRINUSE"},
	{name: "listen without bind", run: func(k *kit) {
		s := k.tcp()
		k.note("listen", k.Listen(s, 1))
		k.note("local", k.name(s).Addr(), k.name(s).Port() != 0)
		k.note("again", k.Listen(s, 5))
	}, want: "listen ok; local 0.0.0.0 true; again ok"},
	{name: "listen on what cannot", run: func(k *kit) {
		k.note("datagram", k.Listen(k.udp(), 1))
		c, s := k.pair()
		k.note("client", k.Listen(c, 1))
		k.note("server", k.Listen(s, 1))
		k.note("negative backlog", k.Listen(k.tcp(), -1))
	}, want: "datagram EOPNOTSUPP; client EINVAL; server EINVAL; negative backlog ok"},
	{name: "mapped addresses", run: func(k *kit) {
		s := k.socket(inet6, stream)
		k.note("bind", k.Bind(s, netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")))
		k.note("local", k.name(s).Addr())
		only := k.socket(inet6, stream)
		k.must(k.Setsockopt(only, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1))
		k.note("v6only", k.Bind(only, netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")))
	}, want: "bind ok; local ::ffff:127.0.0.1; v6only EINVAL"},
	{name: "a dual-stack listener takes IPv4", run: func(k *kit) {
		l := k.socket(inet6, stream)
		k.must(k.Bind(l, any6(0)))
		k.must(k.Listen(l, 2))
		c := k.tcp()
		k.note("connect", k.Connect(c, netip.AddrPortFrom(lo4, k.name(l).Port())))
		s, peer, err := k.Accept4(l, 0)
		k.must(err)
		k.fds = append(k.fds, s)
		k.note("peer", peer.Addr())
		k.note("local", k.name(s).Addr())
		k.note("client", k.name(c).Addr())
	}, want: "connect ok; peer ::ffff:127.0.0.1; local ::ffff:127.0.0.1; client 127.0.0.1"},
	{name: "an IPv6-only listener does not", run: func(k *kit) {
		l := k.socket(inet6, stream)
		k.must(k.Setsockopt(l, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1))
		k.must(k.Bind(l, any6(0)))
		k.must(k.Listen(l, 2))
		k.note("connect", k.Connect(k.tcp(), netip.AddrPortFrom(lo4, k.name(l).Port())))
		k.note("ipv6", k.Connect(k.socket(inet6, stream), netip.AddrPortFrom(lo6, k.name(l).Port())))
	}, want: "connect ECONNREFUSED; ipv6 ok"},
	{name: "a mapped connection out of an IPv6 socket", run: func(k *kit) {
		_, addr := k.listener(1)
		c := k.socket(inet6, stream)
		k.note("connect", k.Connect(c, netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port())))
		k.note("local", k.name(c).Addr())
		only := k.socket(inet6, stream)
		k.must(k.Setsockopt(only, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1))
		k.note("v6only", k.Connect(only, netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port())))
	}, want: "connect ok; local ::ffff:127.0.0.1; v6only ENETUNREACH"},
	{name: "IPV6_V6ONLY after bind", run: func(k *kit) {
		s, _ := k.bound(inet6, stream)
		k.note("set", k.Setsockopt(s, sockapi.IPPROTO_IPV6, sockapi.IPV6_V6ONLY, 1))
	}, want: "set EINVAL"},
}
