package sockapi_test

import (
	"testing"

	"fivetuple/sockapi"
)

func TestPoll(t *testing.T) { runRows(t, pollRows) }

var pollRows = []row{
	{name: "fresh", run: func(k *kit) {
		k.poll("tcp", k.tcp())
		k.poll("udp", k.udp())
		s, _ := k.bound(inet, stream)
		k.poll("bound", s)
	}, want: "tcp POLLOUT|POLLHUP; udp POLLOUT; bound POLLOUT|POLLHUP"},
	{name: "listener", run: func(k *kit) {
		l, addr := k.listener(1)
		k.poll("empty", l)
		k.must(k.Connect(k.tcp(), addr))
		k.settle()
		k.poll("waiting", l)
		k.accept(l)
		k.poll("accepted", l)
	}, want: "empty 0; waiting POLLIN; accepted 0"},
	{name: "connection", run: func(k *kit) {
		c, s := k.pair()
		k.poll("idle", c)
		k.send(c, "x")
		k.poll("data", s)
		k.recvs(s, 1, 0, 1)
		k.poll("read", s)
	}, want: `idle POLLOUT; data POLLIN|POLLOUT; recv "x"; read POLLOUT`},
	{name: "the peer shuts down", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Shutdown(c, sockapi.SHUT_WR))
		k.settle()
		k.poll("peer", s)
		k.poll("self", c)
		k.must(k.Shutdown(s, sockapi.SHUT_WR))
		k.settle()
		k.poll("both", s)
		k.poll("both", c)
	}, want: "peer POLLIN|POLLOUT|POLLRDHUP; self POLLOUT; both POLLIN|POLLOUT|POLLHUP|POLLRDHUP; both POLLIN|POLLOUT|POLLHUP|POLLRDHUP"},
	{name: "the peer closes", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Close(c))
		k.settle()
		k.poll("closed", s)
		k.recvs(s, 1, 0, 1)
		k.poll("after recv", s)
		k.sends(s, "x", 1)
		k.poll("after RST", s)
		k.sends(s, "x", 1)
		k.poll("after EPIPE", s)
	}, want: `closed POLLIN|POLLOUT|POLLRDHUP; recv ""; after recv POLLIN|POLLOUT|POLLRDHUP; send 1; after RST POLLIN|POLLOUT|POLLERR|POLLHUP|POLLRDHUP; send EPIPE; after EPIPE POLLIN|POLLOUT|POLLHUP|POLLRDHUP`},
	{name: "SHUT_RD", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Shutdown(s, sockapi.SHUT_RD))
		k.poll("self", s)
		k.poll("peer", c)
	}, want: "self POLLIN|POLLOUT|POLLRDHUP; peer POLLOUT"},
	{name: "SHUT_RDWR", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Shutdown(s, sockapi.SHUT_RDWR))
		k.settle()
		k.poll("self", s)
		k.poll("peer", c)
	}, want: "self POLLIN|POLLOUT|POLLHUP|POLLRDHUP; peer POLLIN|POLLOUT|POLLRDHUP"},
	{name: "a reset", run: func(k *kit) {
		c, s := k.pair()
		k.reset(c)
		k.poll("before", s)
		k.recvs(s, 1, 0, 1)
		k.poll("after", s)
	}, want: "before POLLIN|POLLOUT|POLLERR|POLLHUP|POLLRDHUP; recv ECONNRESET; after POLLIN|POLLOUT|POLLHUP|POLLRDHUP"},
	{name: "a datagram", run: func(k *kit) {
		s, addr := k.bound(inet, dgram)
		k.sendto(k.udp(), "x", addr)
		k.poll("waiting", s)
		k.recvs(s, 1, 0, 1)
		k.poll("read", s)
	}, want: `sendto 1; waiting POLLIN|POLLOUT; recv "x"; read POLLOUT`},
	{name: "a connected datagram socket", run: func(k *kit) {
		_, addr := k.bound(inet, dgram)
		s := k.udp()
		k.must(k.Connect(s, addr))
		k.poll("idle", s)
		k.must(k.Shutdown(s, sockapi.SHUT_RD))
		k.poll("SHUT_RD", s)
		k.must(k.Shutdown(s, sockapi.SHUT_WR))
		k.poll("SHUT_RDWR", s)
	}, want: "idle POLLOUT; SHUT_RD POLLIN|POLLOUT|POLLRDHUP; SHUT_RDWR POLLIN|POLLOUT|POLLHUP|POLLRDHUP"},
	{name: "only what was asked for", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "x")
		for _, ev := range []int{0, sockapi.POLLIN, sockapi.POLLOUT, sockapi.POLLRDHUP, sockapi.POLLPRI} {
			fds := []sockapi.PollFD{{FD: s, Events: ev}}
			n, err := k.Poll(fds, 0)
			k.note("poll", n, sockapi.PollString(fds[0].Revents), err)
		}
		k.reset(c)
		fds := []sockapi.PollFD{{FD: s}}
		_, err := k.Poll(fds, 0)
		k.note("nothing asked", sockapi.PollString(fds[0].Revents), err)
	}, want: "poll 0 0 ok; poll 1 POLLIN ok; poll 1 POLLOUT ok; poll 0 0 ok; poll 0 0 ok; nothing asked POLLERR|POLLHUP ok"},
	{name: "several at once", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "x")
		fds := []sockapi.PollFD{
			{FD: c, Events: sockapi.POLLIN}, {FD: s, Events: sockapi.POLLIN},
			{FD: -1, Events: sockapi.POLLIN}, {FD: 9999, Events: sockapi.POLLIN},
		}
		n, err := k.Poll(fds, 0)
		k.note("poll", n, err)
		for _, f := range fds {
			k.note("revents", sockapi.PollString(f.Revents))
		}
	}, want: "poll 2 ok; revents 0; revents POLLIN; revents 0; revents POLLNVAL"},
	{name: "a timeout", run: func(k *kit) {
		_, s := k.pair()
		n, err := k.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLIN}}, 10*ms)
		k.note("poll", n, err)
		n, err = k.Poll(nil, 10*ms)
		k.note("none", n, err)
	}, want: "poll 0 ok; none 0 ok"},
}
