package sockapi_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

var (
	ip4  = netip.MustParseAddr("10.0.0.2")
	ip4b = netip.MustParseAddr("10.0.0.9")
	ip6  = netip.MustParseAddr("2001:db8::1")
)

// cmsgs are control messages and their bytes: struct cmsghdr, data, padding.
var cmsgs = []struct {
	name string
	wire string
	want sockapi.Cmsg
}{
	{"SO_TIMESTAMP", "2000000000000000 01000000 1d000000 0200000000000000 3f420f0000000000",
		sockapi.Cmsg{Level: sockapi.SOL_SOCKET, Type: sockapi.SO_TIMESTAMP, Value: time.Unix(2, 999999000).UTC()}},
	{"SO_TIMESTAMPNS", "2000000000000000 01000000 23000000 0200000000000000 ffc99a3b00000000",
		sockapi.Cmsg{Level: sockapi.SOL_SOCKET, Type: sockapi.SO_TIMESTAMPNS, Value: time.Unix(2, 999999999).UTC()}},
	{"before 1970", "2000000000000000 01000000 23000000 ffffffffffffffff 0100000000000000",
		sockapi.Cmsg{Level: sockapi.SOL_SOCKET, Type: sockapi.SO_TIMESTAMPNS, Value: time.Unix(-1, 1).UTC()}},
	{"IP_PKTINFO", "1c00000000000000 00000000 08000000 02000000 0a000002 0a000009 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_PKTINFO, Value: sockapi.PktInfo{Ifindex: 2, SpecDst: ip4, Addr: ip4b}}},
	{"IP_TTL", "1400000000000000 00000000 02000000 40000000 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_TTL, Value: 64}},
	{"IP_TOS", "1100000000000000 00000000 01000000 10 00000000000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_TOS, Value: 16}},
	{"IP_ORIGDSTADDR", "2000000000000000 00000000 14000000 0200 0050 0a000002 0000000000000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_ORIGDSTADDR, Value: netip.AddrPortFrom(ip4, 80)}},
	{"IP_RECVERR", "3000000000000000 00000000 0b000000 6f000000 02 03 03 00 00000000 00000000 0200 0000 0a000009 0000000000000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{
			Errno: sockapi.ECONNREFUSED, Origin: sockapi.SO_EE_ORIGIN_ICMP, Type: 3, Code: 3, Offender: ip4b}}},
	{"IP_RECVERR of this host", "3000000000000000 00000000 0b000000 5a000000 01 00 00 00 dc050000 00000000 0000 0000 00000000 0000000000000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{
			Errno: sockapi.EMSGSIZE, Origin: sockapi.SO_EE_ORIGIN_LOCAL, Info: 1500}}},
	{"IP_RECVERR of MSG_ZEROCOPY", "3000000000000000 00000000 0b000000 00000000 05 00 01 00 03000000 07000000 0000 0000 00000000 0000000000000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{
			Origin: 5, Code: 1, Info: 3, Data: 7}}},
	{"IPV6_PKTINFO", "2400000000000000 29000000 32000000 20010db8000000000000000000000001 02000000 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IPV6, Type: sockapi.IPV6_PKTINFO, Value: sockapi.PktInfo{Ifindex: 2, Addr: ip6}}},
	{"IPV6_HOPLIMIT", "1400000000000000 29000000 34000000 ff000000 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IPV6, Type: sockapi.IPV6_HOPLIMIT, Value: 255}},
	{"IPV6_TCLASS", "1400000000000000 29000000 43000000 ffffffff 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IPV6, Type: sockapi.IPV6_TCLASS, Value: -1}},
	{"IPV6_RECVERR", "3c00000000000000 29000000 19000000 5a000000 03 02 00 00 00050000 00000000" +
		"0a00 0000 00000000 20010db8000000000000000000000001 00000000 00000000",
		sockapi.Cmsg{Level: sockapi.IPPROTO_IPV6, Type: sockapi.IPV6_RECVERR, Value: sockapi.ExtendedErr{
			Errno: sockapi.EMSGSIZE, Origin: sockapi.SO_EE_ORIGIN_ICMP6, Type: 2, Info: 1280, Offender: ip6}}},
	{"another", "1300000000000000 01000000 01000000 010203 0000000000",
		sockapi.Cmsg{Level: sockapi.SOL_SOCKET, Type: 1, Value: []byte{1, 2, 3}}},
	{"another, empty", "1000000000000000 ffffffff 01000000", sockapi.Cmsg{Level: -1, Type: 1, Value: []byte{}}},
}

func TestControl(t *testing.T) {
	var all []sockapi.Cmsg
	var wires []byte
	for _, tc := range cmsgs {
		t.Run(tc.name, func(t *testing.T) {
			wire := unhex(t, tc.wire)
			got, err := sockapi.ParseControl(wire)
			require.NoError(t, err)
			require.Equal(t, []sockapi.Cmsg{tc.want}, got)
			b, err := sockapi.AppendControl([]byte("before"), got)
			require.NoError(t, err)
			require.Equal(t, "before"+string(wire), string(b))
			all, wires = append(all, tc.want), append(wires, wire...)
		})
	}
	got, err := sockapi.ParseControl(wires)
	require.NoError(t, err)
	require.Equal(t, all, got)
	b, err := sockapi.AppendControl(nil, all)
	require.NoError(t, err)
	require.Equal(t, wires, b)
}

func TestParseControl(t *testing.T) {
	const ttl = "1400000000000000 00000000 02000000 40000000"
	for _, tc := range []struct {
		name string
		wire string
		want int // messages; -1 is EINVAL
	}{
		{"nothing", "", 0},
		{"less than a header", "1400000000000000 00000000 020000", 0},
		{"the last one's padding is missing", ttl, 1},
		{"half of the last one's padding", ttl + "0000", 1},
		{"less than a header after it", ttl + "00000000 1400000000000000 00000000", 1},
		{"IP_TOS as an int", "1400000000000000 00000000 01000000 10000000", 1},
		{"a longer in6_pktinfo", "2800000000000000 29000000 32000000 20010db8000000000000000000000001 02000000 00000000", 1},

		{"cmsg_len of 0", "0000000000000000 00000000 02000000", -1},
		{"cmsg_len of less than a header", "0f00000000000000 00000000 02000000 40000000", -1},
		{"cmsg_len beyond the end", "1500000000000000 00000000 02000000 40000000", -1},
		{"cmsg_len of 2^64-1", "ffffffffffffffff 00000000 02000000 40000000", -1},
		{"cmsg_len of 2^63", "0000000000000080 00000000 02000000 40000000", -1},
		{"the second one's cmsg_len is 0", ttl + "00000000 0000000000000000 00000000 02000000", -1},
		{"short IP_TTL", "1300000000000000 00000000 02000000 40000000", -1},
		{"IP_TOS of two bytes", "1200000000000000 00000000 01000000 1000", -1},
		{"IP_TOS of 256", "1400000000000000 00000000 01000000 00010000", -1},
		{"short in_pktinfo", "1800000000000000 00000000 08000000 02000000 0a000002", -1},
		{"short in6_pktinfo", "2000000000000000 29000000 32000000 20010db8000000000000000000000001", -1},
		{"a timeval with a second of microseconds", "2000000000000000 01000000 1d000000 0200000000000000 40420f0000000000", -1},
		{"short timeval", "1800000000000000 01000000 1d000000 0200000000000000", -1},
		{"IP_ORIGDSTADDR of AF_INET6", "2000000000000000 00000000 14000000 0a00 0050 0a000002 0000000000000000", -1},
		{"IP_RECVERR without its offender", "2000000000000000 00000000 0b000000 6f000000 02 03 03 00 00000000 00000000", -1},
		{"an offender of AF_INET6", "3000000000000000 00000000 0b000000 6f000000 02 03 03 00 00000000 00000000 0a00 0000 0a000009 0000000000000000", -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := sockapi.ParseControl(unhex(t, tc.wire))
			if tc.want < 0 {
				require.Equal(t, sockapi.EINVAL, err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, tc.want)
		})
	}
}

func TestAppendControlRefuses(t *testing.T) {
	const ip, v6 = sockapi.IPPROTO_IP, sockapi.IPPROTO_IPV6
	for _, m := range []sockapi.Cmsg{
		{Level: ip, Type: sockapi.IP_TTL, Value: "64"},
		{Level: ip, Type: sockapi.IP_TTL, Value: 1 << 40},
		{Level: ip, Type: sockapi.IP_TTL},
		{Level: ip, Type: sockapi.IP_TOS, Value: 256},
		{Level: ip, Type: sockapi.IP_PKTINFO, Value: sockapi.PktInfo{Addr: ip6}},
		{Level: ip, Type: sockapi.IP_PKTINFO, Value: sockapi.PktInfo{Ifindex: 1 << 31}},
		{Level: ip, Type: sockapi.IP_ORIGDSTADDR, Value: netip.AddrPort{}},
		{Level: ip, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{Offender: ip6}},
		{Level: ip, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{Code: 256}},
		{Level: ip, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{Info: -1}},
		{Level: v6, Type: sockapi.IPV6_RECVERR, Value: sockapi.ExtendedErr{Offender: ip4}},
		{Level: v6, Type: sockapi.IPV6_PKTINFO, Value: sockapi.PktInfo{Addr: ip4}},
		{Level: v6, Type: sockapi.IPV6_PKTINFO, Value: sockapi.PktInfo{Ifindex: -1}},
		{Level: sockapi.SOL_SOCKET, Type: sockapi.SO_TIMESTAMP, Value: 5},
		{Level: sockapi.SOL_SOCKET, Type: 1, Value: 5},
		{Level: 1 << 40, Type: 1, Value: []byte{}},
	} {
		b, err := sockapi.AppendControl([]byte{7}, []sockapi.Cmsg{{Level: ip, Type: sockapi.IP_TTL, Value: 1}, m})
		require.Equal(t, sockapi.EINVAL, err, "%+v", m)
		require.Equal(t, []byte{7}, b)
	}
}

func TestCmsgSizes(t *testing.T) {
	require.Equal(t, []int{16, 20, 24}, []int{sockapi.CmsgLen(0), sockapi.CmsgLen(4), sockapi.CmsgLen(8)})
	require.Equal(t, []int{16, 24, 24, 32}, []int{sockapi.CmsgSpace(0), sockapi.CmsgSpace(4), sockapi.CmsgSpace(8), sockapi.CmsgSpace(9)})
}

// FuzzCmsg: what is read can be written, and reads the same.
func FuzzCmsg(f *testing.F) {
	var all []byte
	for _, tc := range cmsgs {
		f.Add(unhex(f, tc.wire))
		all = append(all, unhex(f, tc.wire)...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		control, err := sockapi.ParseControl(b)
		if err != nil {
			requireErrnoType(t, err)
			return
		}
		wire, err := sockapi.AppendControl(nil, control)
		if err != nil || len(wire)%8 != 0 {
			t.Fatalf("%+v: %x, %v", control, wire, err)
		}
		if again, err := sockapi.ParseControl(wire); err != nil || !reflect.DeepEqual(control, again) {
			t.Fatalf("%x is %+v, written %x, read back %+v, %v", b, control, wire, again, err)
		}
	})
}
