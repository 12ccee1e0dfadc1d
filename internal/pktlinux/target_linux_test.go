package pktlinux_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fivetuple/internal/pktlinux"
	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
)

// patient is a tolerance for machines that are busy: what these tests claim is
// about calls and packets.
const patient = 500 * time.Millisecond

// requireTarget skips a test where no namespace or TUN device can be made,
// except in CI, where that is a failure.
func requireTarget(t *testing.T) {
	t.Helper()
	err := pktlinux.Check()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("this test must run in CI: %v", err)
	default:
		t.Skipf("%v", err)
	}
}

func run(t *testing.T, src string, how pktlinux.Config) *packetdrill.Result {
	t.Helper()
	s, err := packetdrill.Parse("x.pkt", []byte(src), nil)
	require.NoError(t, err)
	r, err := pktlinux.Run(context.Background(), s, packetdrill.Config{Settings: packetdrill.Settings{Tolerance: patient}}, how)
	require.NoError(t, err)
	return r
}

// open is a connection of a client.
const open = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0...0.1 connect(3, ..., ...) = 0
+0 > S 0:0(0) <...>
+.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
+0 > . 1:1(0) ack 1
`

// TestWhatNetstackLacks: what is unsupported on netstack is done here. Each is
// as its RFC or man page says, so on every kernel.
func TestWhatNetstackLacks(t *testing.T) {
	requireTarget(t)
	for _, tc := range []struct{ name, src string }{
		{"a Fast Open cookie is requested: RFC 7413", "`defaults.sh; sysctl -q net.ipv4.tcp_timestamps=0`\n" + `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 sendto(3, ..., 0, MSG_FASTOPEN, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 8,FO,nop,nop>
`},
		{"ECN is negotiated: RFC 3168", "`sysctl -q net.ipv4.tcp_ecn=1`\n" + `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < SEW 0:0(0) win 65535 <mss 1000>
+0 > SE. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 100) = 100
+0 > [ect0] P. 1:101(100) ack 1
`},
		{"MSG_ZEROCOPY, and its notice", open + `+0 setsockopt(3, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0
+0 send(3, ..., 500, MSG_ZEROCOPY) = 500
+0 > P. 1:501(500) ack 1
+0 < . 1:1(0) ack 501 win 65535
+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE,
	msg_control=[{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0,
	ee_code=SO_EE_CODE_ZEROCOPY_COPIED, ee_info=0, ee_data=0}}]}, MSG_ERRQUEUE) = 0
`},
		{"SO_TIMESTAMPING", open + `+0 setsockopt(3, SOL_SOCKET, SO_TIMESTAMPING,
	[SOF_TIMESTAMPING_TX_ACK|SOF_TIMESTAMPING_SOFTWARE|SOF_TIMESTAMPING_OPT_ID], 4) = 0
+0 write(3, ..., 500) = 500
+0 > P. 1:501(500) ack 1
+.1 < . 1:1(0) ack 501 win 65535
+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC,
	msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0,scm_nsec=200000000}},
	{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ENOMSG, ee_origin=SO_EE_ORIGIN_TIMESTAMPING, ee_type=0,
	ee_code=0, ee_info=SCM_TSTAMP_ACK, ee_data=499}}]}, MSG_ERRQUEUE) = 0
