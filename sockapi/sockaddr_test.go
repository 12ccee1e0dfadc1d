package sockapi_test

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// unhex reads bytes written in hexadecimal, with spaces between fields.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func inet4(s string) sockapi.Sockaddr { return sockapi.SockaddrOf(netip.MustParseAddrPort(s)) }

var mac = [6]byte{2, 0, 0, 0, 1, 1}

// sockaddrs are addresses and their bytes, by the layouts of <linux/in.h>,
// <linux/in6.h> and <linux/if_packet.h>.
var sockaddrs = []struct {
	name string
	wire string
	want sockapi.Sockaddr
}{
	{"sockaddr_in", "0200 0050 0a000002 0000000000000000", inet4("10.0.0.2:80")},
	{"sockaddr_in, any", "0200 0000 00000000 0000000000000000", inet4("0.0.0.0:0")},
	{"sockaddr_in6", "0a00 01bb 00000000 20010db8000000000000000000000001 00000000", inet4("[2001:db8::1]:443")},
	{"sockaddr_in6, mapped", "0a00 0050 00000000 00000000000000000000ffff0a000002 00000000", inet4("[::ffff:10.0.0.2]:80")},
	{"sockaddr_in6, scope", "0a00 0035 00000000 fe800000000000000000000000000001 02000000", inet4("[fe80::1%2]:53")},
	{"sockaddr_in6, group", "0a00 0035 00000000 ff020000000000000000000000000001 00010000", inet4("[ff02::1%256]:53")},
	{"sockaddr_ll", "1100 0806 02000000 0100 04 06 020000000101 0000",
		sockapi.Sockaddr{Family: sockapi.AF_PACKET, Link: sockapi.LinkAddr{Ifindex: 2, Protocol: sockapi.ETH_P_ARP, PktType: sockapi.PACKET_OUTGOING, Addr: mac}}},
	{"sockaddr_ll, for bind", "1100 0003 00000000 0000 00 00 000000000000 0000",
		sockapi.Sockaddr{Family: sockapi.AF_PACKET, Link: sockapi.LinkAddr{Protocol: sockapi.ETH_P_ALL}}},
	{"unspecified", "0000 0000 00000000 0000000000000000", sockapi.Sockaddr{}},
}

func TestSockaddr(t *testing.T) {
	for _, tc := range sockaddrs {
		t.Run(tc.name, func(t *testing.T) {
			wire := unhex(t, tc.wire)
			got, err := sockapi.ParseSockaddr(wire)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
			b, err := sockapi.AppendSockaddr([]byte("before"), tc.want)
			require.NoError(t, err)
			require.Equal(t, "before"+string(wire), string(b))
		})
	}
}

// TestParseSockaddr has what is read otherwise than it is written, and errors.
func TestParseSockaddr(t *testing.T) {
	for _, tc := range []struct {
		name string
		wire string
		want string // String, or the errno's name
	}{
		{"longer than its structure", "0200 0050 0a000002 0000000000000000 ffff", "10.0.0.2:80"},
		{"sin_zero is not looked at", "0200 0050 0a000002 ffffffffffffffff", "10.0.0.2:80"},
		{"sin6_flowinfo is not kept", "0a00 0050 0000abcd 20010db8000000000000000000000001 00000000", "[2001:db8::1]:80"},
		{"a global address has no scope", "0a00 0050 00000000 20010db8000000000000000000000001 02000000", "[2001:db8::1]:80"},
		{"RFC 2133's sockaddr_in6", "0a00 0035 00000000 fe800000000000000000000000000001", "[fe80::1]:53"},
		{"RFC 2133's, and half a scope", "0a00 0035 00000000 fe800000000000000000000000000001 0200", "[fe80::1]:53"},
		{"a family alone", "0000", "AF_UNSPEC"},
		{"sll_halen of eight", "1100 0800 02000000 0100 00 08 020000000101 0102", "if2 ETH_P_IP 02:00:00:00:01:01"},

		{"nothing", "", "EINVAL"},
		{"half a family", "02", "EINVAL"},
		{"short sockaddr_in", "0200 0050 0a000002 00000000000000", "EINVAL"},
		{"short sockaddr_in6", "0a00 0035 00000000 fe8000000000000000000000000000", "EINVAL"},
		{"short sockaddr_ll", "1100 0800 02000000 0100 00 06 020000000101 00", "EINVAL"},
		{"sll_halen of less than an Ethernet address", "1100 0800 02000000 0100 00 05 020000000101 0000", "EINVAL"},
		{"sll_halen beyond the end", "1100 0800 02000000 0100 00 09 020000000101 0000", "EINVAL"},
		{"AF_UNIX", "0100 2f746d702f7300 000000000000000000", "EAFNOSUPPORT"},
		{"no such family", "ffff 0000 00000000 0000000000000000", "EAFNOSUPPORT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := sockapi.ParseSockaddr(unhex(t, tc.wire))
			if err != nil {
				require.Equal(t, tc.want, errnoName(err))
				require.Zero(t, got)
				return
			}
			require.Equal(t, tc.want, got.String())
		})
	}
}

