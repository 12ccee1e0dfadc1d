package sockapi_test

import (
	"bytes"
	"net/netip"
	"testing"

	"fivetuple/sockapi"
)

func TestStream(t *testing.T) { runRows(t, streamRows) }

func (k *kit) recvs(fd, n, flags int, times int) {
	for range times {
		b, err := k.Recv(fd, n, flags)
		k.data("recv", b, err)
	}
}

func (k *kit) sends(fd int, s string, times int) {
	for range times {
		n, err := k.Send(fd, []byte(s), sockapi.MSG_NOSIGNAL)
		k.count("send", n, err)
		k.settle()
	}
}

var streamRows = []row{
	{name: "without a connection", run: func(k *kit) {
		s := k.tcp()
		k.sends(s, "x", 1)
		k.recvs(s, 1, 0, 1)
		n, err := k.Sendto(s, []byte("x"), 0, netip.AddrPortFrom(lo4, 9))
		k.count("sendto", n, err)
		for _, how := range []int{sockapi.SHUT_RD, sockapi.SHUT_WR, sockapi.SHUT_RDWR, 3, -1} {
			k.note("shutdown", k.Shutdown(s, how))
		}
	}, want: "send EPIPE; recv ENOTCONN; sendto EPIPE; shutdown ENOTCONN; shutdown ENOTCONN; shutdown ENOTCONN; shutdown EINVAL; shutdown EINVAL"},
	{name: "on a listener", run: func(k *kit) {
		l, _ := k.listener(1)
		k.sends(l, "x", 1)
		k.recvs(l, 1, 0, 1)
	}, want: "send EPIPE; recv ENOTCONN"},
	{name: "bytes arrive in order", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "hello")
		k.send(c, "world")
		k.recvs(s, 3, 0, 1)
		k.recvs(s, 100, 0, 1)
	}, want: `recv "hel"; recv "loworld"`},
	{name: "an empty send", run: func(k *kit) {
		c, s := k.pair()
		k.sends(c, "", 1)
		k.recvs(s, 1, dontwait, 1)
	}, want: "send 0; recv EAGAIN"},
	{name: "no room", run: func(k *kit) {
		c, s := k.pair()
		k.recvs(s, 0, dontwait, 1)
		b, err := k.Read(s, 0)
		k.data("read", b, err)
		k.send(c, "x")
		k.recvs(s, 0, 0, 1)
		k.recvs(s, 1, 0, 1)
	}, want: `recv EAGAIN; read ""; recv ""; recv "x"`},
	{name: "nothing to read", run: func(k *kit) {
		_, s := k.pair()
		k.recvs(s, 1, dontwait, 1)
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 10*ms))
		k.recvs(s, 1, 0, 1)
		_, err := k.Fcntl(s, sockapi.F_SETFL, sockapi.O_NONBLOCK)
		k.must(err)
		k.recvs(s, 1, 0, 1)
	}, want: "recv EAGAIN; recv EAGAIN; recv EAGAIN"},
	{name: "MSG_PEEK leaves the data", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "abc")
		k.recvs(s, 2, sockapi.MSG_PEEK, 2)
		k.recvs(s, 9, 0, 1)
		k.recvs(s, 1, sockapi.MSG_PEEK|dontwait, 1)
	}, want: `recv "ab"; recv "ab"; recv "abc"; recv EAGAIN`},
	{name: "MSG_PEEK spans segments", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Setsockopt(c, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1))
		k.send(c, "abc")
		k.send(c, "def")
		k.recvs(s, 9, sockapi.MSG_PEEK, 1)
		k.recvs(s, 9, 0, 1)
	}, want: `recv "abcdef"; recv "abcdef"`},
	{name: "MSG_TRUNC throws data away", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "abc")
		buf := []byte("..")
		n, err := k.RecvInto(s, buf, sockapi.MSG_TRUNC)
		k.count("recv", n, err)
		k.note("buffer", buf)
		k.recvs(s, 9, dontwait, 1)
	}, want: `recv 2; buffer ".."; recv "c"`},
	{name: "MSG_WAITALL gives what there is at the end", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "abc")
		k.must(k.Shutdown(c, sockapi.SHUT_WR))
		k.settle()
		k.recvs(s, 9, sockapi.MSG_WAITALL, 2)
	}, want: `recv "abc"; recv ""`},
	{name: "MSG_WAITALL and not waiting", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "abc")
		k.recvs(s, 9, sockapi.MSG_WAITALL|dontwait, 2)
		k.send(c, "abc")
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 10*ms))
		k.recvs(s, 9, sockapi.MSG_WAITALL, 2)
	}, want: `recv "abc"; recv EAGAIN; recv "abc"; recv EAGAIN`},
	{name: "MSG_WAITALL and MSG_PEEK", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "abc")
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 10*ms))
		k.recvs(s, 9, sockapi.MSG_WAITALL|sockapi.MSG_PEEK, 1)
		k.must(k.Close(c))
		k.settle()
		k.recvs(s, 9, sockapi.MSG_WAITALL|sockapi.MSG_PEEK, 1)
		k.recvs(s, 9, 0, 2)
	}, want: `recv "abc"; recv "abc"; recv "abc"; recv ""`},
	{name: "the peer closes", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "bye")
		k.must(k.Close(c))
		k.settle()
		k.recvs(s, 9, 0, 3)
		k.sends(s, "x", 2) // the first draws a reset
		k.recvs(s, 9, 0, 1)
		k.soError(s)
	}, want: `recv "bye"; recv ""; recv ""; send 1; send EPIPE; recv ""; SO_ERROR 0`},
	{name: "the peer closes: recv after its reset", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Close(c))
		k.settle()
		k.sends(s, "x", 1)
		k.recvs(s, 9, 0, 1)
		k.poll("poll", s)
		k.sends(s, "x", 2)
	}, want: `send 1; recv ""; poll POLLIN|POLLOUT|POLLERR|POLLHUP|POLLRDHUP; send EPIPE; send EPIPE`},
	{name: "the peer closes with unread data", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "unread")
		k.must(k.Close(s))
		k.settle()
		k.recvs(c, 1, dontwait, 2)
	}, want: `recv ECONNRESET; recv ""`},
	{name: "the peer shuts down: half-close", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Shutdown(c, sockapi.SHUT_WR))
		k.settle()
		k.recvs(s, 9, 0, 1)
		k.sends(s, "still", 1)
		k.recvs(c, 9, 0, 1)
		k.sends(c, "x", 1)
		k.note("again", k.Shutdown(c, sockapi.SHUT_WR))
	}, want: `recv ""; send 5; recv "still"; send EPIPE; again ok`},
	{name: "SHUT_RD", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "old")
		k.note("shutdown", k.Shutdown(s, sockapi.SHUT_RD))
		k.recvs(s, 9, 0, 2)
		k.sends(s, "x", 1)
		k.recvs(c, 9, dontwait, 1)
	}, want: `shutdown ok; recv "old"; recv ""; send 1; recv "x"`},
	{name: "data after SHUT_RD", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Shutdown(s, sockapi.SHUT_RD))
		k.send(c, "new")
		k.recvs(s, 9, dontwait, 2)
		k.sends(c, "more", 1)
	}, want: `recv "new"; recv ""; send 4`},
	{name: "SHUT_RDWR", run: func(k *kit) {
		c, s := k.pair()
		k.note("shutdown", k.Shutdown(s, sockapi.SHUT_RDWR))
		k.settle()
		k.recvs(s, 1, 0, 1)
		k.sends(s, "x", 1)
		k.recvs(c, 1, 0, 1)
		k.must(k.Close(c))
		k.settle()
		k.note("closed", k.Shutdown(s, sockapi.SHUT_RDWR))
	}, want: `shutdown ok; recv ""; send EPIPE; recv ""; closed ENOTCONN`},
	{name: "a reset, met by recv", run: func(k *kit) {
		c, s := k.pair()
		k.reset(c)
		k.recvs(s, 1, 0, 3)
		k.sends(s, "x", 2)
	}, want: `recv ECONNRESET; recv ""; recv ""; send EPIPE; send EPIPE`},
	{name: "a reset, met by send", run: func(k *kit) {
		c, s := k.pair()
		k.reset(c)
		k.sends(s, "x", 2)
		k.recvs(s, 1, 0, 1)
	}, want: `send ECONNRESET; send EPIPE; recv ""`},
	{name: "a reset, met by SO_ERROR", run: func(k *kit) {
		c, s := k.pair()
		k.reset(c)
		k.soError(s)
		k.soError(s)
		k.recvs(s, 1, 0, 1)
		k.sends(s, "x", 1)
	}, want: `SO_ERROR ECONNRESET; SO_ERROR 0; recv ""; send EPIPE`},
	{name: "a reset takes unread data", run: func(k *kit) {
		c, s := k.pair()
		k.send(c, "data")
		k.reset(c)
		k.recvs(s, 9, 0, 3)
	}, want: `recv "data"; recv ECONNRESET; recv ""`},
	{name: "shutdown after a reset", run: func(k *kit) {
		c, s := k.pair()
		k.reset(c)
		k.note("shutdown", k.Shutdown(s, sockapi.SHUT_WR))
	}, want: "shutdown ENOTCONN"},
	{name: "shutdown of a listener", run: func(k *kit) {
		l, addr := k.listener(1)
		k.note("SHUT_WR", k.Shutdown(l, sockapi.SHUT_WR))
		c := k.tcp()
		k.note("connect", k.Connect(c, addr))
		k.settle()
		k.accept(l)
		k.note("SHUT_RD", k.Shutdown(l, sockapi.SHUT_RD))
		k.settle()
		_, _, err := k.Accept4(l, 0)
		k.note("accept", err)
		k.note("connect", k.Connect(k.tcp(), addr))
		k.note("listen", k.Listen(l, 1))
	}, want: "SHUT_WR ok; connect ok; SHUT_RD ok; accept EINVAL; connect ECONNREFUSED; listen ok"},
	{name: "a full send buffer", run: func(k *kit) {
		c, _ := k.pair()
		big := bytes.Repeat([]byte("x"), 64<<20)
		n, err := k.Send(c, big, dontwait)
		k.note("partial", n > 0 && n < len(big), err)
		for err == nil {
			k.settle() // some of it moves to the receiver's buffer
			_, err = k.Send(c, big, dontwait)
		}
		k.note("full", err)
		k.must(k.Setsockopt(c, sockapi.SOL_SOCKET, sockapi.SO_SNDTIMEO, 10*ms))
		_, err = k.Send(c, []byte("x"), 0)
		k.note("timeout", err)
		k.poll("poll", c)
	}, want: "partial true ok; full EAGAIN; timeout EAGAIN; poll 0"},
	{name: "urgent data", run: func(k *kit) {
		c, s := k.pair()
		k.recvs(s, 1, sockapi.MSG_OOB, 1)
		n, err := k.Send(c, []byte("!"), sockapi.MSG_OOB)
		k.count("send", n, err)
	}, want: "recv EINVAL; send EOPNOTSUPP", linux: "recv EINVAL; send 1"},
	{name: "MSG_MORE", run: func(k *kit) {
		c, s := k.pair()
		n, err := k.Send(c, []byte("a"), sockapi.MSG_MORE)
		k.count("more", n, err)
		k.settle()
		k.recvs(s, 9, dontwait, 1)
		k.sends(c, "b", 1)
		k.recvs(s, 9, dontwait, 1)
	}, want: `more 1; recv EAGAIN; send 1; recv "ab"`},
	{name: "TCP_NODELAY sends what a cork holds back, and the cork stays", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Setsockopt(c, sockapi.IPPROTO_TCP, sockapi.TCP_CORK, 1))
		k.send(c, "a")
		k.settle()
		k.recvs(s, 9, dontwait, 1)
		k.must(k.Setsockopt(c, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, 1))
		k.settle()
		k.recvs(s, 9, dontwait, 1)
		k.send(c, "b")
		k.settle()
		k.recvs(s, 9, dontwait, 1)
	}, want: `recv EAGAIN; recv "a"; recv EAGAIN`},
	{name: "an address is ignored on a stream", run: func(k *kit) {
		c, s := k.pair()
		n, err := k.Sendto(c, []byte("x"), 0, netip.AddrPortFrom(lo4, 9))
		k.count("sendto", n, err)
		k.settle()
		b, from, err := k.Recvfrom(s, 9, 0)
		k.data("recvfrom", b, err)
		k.note("from", from.IsValid())
	}, want: `sendto 1; recvfrom "x"; from false`},
	{name: "closing with SO_LINGER 0 resets", run: func(k *kit) {
		c, s := k.pair()
		k.reset(s)
		k.recvs(c, 1, 0, 1)
	}, want: "recv ECONNRESET"},
	{name: "closing with SO_LINGER and a time", run: func(k *kit) {
		c, s := k.pair()
		k.must(k.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true, Seconds: 1}))
		k.send(s, "last")
		k.note("close", k.Close(s))
		k.settle()
		k.recvs(c, 9, 0, 2)
	}, want: `close ok; recv "last"; recv ""`},
}
