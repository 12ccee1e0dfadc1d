package packetdrill_test

import (
	"fmt"
	"strings"
	"testing"

	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
)

// passes runs a script after listen, in each IP version.
func passes(t *testing.T, src string) {
	t.Helper()
	for _, v := range []packetdrill.IPVersion{packetdrill.IPv4, packetdrill.IPv6, packetdrill.Mapped} {
		require.Nil(t, run(t, listen+src, packetdrill.Config{Settings: packetdrill.Settings{IPVersion: v, StrictTime: true}}).Problem, "%s", v)
	}
}

// diverges runs a script that expects something else than what happens.
func diverges(t *testing.T, src, want string) {
	t.Helper()
	r := run(t, listen+src, packetdrill.Config{})
	require.Equal(t, packetdrill.Diverges, r.Verdict, "%v", r.Problem)
	require.ErrorContains(t, r.Problem, want)
}

const (
	zero = "+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0\n+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n"
	none = "+0 recvmsg(4, {msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE, msg_control=[]}, MSG_ERRQUEUE) = -1 EAGAIN\n"
)

// copied expects the notice of the sends lo to hi.
func copied(lo, hi int) string {
	return fmt.Sprintf(`+0 recvmsg(4, {msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE, msg_control=[{cmsg_level=CMSG_LEVEL_IP, cmsg_type=CMSG_TYPE_RECVERR,
	cmsg_data={ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0, ee_code=SO_EE_CODE_ZEROCOPY_COPIED, ee_info=%d, ee_data=%d}}]}, MSG_ERRQUEUE) = 0
`, lo, hi)
}

// TestZeroCopy: a send is noticed when its last byte has been acknowledged, not
// before; what is acknowledged together is noticed together.
func TestZeroCopy(t *testing.T) {
	const two = zero + "+0 send(4, ..., 100, MSG_ZEROCOPY) = 100\n+0 > P. 1:101(100) ack 1\n+0 send(4, ..., 100, MSG_ZEROCOPY) = 100\n+0 > P. 101:201(100) ack 1\n"
	passes(t, two+none+"+.1 < . 1:1(0) ack 200 win 999\n"+copied(0, 0)+none+"+.1 < . 1:1(0) ack 201 win 999\n"+copied(1, 1)+none)
	passes(t, two+"+.1 < . 1:1(0) ack 201 win 999\n"+copied(0, 1)+none)
	passes(t, two+"+.1 < . 1:1(0) ack 101 win 999\n+.1 < . 1:1(0) ack 201 win 999\n"+copied(0, 1)+none)
	diverges(t, two+"+.1 < . 1:1(0) ack 201 win 999\n"+copied(0, 0), "recvmsg: ee_data: expected 0, got 1")
	diverges(t, two+"+.1 < . 1:1(0) ack 101 win 999\n"+strings.Replace(copied(0, 0), "SO_EE_CODE_ZEROCOPY_COPIED", "0", 1), "ee_code: expected 0, got 1")

	// A reset frees the data as well.
	passes(t, two+"+.1 < R 1:1(0) win 0\n"+copied(0, 1))
	// Without the option, and without data, the flag says nothing.
	passes(t, "+0 send(4, ..., 100, MSG_ZEROCOPY) = 100\n+0 > P. 1:101(100) ack 1\n+.1 < . 1:1(0) ack 101 win 999\n"+none)
	passes(t, zero+"+0 send(4, ..., 0, MSG_ZEROCOPY) = 0\n"+two[len(zero):]+"+.1 < . 1:1(0) ack 201 win 999\n"+copied(0, 1))
	// A send that fails takes no number.
	passes(t, two+"+0 shutdown(4, SHUT_WR) = 0\n+0 > F. 201:201(0) ack 1\n+0 send(4, ..., 9, MSG_ZEROCOPY|MSG_NOSIGNAL) = -1 EPIPE\n+.1 < . 1:1(0) ack 202 win 999\n"+copied(0, 1)+none)
	// Sends that wait behind each other are one buffer, and noticed as one.
	passes(t, zero+"+0 < . 1:1(0) ack 1 win 0\n+0 send(4, ..., 100, MSG_ZEROCOPY) = 100\n+0 send(4, ..., 100, MSG_ZEROCOPY) = 100\n"+
		"+.1 < . 1:1(0) ack 1 win 999\n+0 > P. 1:101(100) ack 1\n+0 > P. 101:201(100) ack 1\n+.1 < . 1:1(0) ack 150 win 999\n"+none+"+.1 < . 1:1(0) ack 201 win 999\n"+copied(0, 1))

	// poll and epoll say POLLERR at the instant of the acknowledgment.
	passes(t, two+"+0...0.25 poll([{fd=4, events=0, revents=POLLERR}], 1, 1000) = 1\n+.25 < . 1:1(0) ack 101 win 999\n")
	passes(t, two+`+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLET, fd=4}) = 0
+0...0.25 epoll_wait(5, {events=EPOLLERR, fd=4}, 1, 1000) = 1
+.25 < . 1:1(0) ack 101 win 999
+0 epoll_wait(5, {events=0, fd=4}, 1, 0) = 0
`)
}