`},
		{"bad addresses", open + "+0 write(3, NULL, 10) = -1 EFAULT\n+0 < P. 1:11(10) ack 1 win 65535\n+0 read(3, NULL, 10) = -1 EFAULT\n" +
			"+0 setsockopt(3, SOL_TCP, TCP_NODELAY, NULL, 4) = -1 EFAULT\n+0 getsockopt(3, SOL_TCP, TCP_NODELAY, NULL, [4]) = -1 EFAULT\n" +
			"+0 sendmsg(3, NULL, 0) = -1 EFAULT\n+0 recvmsg(3, NULL, 0) = -1 EFAULT\n+0 sendto(3, NULL, 10, 0, ..., ...) = -1 EFAULT\n" +
			"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4\n+0 bind(4, NULL, 16) = -1 EFAULT\n+0 connect(4, NULL, 16) = -1 EFAULT\n"},
		{"pipes", open + "+0 pipe([5, 6]) = 0\n+0 < P. 1:11(10) ack 1 win 65535\n+0 splice(3, NULL, 6, NULL, 10, 0) = 10\n+0 read(5, ..., 99) = 10\n"},
		{"the length of what is cut off", "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 connect(3, ..., ...) = 0\n+0 write(3, ..., 10) = 10\n+0 > udp (10)\n" +
			"+0 < udp (200)\n+0 recv(3, ..., 50, MSG_TRUNC) = 200\n"},
		{"epoll", open + "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, fd=3}) = 0\n" +
			"+0 < P. 1:11(10) ack 1 win 65535\n+0 epoll_wait(5, {events=EPOLLIN, fd=3}, 1, 0) = 1\n"},
		{"fields of tcp_info", open + "+0 %{ assert tcpi_delivered == 1 and tcpi_rcv_mss > 0 and tcpi_backoff == 0 }%\n"},
		{"TCP_NOTSENT_LOWAT", open + "+0 setsockopt(3, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], 4) = 0\n+0 getsockopt(3, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], [4]) = 0\n"},
		{"a file", "`dd if=/dev/zero of=/tmp/f bs=1 count=5`\n" + open + "+0 open(\"/tmp/f\", O_RDONLY) = 5\n+0 sendfile(3, 5, [0], 5) = 5\n+0 > P. 1:6(5) ack 1\n"},
		{"the whole socket API of IPv6", "--ip_version=ipv6\n" + open + "+0 write(3, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n"},
		{"UDP", "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 sendto(3, ..., 10, 0, ..., ...) = 10\n+0 > udp (10)\n+0 < udp (20)\n+0 read(3, ..., 99) = 20\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := run(t, tc.src, pktlinux.Config{})
			require.Nil(t, r.Problem, "%v", r.Problem)
		})
	}
}

// TestAllowances: PSH can be left out of the comparison here too; what is about
// netstack alone is noted.
func TestAllowances(t *testing.T) {
	requireTarget(t)
	const src = open + "+0 write(3, ..., 500) = 500\n+0 > . 1:501(500) ack 1\n"
	require.ErrorContains(t, run(t, src, pktlinux.Config{}).Problem, "flags: expected ., got P.")
	r := run(t, "--allow=psh,sack-room\n"+src, pktlinux.Config{})
	require.Nil(t, r.Problem)
	require.Contains(t, r.Notes, "--allow=sack-room: Linux keeps no room free in its segments")
}

// TestCongestionControl: a script begins with cubic, whatever the machine
// prefers, and gets what it asks for.
func TestCongestionControl(t *testing.T) {
	requireTarget(t)
	const get = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, SOL_TCP, TCP_CONGESTION, \"%s\", [16]) = 0\n"
	require.Nil(t, run(t, fmt.Sprintf(get, "cubic"), pktlinux.Config{}).Problem)
	require.Nil(t, run(t, "`sysctl -q net.ipv4.tcp_congestion_control=reno`\n"+fmt.Sprintf(get, "reno"), pktlinux.Config{}).Problem)
}

// TestCommands: what scripts ask a shell for is done without one, in the
// namespace.
func TestCommands(t *testing.T) {
	requireTarget(t)
	const dropped = "`tc qdisc replace dev tun0 root pfifo limit 0`\n" // packets cannot leave
	for _, tc := range []struct {
		name, src string
		verdict   packetdrill.Verdict
		want      string
	}{
		{"a queue that drops", dropped + "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 sendto(3, ..., 10, 0, ..., ...) = 10\n+0 > udp (10)\n",
			packetdrill.Diverges, "x.pkt:4: nothing was sent"},
		{"a route", "`ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 600 mtu lock 1000`\n" + `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <mss 600,sackOK,TS val 100 ecr 0,nop,wscale 9>
