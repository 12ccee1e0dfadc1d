package sockdiag

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"fivetuple/trace"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// open asks the kernel that runs the test. One without sock_diag is none that this
// can be tested on.
func open(t *testing.T) *Conn {
	t.Helper()
	c, err := Open()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test needs a kernel with sock_diag for TCP: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func tupleOf(c net.Conn) trace.FiveTuple {
	plain := func(a net.Addr) netip.AddrPort {
		ap := a.(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return trace.FiveTuple{Proto: "tcp", Local: plain(c.LocalAddr()), Remote: plain(c.RemoteAddr())}
}

// pair makes a connection over loopback.
func pair(t *testing.T, network, listen, dial string) (l net.Listener, client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen(network, listen)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	c, err := net.Dial("tcp", net.JoinHostPort(dial, port))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return l, c.(*net.TCPConn), s.(*net.TCPConn)
}

// TestKernel asks this kernel for connections over loopback, through the states
// in which they rest: those of both families, and of an IPv6 socket with IPv4.
func TestKernel(t *testing.T) {
	c := open(t)
	ask := func(ft trace.FiveTuple) (trace.Socket, bool) {
		t.Helper()
		s, ok, err := c.Connection(ft)
		require.NoError(t, err)
		return s, ok
	}
	for _, tt := range []struct{ name, network, listen, dial string }{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "tcp6", "[::1]:0", "::1"},
		{"IPv4 on an IPv6 socket", "tcp", "[::]:0", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, client, server := pair(t, tt.network, tt.listen, tt.dial)
			near, far := tupleOf(client), tupleOf(server)
			require.Equal(t, near.Local, far.Remote)

			s, ok := ask(far)
			require.True(t, ok)
			require.Equal(t, trace.Established, s.State)
			require.Equal(t, far, s.FiveTuple)
			s, ok = ask(near)
			require.True(t, ok)
			require.Equal(t, trace.Established, s.State)
			require.NotZero(t, s.Info.Cwnd)
			require.NotZero(t, s.Info.MSS)
			require.NotZero(t, s.Info.RTO)
			require.Contains(t, caStates, s.Info.CAState)

			require.NoError(t, client.CloseWrite())
			_, err := server.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			s, _ = ask(near)
			require.Contains(t, []trace.TCPState{trace.FinWait1, trace.FinWait2}, s.State, "the FIN's acknowledgment may be delayed")
			s, _ = ask(far)
			require.Equal(t, trace.CloseWait, s.State)

			require.NoError(t, server.Close())
			_, err = client.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			s, ok = ask(near)
			require.True(t, ok)
			require.Equal(t, trace.TimeWait, s.State)
			require.Zero(t, s.Info.Cwnd, "it has no variables any more")
			for s, ok = ask(far); ok; s, ok = ask(far) { // until the last acknowledgment is there
				require.Equal(t, trace.LastAck, s.State)
			}
		})
	}
}

// TestKernelListener: a five-tuple that a listener would take is no connection.
func TestKernelListener(t *testing.T) {
	c := open(t)
	l, _, server := pair(t, "tcp4", "127.0.0.1:0", "127.0.0.1")
	require.NoError(t, l.Close())
	ft := tupleOf(server)
	ft.Remote = netip.AddrPortFrom(ft.Remote.Addr(), 1)
	l2, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l2.Close()
	for _, local := range []netip.AddrPort{ft.Local, l2.Addr().(*net.TCPAddr).AddrPort()} {
		ft.Local = local
		_, ok, err := c.Connection(ft)
		require.NoError(t, err)
		require.False(t, ok)
	}
}

// TestKernelForgets: an answer that nobody has read is not taken for the next one.
func TestKernelForgets(t *testing.T) {
	c := open(t)
	_, client, _ := pair(t, "tcp4", "127.0.0.1:0", "127.0.0.1")
	nobody := trace.FiveTuple{Proto: "tcp", Local: netip.MustParseAddrPort("127.0.0.1:1"), Remote: netip.MustParseAddrPort("127.0.0.1:2")}
	require.NoError(t, c.send(unix.NLM_F_REQUEST, question{family: unix.AF_INET, proto: unix.IPPROTO_TCP, states: ^uint32(0), tuple: nobody}))
	_, ok, err := c.Connection(tupleOf(client))
	require.NoError(t, err)
	require.True(t, ok)
}

// TestLayout: the places of tcp_info's members are those of the kernel's headers,
// as golang.org/x/sys has them.
func TestLayout(t *testing.T) {
	var i unix.TCPInfo
	for want, got := range map[int]uintptr{
		tiCAState: unsafe.Offsetof(i.Ca_state), tiOptions: unsafe.Offsetof(i.Options), tiRTO: unsafe.Offsetof(i.Rto),
		tiSndMSS: unsafe.Offsetof(i.Snd_mss), tiUnacked: unsafe.Offsetof(i.Unacked), tiSacked: unsafe.Offsetof(i.Sacked),
		tiRTT: unsafe.Offsetof(i.Rtt), tiRTTVar: unsafe.Offsetof(i.Rttvar), tiSsthresh: unsafe.Offsetof(i.Snd_ssthresh),
		tiCwnd: unsafe.Offsetof(i.Snd_cwnd), tiRetrans: unsafe.Offsetof(i.Total_retrans), tiMinRTT: unsafe.Offsetof(i.Min_rtt),
		tiSndWnd: unsafe.Offsetof(i.Snd_wnd), tiRcvWnd: unsafe.Offsetof(i.Rcv_wnd),
	} {
		require.Equal(t, uintptr(want), got)
	}
}

// BenchmarkConnection is what a look costs.
func BenchmarkConnection(b *testing.B) {
	c, err := Open()
	if err != nil {
		b.Skip(err)
	}
	defer c.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	require.NoError(b, err)
	defer conn.Close()
	ft := tupleOf(conn)
	for b.Loop() {
		if _, ok, err := c.Connection(ft); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// TestKernelList: a list has every socket once, however many datagrams it takes,
// with what finds its owner; those of both protocols and families.
func TestKernelList(t *testing.T) {
	c := open(t)
	want := make(map[trace.FiveTuple]bool)
	for i := range 200 { // some 100 KB, in datagrams of at most 32 KiB
		network, addr := "tcp4", "127.0.0.1"
		if i%2 == 1 {
			network, addr = "tcp6", "::1"
		}
		_, client, server := pair(t, network, net.JoinHostPort(addr, "0"), addr)
		want[tupleOf(client)], want[tupleOf(server)] = true, true
	}
	_, client, server := pair(t, "tcp4", "127.0.0.1:0", "127.0.0.1")
	_, err := client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	u, err := net.Dial("udp4", "127.0.0.1:9")
	require.NoError(t, err)
	defer u.Close()
	bound, err := net.ListenPacket("udp6", "[::1]:0")
	require.NoError(t, err)
	defer bound.Close()

	all, err := c.List("tcp")
	require.NoError(t, err)
	got := make(map[trace.FiveTuple]int)
	for _, s := range all {
		got[s.FiveTuple]++
		switch s.FiveTuple {
		case tupleOf(server):
			require.Equal(t, trace.CloseWait, s.State)
			require.Equal(t, 6, s.RecvQ, "five bytes, and the FIN takes one")
			require.NotZero(t, s.Info.Cwnd)
			require.NotZero(t, s.Mem.RcvBuf)
			require.NotEmpty(t, s.Congestion)
			require.Equal(t, inodeOf(t, server), s.Inode)
		case tupleOf(client):
			require.Equal(t, []bool{false, true}, []bool{s.RcvShut, s.SndShut})
		}
	}
	for ft := range want {
		require.Equal(t, 1, got[ft], "%v", ft)
	}

	all, err = c.List("udp")
	require.NoError(t, err)
	seen := make(map[netip.AddrPort]Listed)
	for _, s := range all {
		require.Equal(t, "udp", s.Proto)
		seen[s.Local] = s
	}
	connected := seen[u.LocalAddr().(*net.UDPAddr).AddrPort()]
	require.Equal(t, trace.Established, connected.State)
	require.Equal(t, "127.0.0.1:9", connected.Remote.String())
	require.Equal(t, inodeOf(t, u.(*net.UDPConn)), connected.Inode)
	alone := seen[bound.LocalAddr().(*net.UDPAddr).AddrPort()]
	require.Equal(t, trace.Closed, alone.State)
	require.True(t, alone.V6)
	require.False(t, alone.Remote.IsValid())

	dual, _, accepted := pair(t, "tcp", "[::]:0", "127.0.0.1") // an AF_INET6 socket with IPv4
	defer dual.Close()
	only, err := c.List("tcp", netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	found := false
	for _, s := range only {
		require.Equal(t, "127.0.0.1", s.Remote.Addr().String())
		found = found || s.V6 && s.FiveTuple == tupleOf(accepted)
	}
	require.True(t, found)
	require.GreaterOrEqual(t, len(only), 200, "half of them")
	only, err = c.List("tcp", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"))
	require.NoError(t, err)
	require.Empty(t, only)
	only, err = c.List("udp", netip.IPv6Unspecified())
	require.NoError(t, err)
	require.NotEmpty(t, only)
	for _, s := range only {
		require.False(t, s.Remote.IsValid())
	}

	_, err = c.List("sctp")
	require.EqualError(t, err, "sock_diag: sockets of sctp cannot be listed")
	_, ok, err := c.Connection(tupleOf(client))
	require.NoError(t, err)
	require.True(t, ok, "a list leaves nothing behind")
}

// inodeOf is the number of a socket in /proc/self/fd.
func inodeOf(t *testing.T, c syscall.Conn) uint32 {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	var st unix.Stat_t
	require.NoError(t, raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }))
	require.NoError(t, err)
	return uint32(st.Ino)
}
