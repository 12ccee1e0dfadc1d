package sockapi_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// raw are the bytes of one of package unix's structures.
func raw[T any](v T) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))...)
}

// netOrder swaps a number of 16 bits on this little-endian machine.
func netOrder(v uint16) uint16 { return v<<8 | v>>8 }

func TestSockaddrIsLinux(t *testing.T) {
	for _, tc := range []struct {
		addr sockapi.Sockaddr
		want []byte
	}{
		{inet4("10.0.0.2:80"), raw(unix.RawSockaddrInet4{Family: unix.AF_INET, Port: netOrder(80), Addr: [4]byte{10, 0, 0, 2}})},
		{inet4("[fe80::1%7]:80"), raw(unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: netOrder(80), Addr: [16]byte{0xfe, 0x80, 15: 1}, Scope_id: 7})},
		{sockapi.Sockaddr{Family: sockapi.AF_PACKET, Link: sockapi.LinkAddr{Ifindex: 3, Protocol: sockapi.ETH_P_IPV6, PktType: sockapi.PACKET_MULTICAST, Addr: mac}},
			raw(unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: netOrder(unix.ETH_P_IPV6), Ifindex: 3, Hatype: unix.ARPHRD_ETHER,
				Pkttype: unix.PACKET_MULTICAST, Halen: 6, Addr: [8]byte{2, 0, 0, 0, 1, 1}})},
		{sockapi.Sockaddr{}, raw(unix.RawSockaddr{Family: unix.AF_UNSPEC})},
	} {
		b, err := sockapi.AppendSockaddr(nil, tc.addr)
		require.NoError(t, err)
		require.Equal(t, tc.want, b, tc.addr)
		got, err := sockapi.ParseSockaddr(tc.want)
		require.NoError(t, err)
		require.Equal(t, tc.addr, got)
	}
}

// TestControlIsLinux: package unix finds the same messages in what we write,
// and so do we in what it writes.
func TestControlIsLinux(t *testing.T) {
	var control []sockapi.Cmsg
	for _, tc := range cmsgs {
		control = append(control, tc.want)
	}
	b, err := sockapi.AppendControl(nil, control)
	require.NoError(t, err)
	parts, err := unix.ParseSocketControlMessage(b)
	require.NoError(t, err)
	require.Len(t, parts, len(control))
	for i, m := range parts {
		require.Equal(t, []int{control[i].Level, control[i].Type}, []int{int(m.Header.Level), int(m.Header.Type)})
		require.Equal(t, unhex(t, cmsgs[i].wire)[16:][:len(m.Data)], m.Data)
	}
	for _, tc := range []struct {
		wire []byte
		want any
	}{
		{unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: 2, Spec_dst: ip4.As4(), Addr: ip4b.As4()}), sockapi.PktInfo{Ifindex: 2, SpecDst: ip4, Addr: ip4b}},
		{unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: 2, Addr: ip6.As16()}), sockapi.PktInfo{Ifindex: 2, Addr: ip6}},
		{unix.UnixRights(5), []byte{5, 0, 0, 0}},
	} {
		got, err := sockapi.ParseControl(tc.wire)
		require.NoError(t, err)
		require.Equal(t, tc.want, got[0].Value)
		b, err := sockapi.AppendControl(nil, got)
		require.NoError(t, err)
		require.Equal(t, tc.wire, b)
	}
	require.Equal(t, unix.CmsgSpace(13), sockapi.CmsgSpace(13))
	require.Equal(t, unix.CmsgLen(13), sockapi.CmsgLen(13))
}

// TestControlOfLinux reads and writes again what Linux itself puts into
// msg_control: that of a datagram, and of an error in the queue.
func TestControlOfLinux(t *testing.T) {
	recv := func(fd, flags int) map[int]any {
		oob := make([]byte, 1024)
		_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 10), oob, flags)
		require.NoError(t, err)
		control, err := sockapi.ParseControl(oob[:n])
		require.NoError(t, err)
		again, err := sockapi.AppendControl(nil, control)
		require.NoError(t, err)
		require.Equal(t, oob[:n], again)
		out := map[int]any{}
		for _, m := range control {
			out[m.Type] = m.Value
		}
		return out
	}
	for _, tc := range []struct {
		family, level int
		to            netip.Addr
		on            []int // options that are set
		ttl, tos, err int
	}{
		{unix.AF_INET, unix.SOL_IP, netip.MustParseAddr("127.0.0.1"), []int{unix.IP_PKTINFO, unix.IP_RECVTTL, unix.IP_RECVTOS,
			unix.IP_RECVORIGDSTADDR, unix.IP_RECVERR}, unix.IP_TTL, unix.IP_TOS, unix.IP_RECVERR},
		{unix.AF_INET6, unix.SOL_IPV6, netip.IPv6Loopback(), []int{unix.IPV6_RECVPKTINFO, unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS,
			unix.IPV6_RECVERR}, unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS, unix.IPV6_RECVERR},
	} {
		fd, err := unix.Socket(tc.family, unix.SOCK_DGRAM, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		if err := (host{}).Bind(fd, netip.AddrPortFrom(tc.to, 0)); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("this test needs %s on lo, and must run in CI: %v", tc.to, err)
			}
			t.Skipf("this test needs %s on lo: %v", tc.to, err)
		}
		for _, o := range tc.on {
			require.NoError(t, unix.SetsockoptInt(fd, tc.level, o, 1))
		}
		require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
		me, err := (host{}).Getsockname(fd)
		require.NoError(t, err)
		_, err = (host{}).Sendto(fd, []byte("x"), 0, me)
		require.NoError(t, err)
		got := recv(fd, 0)
		require.Equal(t, 64, got[tc.ttl])
		require.Equal(t, 0, got[tc.tos])
		require.WithinDuration(t, time.Now(), got[unix.SO_TIMESTAMPNS].(time.Time), time.Minute)
		if tc.family == unix.AF_INET {
			require.Equal(t, me, got[unix.IP_ORIGDSTADDR])
			require.Equal(t, tc.to, got[unix.IP_PKTINFO].(sockapi.PktInfo).Addr)
		} else {
			require.Equal(t, tc.to, got[unix.IPV6_PKTINFO].(sockapi.PktInfo).Addr)
		}

		_, err = (host{}).Sendto(fd, []byte("x"), 0, netip.AddrPortFrom(tc.to, 1)) // nobody listens
		require.NoError(t, err)
		e := recv(fd, unix.MSG_ERRQUEUE)[tc.err].(sockapi.ExtendedErr)
		require.Equal(t, sockapi.ECONNREFUSED, e.Errno)
		require.Equal(t, tc.to, e.Offender)
	}
}