`, packetdrill.Diverges, "expected <mss 600,sackOK,TS val 100 ecr 0,nop,wscale 9>, got <mss 600,"},
		{"counters", open + "+0 `nstat > /dev/null`\n+0 < icmp unreachable host_unreachable [77777:78777(1000)]\n+0 `nstat | grep TcpExtOutOfWindowIcmps > /dev/null`\n", packetdrill.Pass, ""},
		{"a counter that has not changed", open + "+0 `nstat > /dev/null`\n+0 `nstat | grep TcpExtOutOfWindowIcmps > /dev/null`\n",
			packetdrill.Diverges, `x.pkt:7: grep finds no "TcpExtOutOfWindowIcmps"`},
		{"offloads", "`ethtool -K tun0 tso off gso off`\n0 close(9) = -1 EBADF\n", packetdrill.Pass, ""},
		{"metrics", "`ip tcp_metrics flush all > /dev/null`\n0 close(9) = -1 EBADF\n", packetdrill.Pass, ""},
		{"a sysctl of the machine", "`sysctl -q kernel.hostname=x`\n0 close(9) = -1 EBADF\n", packetdrill.Unsupported, "only sysctls of the network"},
		{"a queue that no kernel has", "`tc qdisc add dev tun0 root nonsense`\n0 close(9) = -1 EBADF\n", packetdrill.Unsupported, "no queue nonsense"},
		{"another command", "`hostname x`\n0 close(9) = -1 EBADF\n", packetdrill.Unsupported, "no shell is run without --allow-shell"},
		{"PSP", "--psp_udp_port=1000\n0 close(9) = -1 EBADF\n", packetdrill.Unsupported, "Linux needs a network card for it"},
		{"a descriptor of this program", "0 close(0) = 0\n", packetdrill.Diverges, "close: expected 0, got -1 EBADF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := run(t, tc.src, pktlinux.Config{})
			if tc.want == "" {
				require.Nil(t, r.Problem, "%v", r.Problem)
				return
			}
			require.ErrorContains(t, r.Problem, tc.want)
			require.Equal(t, tc.verdict, r.Verdict)
		})
	}
}

// TestShell: with leave, a shell runs in the namespace, which has the device;
// its failure is the script's.
func TestShell(t *testing.T) {
	requireTarget(t)
	sh := pktlinux.Config{AllowShell: true}
	require.Nil(t, run(t, "`test -d /proc/self/net/dev_snmp6/tun0 || grep -q tun0: /proc/self/net/dev`\n0 close(9) = -1 EBADF\n", sh).Problem)
	require.ErrorContains(t, run(t, "`test 1 = 2`\n0 close(9) = -1 EBADF\n", sh).Problem, "x.pkt:1: /bin/sh: exit status 1")
}

// TestBound: a script that takes too long is ended, with a call that waits.
func TestBound(t *testing.T) {
	requireTarget(t)
	r := run(t, "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...50 connect(3, ..., ...) = 0\n+60 close(3) = 0\n", pktlinux.Config{Bound: time.Second})
	require.ErrorContains(t, r.Problem, "x.pkt:3: the script takes longer than 1s")
}

// TestMachine: a run leaves no setting, no device and no descriptor behind.
func TestMachine(t *testing.T) {
	requireTarget(t)
	state := func() string {
		var b strings.Builder
		for _, name := range []string{"tcp_congestion_control", "tcp_allowed_congestion_control", "tcp_timestamps", "tcp_rmem"} {
			text, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
			require.NoError(t, err)
			b.Write(text)
		}
		_, err := os.Stat("/sys/class/net/tun0")
		b.WriteString(map[bool]string{true: "no device", false: "a device"}[os.IsNotExist(err)])
		return b.String()
	}
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	const script = "`defaults.sh`\n" + open
	run(t, script, pktlinux.Config{}) // the runtime's own descriptors come with the first
	before, open := state(), fds()
	require.Nil(t, run(t, script, pktlinux.Config{}).Problem)
	require.Equal(t, before, state())
	require.LessOrEqual(t, fds(), open)
}

// TestUnprivileged: without root, the error says what is missing, and why.
func TestUnprivileged(t *testing.T) {
	requireTarget(t)
	if os.Getenv("FIVETUPLE_PKT_TEST_CHILD") != "" {
		t.Fatal("the child is not to get here")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", exe, "-test.run=^TestUnprivileged$", "-test.v")
	if _, err := exec.LookPath("setpriv"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs setpriv (util-linux), and must run in CI")
		}
		t.Skip("this test needs setpriv (util-linux)")
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "FIVETUPLE_PKT_TEST_CHILD=1", "CI=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "run as root (CAP_SYS_ADMIN)")
}