// stamp expects a timestamp of a byte.
func stamp(at, kind string, key int) string {
	return fmt.Sprintf(`+0 recvmsg(4, {msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC, msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING,
	cmsg_data={scm_sec=0, scm_nsec=%s}}, {cmsg_level=CMSG_LEVEL_IP, cmsg_type=CMSG_TYPE_RECVERR,
	cmsg_data={ee_errno=ENOMSG, ee_origin=SO_EE_ORIGIN_TIMESTAMPING, ee_type=0, ee_code=0, ee_info=SCM_TSTAMP_%s, ee_data=%d}}]}, MSG_ERRQUEUE) = 0
`, at, kind, key)
}

// TestStamping: the last byte of a send has its timestamps, whose key counts
// from what had been acknowledged when OPT_ID was set.
func TestStamping(t *testing.T) {
	on := func(flags string) string {
		return "+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [" + flags + "], 4) = 0\n"
	}
	all := on("SOF_TIMESTAMPING_TX_SCHED|SOF_TIMESTAMPING_TX_SOFTWARE|SOF_TIMESTAMPING_TX_ACK|SOF_TIMESTAMPING_SOFTWARE|SOF_TIMESTAMPING_OPT_ID")
	const send = "+.1 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n"
	passes(t, all+send+stamp("200000000", "SCHED", 99)+stamp("200000000", "SND", 99)+none+
		"+.1 < . 1:1(0) ack 100 win 999\n"+none+"+.1 < . 1:1(0) ack 101 win 999\n"+stamp("400000000", "ACK", 99)+none)
	// Data before the option does not count, once it is acknowledged.
	passes(t, send+"+.1 < . 1:1(0) ack 101 win 999\n"+all+"+0 write(4, ..., 9) = 9\n+0 > P. 101:110(9) ack 1\n"+stamp("300000000", "SCHED", 8))
	// What is sent again is stamped again.
	passes(t, on("SOF_TIMESTAMPING_TX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE")+send+"+.3 > P. 1:101(100) ack 1\n"+stamp("200000000", "SND", 0)+stamp("500000000", "SND", 0)+none)
	// OPT_TSONLY leaves the packet out, and without SOFTWARE there is no time.
	passes(t, on("SOF_TIMESTAMPING_TX_SOFTWARE|SOF_TIMESTAMPING_OPT_TSONLY")+send+`+0 recvmsg(4, {msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE,
		msg_control=[{cmsg_level=CMSG_LEVEL_IP, cmsg_type=CMSG_TYPE_RECVERR, cmsg_data={ee_info=SCM_TSTAMP_SND}}]}, MSG_ERRQUEUE) = 0`)
	diverges(t, all+send+stamp("150000000", "SCHED", 99), "scm_timestamping: expected 0.15, got 0.2: off by 0.05 s")
	diverges(t, all+send+stamp("200000000", "SCHED", 100), "ee_data: expected 100, got 99")
	r := run(t, listen+on("SOF_TIMESTAMPING_RX_SOFTWARE"), packetdrill.Config{})
	require.Equal(t, packetdrill.Unsupported, r.Verdict)
	r = run(t, "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_SOCKET, SO_TIMESTAMPING, [SOF_TIMESTAMPING_OPT_ID], 4) = -1 EINVAL", packetdrill.Config{})
	require.Nil(t, r.Problem)
}

