package sockapi_test

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// option finds a row of the table.
func option(t testing.TB, name string) *sockapi.Option {
	t.Helper()
	for _, o := range sockapi.Options() {
		if o.Name == name {
			return &o
		}
	}
	t.Fatalf("no option %s", name)
	return nil
}

var group6 = netip.MustParseAddr("ff02::1234")

// optionWires are values and their bytes, by the layouts of <sys/socket.h>,
// <sys/time.h> and <linux/in.h>.
var optionWires = []struct {
	option string
	wire   string
	want   any
}{
	{"SO_KEEPALIVE", "01000000", true},
	{"SO_KEEPALIVE", "00000000", false},
	{"SO_SNDBUF", "00100000", 4096},
	{"IP_MULTICAST_TTL", "ffffffff", -1},
	{"IPV6_UNICAST_HOPS", "40000000", 64},
	{"TCP_KEEPIDLE", "3c000000", 60},
	{"TCP_USER_TIMEOUT", "e8030000", 1000},
	{"SO_LINGER", "01000000 0a000000", sockapi.Linger{On: true, Seconds: 10}},
	{"SO_LINGER", "00000000 ffffffff", sockapi.Linger{Seconds: -1}},
	{"SO_RCVTIMEO", "0100000000000000 20a1070000000000", 1500 * ms},
	{"SO_SNDTIMEO", "0000000000000000 0000000000000000", 0 * ms},
	{"SO_BINDTODEVICE", "65746830 00", "eth0"},
	{"SO_BINDTODEVICE", "", ""},
	{"TCP_CONGESTION", "72656e6f 000000000000000000000000", "reno"},
	{"IP_ADD_MEMBERSHIP", "e0010101 0a000002 02000000", sockapi.Mreq{Group: netip.MustParseAddr("224.1.1.1"), Local: ip4, Ifindex: 2}},
	{"IP_MULTICAST_IF", "00000000 0a000002 00000000", sockapi.Mreq{Local: ip4}},
	{"IPV6_ADD_MEMBERSHIP", "ff020000000000000000000000001234 02000000", sockapi.Mreq{Group: group6, Ifindex: 2}},
}

func TestOptionValue(t *testing.T) {
	for _, tc := range optionWires {
		t.Run(tc.option, func(t *testing.T) {
			o, wire := option(t, tc.option), unhex(t, tc.wire)
			got, err := o.ParseValue(wire)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
			b, err := o.AppendValue([]byte("before"), tc.want)
			require.NoError(t, err)
			require.Equal(t, "before"+string(wire), string(b))
		})
	}
}