func hostSetBytes(fd, level, num int, b []byte) error {
	b = append(b, 0) // so that there is an address
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)-1), 0)
	if e != 0 {
		return e
	}
	return nil
}

func hostGetBytes(fd, level, num, size int) ([]byte, error) {
	b, n := make([]byte, size+1), uint32(size)
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(num), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return nil, e
	}
	return b[:n], nil
}

// TestOptionLengthsAreLinux: every option that we do not refuse takes values of
// the lengths that Linux takes, and is read in as many bytes.
func TestOptionLengthsAreLinux(t *testing.T) {
	one := unhex(t, "0100000000000000 0000000000000000 00000000 00000000")
	values := map[string][]byte{
		"TCP_CONGESTION": append([]byte("reno"), make([]byte, 20)...), "SO_BINDTODEVICE": append([]byte("lo"), make([]byte, 22)...),
		"IP_ADD_MEMBERSHIP": unhex(t, "e0010101 7f000001 00000000 000000000000000000000000"), "IP_MULTICAST_IF": make([]byte, 24),
		"IPV6_ADD_MEMBERSHIP": unhex(t, "ff020000000000000000000000001234 01000000 00000000"), "TCP_MAXSEG": unhex(t, "e8030000"),
		"IPV6_MULTICAST_IF": make([]byte, 24),
	}
	skip := map[string]bool{
		"SO_MARK": true, "SO_PRIORITY": true, // a matter of privilege
		"IP_DROP_MEMBERSHIP": true, "IPV6_DROP_MEMBERSHIP": true, // of what is joined
		"SO_BINDTOIFINDEX": true, "IPV6_MTU": true, "IP_MTU": true, // of the host and its routes
	}
	for _, sock := range [][2]int{{inet, stream}, {inet, dgram}, {inet6, stream}, {inet6, dgram}} {
		inWorld(t, func(p *sockapi.Proc) {
			for _, o := range sockapi.Options() {
				if o.Status == sockapi.Refused || skip[o.Name] {
					continue
				}
				v := values[o.Name]
				if v == nil {
					v = one
				}
				for size := range len(v) + 1 {
					ours, err := p.Socket(sock[0], sock[1], 0)
					require.NoError(t, err)
					theirs, err := unix.Socket(sock[0], sock[1], 0)
					require.NoError(t, err)
					name := fmt.Sprintf("%s of %v, %d bytes", o.Name, sock, size)
					setOurs, setTheirs := p.SetsockoptBytes(ours, o.Level, o.Num, v[:size]), hostSetBytes(theirs, o.Level, o.Num, append([]byte{}, v[:size]...))
					getOurs, err1 := p.GetsockoptBytes(ours, o.Level, o.Num, size)
					getTheirs, err2 := hostGetBytes(theirs, o.Level, o.Num, size)
					a, b := result(setOurs), result(setTheirs)
					if tooShort := a == "EINVAL" && (b == "EPROTO" || b == "ENOPROTOOPT"); tooShort && sock[1] == stream && size < 8 {
						a = b // a stream has no multicast: which of two errors comes first differs
					}
					if a != b {
						t.Errorf("setsockopt %s: %s, Linux %s", name, a, b)
					}
					if a, b := result(err1), result(err2); a != b || o.Type != sockapi.Info && len(getOurs) != len(getTheirs) {
						t.Errorf("getsockopt %s: %s %x, Linux %s %x", name, a, getOurs, b, getTheirs)
					}
					_, _ = p.Close(ours), unix.Close(theirs)
				}
			}
		})
	}
}

func result(err error) string {
	if err == nil {
		return "0"
	}
	if name := errnoName(err); name != "" {
		return name
	}
	return hostErrno(err)
}

func TestTCPInfoIsLinux(t *testing.T) {
	b, err := option(t, "TCP_INFO").AppendValue(nil, sockapi.TCPInfo{State: trace.Established, TCPInfo: trace.TCPInfo{
		CAState: "Loss", RTO: 1, MSS: 2, Unacked: 3, Sacked: 4, SRTT: 5 * time.Microsecond, RTTVar: 6 * time.Microsecond, Ssthresh: 7, Cwnd: 8,
		MinRTT: 9 * time.Microsecond, SndWnd: 10, RcvWnd: 11, SACK: true}})
	require.NoError(t, err)
	got := unix.TCPInfo{}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&got)), unsafe.Sizeof(got)), b)
	require.Equal(t, unix.TCPInfo{State: 1, Ca_state: 4, Options: 2, Snd_mss: 2, Unacked: 3, Sacked: 4, Rtt: 5, Rttvar: 6,
		Snd_ssthresh: 7, Snd_cwnd: 8, Min_rtt: 9, Snd_wnd: 10, Rcv_wnd: 11}, got)
}