// TestNotsentLowat: a socket takes data while less than the limit waits, and
// then what fills a buffer of Linux's; it is writable below half of it.
func TestNotsentLowat(t *testing.T) {
	const set = "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 setsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], 4) = 0\n+0 getsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], [4]) = 0\n"
	// A window of 5840 bytes takes four segments of a buffer of 22 (half of the largest window), which is then filled again.
	const full = set + "+0 < . 1:1(0) ack 1 win 5840\n+0 write(4, ..., 100000) = 37960\n+0 > . 1:5841(5840) ack 1\n+0 write(4, ..., 1) = -1 EAGAIN\n+0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0\n"
	passes(t, full)
	passes(t, full+"+0...0.3 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 1, 1000) = 1\n"+
		"+.1 < . 1:1(0) ack 5841 win 30119\n* > . 5841:20441(14600) ack 1\n+0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0\n+.2 < . 1:1(0) ack 20441 win 60000\n")
	diverges(t, strings.Replace(full, "37960", "50000", 1), "write: expected 50000, got 37960")
	// A write that blocks goes on when half of the limit is free.
	passes(t, strings.Replace(set, "O_RDWR|O_NONBLOCK", "O_RDWR", 1)+"+0 < . 1:1(0) ack 1 win 5840\n+0...0.2 write(4, ..., 40000) = 40000\n+0 > . 1:5841(5840) ack 1\n"+
		"+.1 < . 1:1(0) ack 5841 win 60000\n* > . 5841:20441(14600) ack 1\n+.1 < . 1:1(0) ack 20441 win 60000\n")
	// The sysctl is for sockets without the option.
	r := run(t, "`sysctl -q net.ipv4.tcp_notsent_lowat=4000`\n"+listen+strings.ReplaceAll(full[strings.Index(full, "+0 < "):], "write(4, ..., 1)", "send(4, ..., 1, MSG_DONTWAIT)"), packetdrill.Config{})
	require.ErrorContains(t, r.Problem, "it blocks, and should return at once")
}

// TestBadPointers: a call that would use a bad pointer fails, unless something
// else makes it fail before.
func TestBadPointers(t *testing.T) {
	passes(t, `+0 write(4, NULL, 10) = -1 EFAULT
+0 sendto(4, NULL, 10, 0, ..., ...) = -1 EFAULT
+0 sendmsg(4, NULL, 0) = -1 EFAULT
+0 write(77, NULL, 10) = -1 EBADF
+0 write(4, NULL, 0) = 0
+0 recv(4, NULL, 10, MSG_DONTWAIT) = -1 EAGAIN
+.1 < P. 1:11(10) ack 1 win 999
+0 > . 1:1(0) ack 11
+0 read(4, NULL, 10) = -1 EFAULT
+0 recvmsg(4, NULL, 0) = -1 EFAULT
+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, NULL, 4) = -1 EFAULT
+0 getsockopt(4, SOL_SOCKET, SO_KEEPALIVE, NULL, [4]) = -1 EFAULT
+0 connect(4, NULL, 16) = -1 EFAULT
+0 read(4, ..., 20) = 10
+.1 < F. 11:11(0) ack 1 win 999
+0 read(4, NULL, 10) = 0
`)
}