// TestParseValue has what is read otherwise than it is written, and errors.
func TestParseValue(t *testing.T) {
	for _, tc := range []struct {
		option string
		wire   string
		want   any
	}{
		{"SO_KEEPALIVE", "00020000", true},
		{"SO_KEEPALIVE", "01000000 ffff", true},
		{"SO_KEEPALIVE", "010000", sockapi.EINVAL},
		{"SO_KEEPALIVE", "", sockapi.EINVAL},
		{"SO_SNDBUF", "001000", sockapi.EINVAL},
		{"TCP_NODELAY", "01", sockapi.EINVAL},
		{"IPV6_V6ONLY", "01", sockapi.EINVAL},
		{"IPV6_MULTICAST_HOPS", "01", sockapi.EINVAL},
		{"IP_TTL", "ff", 255},
		{"IP_TTL", "40ffff", 64},
		{"IP_TTL", "", sockapi.EINVAL},
		{"IP_TOS", "10", 16},
		{"IP_TOS", "", 0},
		{"IP_RECVTTL", "01", true},
		{"IP_RECVTTL", "", false},
		{"IP_MULTICAST_TTL", "02", 2},
		{"IP_MULTICAST_TTL", "", sockapi.EINVAL},
		{"IP_MULTICAST_LOOP", "00", false},
		{"IP_MULTICAST_LOOP", "", sockapi.EINVAL},
		{"SO_LINGER", "01000000 0a0000", sockapi.EINVAL},
		{"SO_LINGER", "02000000 0a000000", sockapi.Linger{On: true, Seconds: 10}},
		{"SO_RCVTIMEO", "0100000000000000 20a10700000000", sockapi.EINVAL},
		{"SO_RCVTIMEO", "0100000000000000 40420f0000000000", sockapi.EDOM},
		{"SO_RCVTIMEO", "0100000000000000 ffffffffffffffff", sockapi.EDOM},
		{"SO_RCVTIMEO", "ffffffffffffffff 0000000000000000", sockapi.EDOM},
		{"SO_RCVTIMEO", "ffffffffffffff7f 0000000000000000", 0 * ms},
		{"SO_BINDTODEVICE", "65746830", "eth0"},
		{"SO_BINDTODEVICE", "65746830 00 31", "eth0"},
		{"SO_BINDTODEVICE", "30313233343536373839616263646566 67", "0123456789abcde"},
		{"TCP_CONGESTION", "63756269 63", "cubic"},
		{"TCP_CONGESTION", "", sockapi.EINVAL},
		{"IP_ADD_MEMBERSHIP", "e0010101 00000000", sockapi.Mreq{Group: netip.MustParseAddr("224.1.1.1")}},
		{"IP_ADD_MEMBERSHIP", "e0010101 0a000002 020000", sockapi.Mreq{Group: netip.MustParseAddr("224.1.1.1"), Local: ip4}},
		{"IP_ADD_MEMBERSHIP", "e0010101 000000", sockapi.EINVAL},
		{"IP_MULTICAST_IF", "0a000002", sockapi.Mreq{Local: ip4}},
		{"IP_MULTICAST_IF", "00000000", sockapi.Mreq{}},
		{"IP_MULTICAST_IF", "0a0000", sockapi.EINVAL},
		{"IPV6_ADD_MEMBERSHIP", "ff020000000000000000000000001234 020000", sockapi.EINVAL},
		{"TCP_INFO", "010000", sockapi.EINVAL},
		{"TCP_INFO", "01000000", sockapi.ENOPROTOOPT},
		{"SO_PASSCRED", "01000000", sockapi.ENOPROTOOPT},
	} {
		t.Run(tc.option+" "+tc.wire, func(t *testing.T) {
			got, err := option(t, tc.option).ParseValue(unhex(t, tc.wire))
			if want, ok := tc.want.(sockapi.Errno); ok {
				require.Equal(t, want, err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAppendValue(t *testing.T) {
	for _, tc := range []struct {
		option string
		value  any
		want   string // the bytes, or the errno's name
	}{
		{"SO_KEEPALIVE", 7, "01000000"},
		{"SO_SNDBUF", true, "01000000"},
		{"SO_MARK", math.MaxUint32, "ffffffff"},
		{"SO_SNDBUF", math.MaxUint32 + 1, "EINVAL"},
		{"SO_SNDBUF", "4096", "EINVAL"},
		{"SO_SNDBUF", nil, "EINVAL"},
		{"SO_RCVTIMEO", time.Nanosecond, "0000000000000000 0100000000000000"},
		{"SO_RCVTIMEO", time.Second - 1, "0100000000000000 0000000000000000"},
		{"SO_RCVTIMEO", 2, "0200000000000000 0000000000000000"},
		{"SO_RCVTIMEO", -ms, "EDOM"},
		{"SO_LINGER", sockapi.Linger{Seconds: 1 << 33}, "EINVAL"},
		{"SO_BINDTODEVICE", "0123456789abcdef", "EINVAL"},
		{"SO_BINDTODEVICE", "eth\x000", "EINVAL"},
		{"IP_MULTICAST_IF", ip4, "00000000 0a000002 00000000"},
		{"IP_ADD_MEMBERSHIP", group6, "EINVAL"},
		{"IPV6_ADD_MEMBERSHIP", group6, "ff020000000000000000000000001234 00000000"},
		{"IPV6_ADD_MEMBERSHIP", group6.WithZone("2"), "EINVAL"},
		{"IPV6_ADD_MEMBERSHIP", ip6, "EINVAL"},
		{"TCP_INFO", 1, "ENOPROTOOPT"},
		{"SO_PASSCRED", true, "ENOPROTOOPT"},
	} {
		b, err := option(t, tc.option).AppendValue(nil, tc.value)
		if err != nil {
			require.Equal(t, tc.want, errnoName(err), "%s %v", tc.option, tc.value)
			require.Nil(t, b)
			continue
		}
		require.Equal(t, unhex(t, tc.want), b, "%s %v", tc.option, tc.value)
	}
}

// TestTCPInfoBytes: the fields are where <linux/tcp.h> has them.
func TestTCPInfoBytes(t *testing.T) {
	b, err := option(t, "TCP_INFO").AppendValue(nil, sockapi.TCPInfo{State: trace.FinWait2, TCPInfo: trace.TCPInfo{
		CAState: "Recovery", RTO: 201 * ms, MSS: 1448, Unacked: 3, Sacked: 1, SRTT: 10 * ms, RTTVar: 5 * ms, Ssthresh: 7, Cwnd: 10,
		MinRTT: 9 * ms, SndWnd: 65160, RcvWnd: 64256, SndWScale: 7, RcvWScale: 6, Timestamps: true, SACK: true}})
	require.NoError(t, err)
	want := make([]byte, 240)
	copy(want, []byte{5, 3, 0, 0, 0, 7, 0x67, 0})
	for offset, v := range map[int]uint32{8: 201000, 16: 1448, 24: 3, 28: 1, 68: 10000, 72: 5000, 76: 7, 80: 10, 148: 9000, 228: 65160, 232: 64256} {
		binary.LittleEndian.PutUint32(want[offset:], v)
	}
	require.Equal(t, want, b)
}

func TestOptionBytes(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		s, u := k.tcp(), k.udp()
		get := func(fd, level, num, size int, want string) {
			t.Helper()
			b, err := p.GetsockoptBytes(fd, level, num, size)
			require.NoError(t, err)
			require.Equal(t, unhex(t, want), b)
		}
		sol, ip := sockapi.SOL_SOCKET, sockapi.IPPROTO_IP
		k.must(p.SetsockoptBytes(s, sol, sockapi.SO_KEEPALIVE, []byte{2, 0, 0, 0}))
		get(s, sol, sockapi.SO_KEEPALIVE, 4, "01000000")
		get(s, sol, sockapi.SO_KEEPALIVE, 2, "0100")
		get(s, sol, sockapi.SO_KEEPALIVE, 0, "")
		get(s, sol, sockapi.SO_KEEPALIVE, 100, "01000000")
		k.must(p.SetsockoptBytes(s, ip, sockapi.IP_TTL, []byte{9}))
		get(s, ip, sockapi.IP_TTL, 4, "09000000")
		get(s, ip, sockapi.IP_TTL, 3, "09")
		k.must(p.SetsockoptBytes(s, sol, sockapi.SO_RCVTIMEO, unhex(t, "0100000000000000 20a1070000000000")))
		get(s, sol, sockapi.SO_RCVTIMEO, 16, "0100000000000000 20a1070000000000")
		k.must(p.SetsockoptBytes(s, sockapi.IPPROTO_TCP, sockapi.TCP_CONGESTION, []byte("reno")))
		get(s, sockapi.IPPROTO_TCP, sockapi.TCP_CONGESTION, 16, "72656e6f 000000000000000000000000")
		get(s, sockapi.IPPROTO_TCP, sockapi.TCP_CONGESTION, 3, "72656e")
		get(s, sol, sockapi.SO_BINDTODEVICE, 1, "")
		k.must(p.SetsockoptBytes(s, sol, sockapi.SO_BINDTODEVICE, []byte("lo\x00")))
		get(s, sol, sockapi.SO_BINDTODEVICE, 16, "6c6f00")
		k.must(p.SetsockoptBytes(u, ip, sockapi.IP_MULTICAST_IF, unhex(t, "7f000001")))
		get(u, ip, sockapi.IP_MULTICAST_IF, 12, "7f000001")
		get(s, sockapi.IPPROTO_TCP, sockapi.TCP_INFO, 1, "07")

		_, err := p.GetsockoptBytes(s, sol, sockapi.SO_BINDTODEVICE, 15)
		requireErrno(t, sockapi.EINVAL, err)
		_, err = p.GetsockoptBytes(s, sol, sockapi.SO_ERROR, -1)
		requireErrno(t, sockapi.EINVAL, err)
		_, err = p.GetsockoptBytes(99, sol, sockapi.SO_ERROR, -1)
		requireErrno(t, sockapi.EBADF, err)
		_, err = p.GetsockoptBytes(s, sol, 9999, 4)
		requireErrno(t, sockapi.ENOPROTOOPT, err)
		requireErrno(t, sockapi.EBADF, p.SetsockoptBytes(99, sol, sockapi.SO_KEEPALIVE, nil))
		requireErrno(t, sockapi.EINVAL, p.SetsockoptBytes(s, sol, sockapi.SO_KEEPALIVE, []byte{1}))
		requireErrno(t, sockapi.EDOM, p.SetsockoptBytes(s, sol, sockapi.SO_RCVTIMEO, unhex(t, "0100000000000000 40420f0000000000")))
		requireErrno(t, sockapi.ENOPROTOOPT, p.SetsockoptBytes(s, sol, 9999, []byte{1}))
		requireErrno(t, sockapi.ENOPROTOOPT, p.SetsockoptBytes(s, sockapi.IPPROTO_TCP, sockapi.TCP_INFO, make([]byte, 4)))
		requireErrno(t, sockapi.ENOPROTOOPT, p.SetsockoptBytes(s, sol, sockapi.SO_TYPE, make([]byte, 4)))
	})
	var warnings, args []string
	for _, w := range bodies[*trace.Warning](c) {
		warnings = append(warnings, w.Text)
	}
	for _, b := range bodies[*trace.Call](c) {
		if b.What == trace.Enter && b.Name == "setsockopt" {
			args = append(args, b.Args)
		}
	}
	require.Contains(t, warnings, "getsockopt(3, IPPROTO_TCP, TCP_INFO): fields of struct tcp_info that netstack does not know are zero")
	require.Contains(t, args, "3, SOL_SOCKET, SO_KEEPALIVE, 1")
	require.Contains(t, args, `3, SOL_SOCKET, SO_KEEPALIVE, "\x01"`)
}

// TestEveryOptionBytes: what an option reads as can be set again, and no length
// makes a call do worse than fail.
func TestEveryOptionBytes(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		for _, sock := range [][3]int{{inet, stream, 0}, {inet, dgram, 0}, {inet6, stream, 0}, {inet6, dgram, 0},
			{inet, sockapi.SOCK_RAW, sockapi.IPPROTO_UDP}, {sockapi.AF_PACKET, sockapi.SOCK_RAW, sockapi.ETH_P_ALL}} {
			fd, err := p.Socket(sock[0], sock[1], sock[2])
			require.NoError(t, err)
			for _, o := range sockapi.Options() {
				for size := range 24 {
					_, err := p.GetsockoptBytes(fd, o.Level, o.Num, size)
					_ = p.SetsockoptBytes(fd, o.Level, o.Num, make([]byte, size))
					if err == nil {
						v, err := p.Getsockopt(fd, o.Level, o.Num)
						require.NoError(t, err)
						_, err = o.AppendValue(nil, v)
						require.NoError(t, err, "%s of %v", o.Name, sock)
					}
				}
			}
		}
	})
}

// FuzzOption: what is read can be written, and reads the same.
func FuzzOption(f *testing.F) {
	options := sockapi.Options()
	for i, o := range options {
		for _, tc := range optionWires {
			if tc.option == o.Name {
				f.Add(uint(i), unhex(f, tc.wire))
			}
		}
		f.Add(uint(i), []byte{1})
	}
	f.Fuzz(func(t *testing.T, i uint, b []byte) {
		o := &options[i%uint(len(options))]
		v, err := o.ParseValue(b)
		if err != nil {
			requireErrnoType(t, err)
			return
		}
		wire, err := o.AppendValue(nil, v)
		if err != nil {
			t.Fatalf("%s %+v: %v", o.Name, v, err)
		}
		if again, err := o.ParseValue(wire); err != nil || again != v {
			// An empty name of TCP_CONGESTION included: it has 16 zeros.
			t.Fatalf("%s: %x is %+v, written %x, read back %+v, %v", o.Name, b, v, wire, again, err)
		}
	})
}