func TestAppendSockaddrRefuses(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("[fe80::1%eth0]:80")
	for _, tc := range []struct {
		name string
		addr sockapi.Sockaddr
		want sockapi.Errno
	}{
		{"no address", sockapi.Sockaddr{Family: sockapi.AF_INET}, sockapi.EINVAL},
		{"another family's address", sockapi.Sockaddr{Family: sockapi.AF_INET6, Addr: v4}, sockapi.EINVAL},
		{"the other one's", sockapi.Sockaddr{Family: sockapi.AF_INET, Addr: v6}, sockapi.EINVAL},
		{"a scope by name", sockapi.SockaddrOf(v6), sockapi.EINVAL},
		{"EtherType", sockapi.Sockaddr{Family: sockapi.AF_PACKET, Link: sockapi.LinkAddr{Protocol: 1 << 16}}, sockapi.EINVAL},
		{"packet type", sockapi.Sockaddr{Family: sockapi.AF_PACKET, Link: sockapi.LinkAddr{PktType: -1}}, sockapi.EINVAL},
		{"AF_UNIX", sockapi.Sockaddr{Family: sockapi.AF_UNIX}, sockapi.EAFNOSUPPORT},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := sockapi.AppendSockaddr([]byte{7}, tc.addr)
			require.Equal(t, tc.want, err)
			require.Equal(t, []byte{7}, b)
		})
	}
}

// TestScopeByNumber: the zone that ParseSockaddr makes of a sin6_scope_id names
// an interface, as its name does.
func TestScopeByNumber(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(sockapi.AF_INET6, dgram, 0)
		require.NoError(t, err)
		lo, err := p.IfNametoindex("lo")
		require.NoError(t, err)
		a := netip.IPv6LinkLocalAllNodes()
		for _, tc := range []struct {
			zone string
			want sockapi.Errno
		}{{"lo", 0}, {strconv.Itoa(lo), 0}, {"99", sockapi.EINVAL}, {"eth9", sockapi.EINVAL}} {
			err := p.Connect(s, netip.AddrPortFrom(a.WithZone(tc.zone), 9))
			if tc.want == 0 {
				require.NotErrorIs(t, err, sockapi.EINVAL, tc.zone)
			} else {
				requireErrno(t, tc.want, err)
			}
		}
	})
}

// requireErrnoType fails if an error is no Errno.
func requireErrnoType(t testing.TB, err error) {
	t.Helper()
	if e, ok := err.(sockapi.Errno); !ok || e == 0 || e.Name() == "" {
		t.Fatalf("%#v is no Errno", err)
	}
}

// FuzzSockaddr: what is read can be written, and reads the same.
func FuzzSockaddr(f *testing.F) {
	for _, tc := range sockaddrs {
		f.Add(unhex(f, tc.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := sockapi.ParseSockaddr(b)
		if err != nil {
			requireErrnoType(t, err)
			return
		}
		_ = a.String()
		wire, err := sockapi.AppendSockaddr(nil, a)
		if err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
		if again, err := sockapi.ParseSockaddr(wire); err != nil || again != a {
			t.Fatalf("%x is %+v, written %x, read back %+v, %v", b, a, wire, again, err)
		}
	})
}
