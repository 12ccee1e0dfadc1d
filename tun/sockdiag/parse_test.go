package sockdiag

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// field is a member of a C structure: an integer of size bytes, or bytes as they are.
type field struct {
	name  string
	size  int
	value uint64
	raw   []byte
}

// structure lays members out as the headers declare them: these structures have
// no padding beyond what is named.
func structure(fields ...field) []byte {
	var b []byte
	native := binary.NativeEndian
	for _, f := range fields {
		switch {
		case f.raw != nil:
			b = append(b, f.raw...)
		case f.size == 1:
			b = append(b, byte(f.value))
		case f.size == 2:
			b = native.AppendUint16(b, uint16(f.value))
		case f.size == 4:
			b = native.AppendUint32(b, uint32(f.value))
		case f.size == 8:
			b = native.AppendUint64(b, f.value)
		}
	}
	return b
}

func addr16(a string) []byte {
	var b [16]byte
	copy(b[:], netip.MustParseAddr(a).AsSlice())
	return b[:]
}

// diagMsg is a struct inet_diag_msg of linux/inet_diag.h.
func diagMsg(family, state byte, src string, sport uint16, dst string, dport uint16) []byte {
	return structure(
		field{"idiag_family", 1, uint64(family), nil}, field{"idiag_state", 1, uint64(state), nil},
		field{"idiag_timer", 1, 1, nil}, field{"idiag_retrans", 1, 2, nil},
		field{"idiag_sport", 0, 0, binary.BigEndian.AppendUint16(nil, sport)},
		field{"idiag_dport", 0, 0, binary.BigEndian.AppendUint16(nil, dport)},
		field{"idiag_src", 0, 0, addr16(src)}, field{"idiag_dst", 0, 0, addr16(dst)},
		field{"idiag_if", 4, 3, nil}, field{"idiag_cookie", 8, 77, nil},
		field{"idiag_expires", 4, 204, nil}, field{"idiag_rqueue", 4, 11, nil}, field{"idiag_wqueue", 4, 22, nil},
		field{"idiag_uid", 4, 1000, nil}, field{"idiag_inode", 4, 4711, nil},
	)
}

// info is a struct tcp_info of linux/tcp.h up to tcpi_rehash, each member with a
// value of its own.
func info() []byte {
	u32 := func(name string, v uint64) field { return field{name, 4, v, nil} }
	u64 := func(name string, v uint64) field { return field{name, 8, v, nil} }
	wscale := byte(7 | 10<<4)
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		wscale = 7<<4 | 10
	}
	return structure(
		field{"tcpi_state", 1, 1, nil}, field{"tcpi_ca_state", 1, 3, nil}, field{"tcpi_retransmits", 1, 4, nil},
		field{"tcpi_probes", 1, 5, nil}, field{"tcpi_backoff", 1, 6, nil}, field{"tcpi_options", 1, 0x07, nil},
		field{"tcpi_snd_wscale, tcpi_rcv_wscale", 1, uint64(wscale), nil}, field{"tcpi_delivery_rate_app_limited", 1, 0, nil},
		u32("tcpi_rto", 204000), u32("tcpi_ato", 40000), u32("tcpi_snd_mss", 1448), u32("tcpi_rcv_mss", 536),
		u32("tcpi_unacked", 12), u32("tcpi_sacked", 3), u32("tcpi_lost", 1), u32("tcpi_retrans", 2), u32("tcpi_fackets", 0),
		u32("tcpi_last_data_sent", 100), u32("tcpi_last_ack_sent", 0), u32("tcpi_last_data_recv", 101), u32("tcpi_last_ack_recv", 102),
		u32("tcpi_pmtu", 1500), u32("tcpi_rcv_ssthresh", 64076), u32("tcpi_rtt", 41536), u32("tcpi_rttvar", 20768),
		u32("tcpi_snd_ssthresh", 9), u32("tcpi_snd_cwnd", 10), u32("tcpi_advmss", 1460), u32("tcpi_reordering", 5),
		u32("tcpi_rcv_rtt", 1), u32("tcpi_rcv_space", 14600), u32("tcpi_total_retrans", 8),
		u64("tcpi_pacing_rate", 1<<40), u64("tcpi_max_pacing_rate", 1<<41), u64("tcpi_bytes_acked", 6), u64("tcpi_bytes_received", 7),
		u32("tcpi_segs_out", 13), u32("tcpi_segs_in", 14), u32("tcpi_notsent_bytes", 15), u32("tcpi_min_rtt", 40001),
		u32("tcpi_data_segs_in", 16), u32("tcpi_data_segs_out", 17), u64("tcpi_delivery_rate", 18), u64("tcpi_busy_time", 19),
		u64("tcpi_rwnd_limited", 20), u64("tcpi_sndbuf_limited", 21), u32("tcpi_delivered", 22), u32("tcpi_delivered_ce", 23),
		u64("tcpi_bytes_sent", 24), u64("tcpi_bytes_retrans", 25), u32("tcpi_dsack_dups", 26), u32("tcpi_reord_seen", 27),
		u32("tcpi_rcv_ooopack", 28), u32("tcpi_snd_wnd", 65535), u32("tcpi_rcv_wnd", 64512), u32("tcpi_rehash", 29),
	)
}

// attr is a struct rtattr with its padding.
func attr(kind uint16, b []byte) []byte {
	out := structure(field{"rta_len", 2, uint64(4 + len(b)), nil}, field{"rta_type", 2, uint64(kind), nil}, field{"", 0, 0, b})
	return append(out, make([]byte, -len(out)&3)...)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// TestParse: every member that is read comes from its place in the kernel's
// structures, behind an attribute of another kind and an odd length.
func TestParse(t *testing.T) {
	s, err := Parse(join(diagMsg(2, 1, "10.0.0.1", 5000, "10.0.0.2", 80), attr(8, []byte{0}), attr(attrInfo, info()), attr(4, []byte("cubic\x00"))))
	require.NoError(t, err)
	ft := trace.FiveTuple{Proto: "tcp", Local: netip.MustParseAddrPort("10.0.0.1:5000"), Remote: netip.MustParseAddrPort("10.0.0.2:80")}
	require.Equal(t, trace.Socket{
		FiveTuple: ft, State: trace.Established, RecvQ: 11, SendQ: 22,
		Detail: trace.Detail{Timer: trace.SocketTimer{Kind: "on", Left: 204 * time.Millisecond, Retrans: 2}},
		Info: trace.TCPInfo{
			FiveTuple: ft, Cwnd: 10, Ssthresh: 9, SRTT: 41536 * time.Microsecond, RTTVar: 20768 * time.Microsecond,
			RTO: 204 * time.Millisecond, CAState: "Recovery", MinRTT: 40001 * time.Microsecond, Unacked: 12, Sacked: 3, MSS: 1448,
			SndWnd: 65535, RcvWnd: 64512, SndWScale: 7, RcvWScale: 10, Timestamps: true, SACK: true, Retrans: 8,
		},
	}, s)
}

// TestParseAddresses: IPv6 is read whole, and an IPv4-mapped address is IPv4, as
// the packets have it.
func TestParseAddresses(t *testing.T) {
	for _, tt := range []struct{ src, want string }{{"fd77::1", "[fd77::1]:5000"}, {"::ffff:10.0.0.1", "10.0.0.1:5000"}} {
		s, err := Parse(diagMsg(10, 4, tt.src, 5000, "fd77::2", 80))
		require.NoError(t, err)
		require.Equal(t, tt.want, s.Local.String())
		require.Equal(t, trace.FinWait1, s.State)
		require.True(t, s.V6)
		require.Zero(t, s.Info, "the kernel has sent none")
	}
}

// TestParseStates: the numbers of net/tcp_states.h.
func TestParseStates(t *testing.T) {
	for state, want := range map[byte]trace.TCPState{
		1: trace.Established, 2: trace.SynSent, 3: trace.SynReceived, 4: trace.FinWait1, 5: trace.FinWait2, 6: trace.TimeWait,
		7: trace.Closed, 8: trace.CloseWait, 9: trace.LastAck, 10: trace.Listen, 11: trace.Closing, 12: trace.SynReceived, 13: trace.Closed,
	} {
		s, err := Parse(diagMsg(2, state, "10.0.0.1", 1, "10.0.0.2", 2))
		require.NoError(t, err)
		require.Equal(t, want, s.State)
	}
}

// TestParseOldKernel: a tcp_info of any length is read as far as it goes, and a
// window that is not there is unknown instead of zero.
func TestParseOldKernel(t *testing.T) {
	whole := info()
	for n := range len(whole) + 1 {
		s, err := Parse(join(diagMsg(2, 1, "10.0.0.1", 1, "10.0.0.2", 2), attr(attrInfo, whole[:n])))
		require.NoError(t, err)
		require.Equal(t, n >= 84, s.Info.Cwnd == 10, n)
		require.Equal(t, n < 232, s.Info.NoSndWnd, n)
		require.Equal(t, n < 236, s.Info.NoRcvWnd, n)
	}
	s, err := Parse(join(diagMsg(2, 2, "10.0.0.1", 1, "10.0.0.2", 2), attr(attrInfo, whole)))
	require.NoError(t, err)
	require.Zero(t, s.Info.MSS, "in SYN-SENT the kernel only assumes one")
	none := bytes.Clone(whole)
	copy(none[148:], []byte{0xff, 0xff, 0xff, 0xff})
	s, err = Parse(join(diagMsg(2, 1, "10.0.0.1", 1, "10.0.0.2", 2), attr(attrInfo, none)))
	require.NoError(t, err)
	require.Zero(t, s.Info.MinRTT, "no round trip was measured")
}

// nlmsg is a netlink message.
func nlmsg(kind uint16, seq uint32, body []byte) []byte {
	return structure(field{"nlmsg_len", 4, uint64(16 + len(body)), nil}, field{"nlmsg_type", 2, uint64(kind), nil},
		field{"nlmsg_flags", 2, 0, nil}, field{"nlmsg_seq", 4, uint64(seq), nil}, field{"nlmsg_pid", 4, 0, nil}, field{"", 0, 0, body})
}

// TestMessages: what the kernel reports, and what is no answer of its.
func TestMessages(t *testing.T) {
	m, err := parseMessage(nlmsg(20, 5, []byte("body")))
	require.NoError(t, err)
	require.Equal(t, message{20, 5, []byte("body")}, m)
	enoent := -int32(syscall.ENOENT)
	m, err = parseMessage(nlmsg(nlmsgError, 5, binary.NativeEndian.AppendUint32(nil, uint32(enoent))))
	require.ErrorIs(t, err, syscall.ENOENT)
	require.Equal(t, uint32(5), m.seq)
	for name, b := range map[string][]byte{
		"empty": {}, "short header": nlmsg(20, 1, nil)[:15], "length beyond the end": nlmsg(20, 1, []byte("body"))[:18],
		"length below the header": append([]byte{8, 0, 0, 0}, make([]byte, 16)...), "short error": nlmsg(nlmsgError, 1, []byte{1}),
	} {
		_, err := parseMessage(b)
		require.ErrorIs(t, err, errMalformed, name)
	}
	good := diagMsg(2, 1, "10.0.0.1", 1, "10.0.0.2", 2)
	for name, b := range map[string][]byte{
		"short": good[:71], "state 0": diagMsg(2, 0, "10.0.0.1", 1, "10.0.0.2", 2), "state 14": diagMsg(2, 14, "10.0.0.1", 1, "10.0.0.2", 2),
		"family 1": diagMsg(1, 1, "10.0.0.1", 1, "10.0.0.2", 2), "attribute of 0 bytes": join(good, []byte{0, 0, 0, 0}),
		"attribute beyond the end": join(good, []byte{9, 9, 2, 0}),
	} {
		_, err := Parse(b)
		require.ErrorIs(t, err, errMalformed, name)
	}
}

// FuzzParse: any bytes are read or refused; what is read makes sense.
func FuzzParse(f *testing.F) {
	f.Add(nlmsg(20, 1, join(diagMsg(2, 1, "10.0.0.1", 5000, "10.0.0.2", 80), attr(8, []byte{0}), attr(attrInfo, info()))))
	f.Add(nlmsg(20, 1, diagMsg(10, 6, "fd77::1", 5000, "fd77::2", 80)))
	f.Add(nlmsg(nlmsgError, 1, []byte{0xfe, 0xff, 0xff, 0xff}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		s, err := Parse(m.body)
		if err != nil {
			require.ErrorIs(t, err, errMalformed)
			return
		}
		require.Contains(t, trace.States(), s.State)
		require.True(t, s.Local.IsValid() && s.Remote.IsValid())
		require.False(t, s.Local.Addr().Is4In6())
		require.GreaterOrEqual(t, s.RecvQ, 0)
		require.GreaterOrEqual(t, s.Info.SRTT, time.Duration(0))
	})
}
