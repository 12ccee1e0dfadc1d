package trace_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

const (
	c4, s4 = "10.0.0.1:49152", "10.0.0.2:80"
	c6, s6 = "[fd00::1]:49152", "[fd00::2]:80"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// noPort is an address as Summary holds that of a packet without ports.
func noPort(s string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), 0) }

func TestDecodeTCP(t *testing.T) {
	linux := []byte{2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7}
	type want struct {
		flags, opts, text string
		len               int
		span              uint32
		sack              [][2]uint32
	}
	for _, tt := range []struct {
		name string
		data []byte
		want want
	}{
		{"a SYN as Linux sends it", tcp(segment{src: c4, dst: s4, flags: syn, opts: linux}),
			want{flags: "S", opts: "mss 1460 sackOK TS val 1 ecr 2 ws 7", span: 1}},
		{"data and FIN", tcp(segment{src: c4, dst: s4, flags: fin | psh | ack, payload: "hello"}),
			want{flags: "FP.", len: 5, span: 6}},
		{"a reset", tcp(segment{src: c4, dst: s4, flags: rst}), want{flags: "R"}},
		{"no flag at all", tcp(segment{src: c4, dst: s4}), want{flags: "-"}},
		{"every flag", tcp(segment{src: c4, dst: s4, flags: 0xff}), want{flags: "SFRPUEW.", span: 2}},
		{"SACK blocks", tcp(segment{src: c4, dst: s4, flags: ack, opts: []byte{1, 1, 5, 18,
			0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9}}),
			want{flags: ".", sack: [][2]uint32{{1, 2}, {1<<32 - 1, 9}}}},
		{"half a SACK block", tcp(segment{src: c4, dst: s4, flags: ack, opts: []byte{5, 6, 0, 0, 0, 1, 0, 0}}), want{flags: "."}},
		{"an option that is not known", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{34, 2, 1, 1}}),
			want{flags: "S", opts: "opt 34", span: 1}},
		{"an MSS of the wrong length", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{2, 3, 1, 0}}),
			want{flags: "S", opts: "opt 2", span: 1}},
		{"options behind the end", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{0, 4, 2, 9}}), want{flags: "S", span: 1}},
		{"an option longer than the header", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{4, 2, 3, 9}}),
			want{flags: "S", opts: "sackOK malformed", span: 1}},
		{"an option of length 0", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{8, 0, 1, 1}}),
			want{flags: "S", opts: "malformed", span: 1}},
		{"an option without a length", tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{1, 1, 1, 8}}),
			want{flags: "S", opts: "malformed", span: 1}},
		{"a header shorter than TCP's", with(tcp(segment{src: c4, dst: s4, flags: psh, payload: "xxxx"}), 32, 0x40),
			want{flags: "P", text: "bad TCP header length"}},
		{"a header longer than the packet", with(tcp(segment{src: c4, dst: s4, flags: psh, payload: "xxxx"}), 32, 0xf0),
			want{flags: "P", text: "bad TCP header length"}},
		{"Ethernet padding is no payload", append(tcp(segment{src: c4, dst: s4, flags: ack}), 0, 0, 0, 0, 0, 0), want{flags: "."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := trace.Decode(tt.data, false)
			require.Equal(t, "tcp", s.Proto)
			require.Equal(t, ap(c4), s.Src)
			require.Equal(t, ap(s4), s.Dst)
			require.Equal(t, tt.want, want{s.Flags, s.Opts, s.Text, s.Len, s.Span(), s.SACK})
			require.Equal(t, s, trace.Decode(ethernet(0x0800, tt.data), true), "the same behind an Ethernet header")
		})
	}
}

func TestDecodeTCPNumbers(t *testing.T) {
	for _, tt := range []struct{ name, src, dst string }{{"IPv4", c4, s4}, {"IPv6", c6, s6}} {
		t.Run(tt.name, func(t *testing.T) {
			s := trace.Decode(tcp(segment{src: tt.src, dst: tt.dst, seq: 4000000000, ack: 7, flags: ack, win: 65535, payload: "hi"}), false)
			require.Equal(t, ap(tt.src), s.Src)
			require.Equal(t, ap(tt.dst), s.Dst)
			require.Equal(t, []uint32{4000000000, 4000000000, 7, 7, 65535}, []uint32{s.Seq, s.RawSeq(), s.Ack, s.RawAck(), s.Win})
			require.True(t, s.HasAck)
			require.False(t, s.Rel)
			require.Equal(t, 2, s.Len)
		})
	}
}

func TestDecode(t *testing.T) {
	short := func(b []byte, n int) []byte { return b[:n] }
	v4, v6 := [2]string{"10.0.0.1", "10.0.0.2"}, [2]string{"fd00::1", "fd00::2"}
	of := func(proto string, addrs [2]string, n int, text string) trace.Summary {
		return trace.Summary{Proto: proto, Src: noPort(addrs[0]), Dst: noPort(addrs[1]), Len: n, Text: text}
	}
	for _, tt := range []struct {
		name     string
		data     []byte
		ethernet bool
		want     trace.Summary
	}{
		{"UDP", udp(c4, s4, "hello"), false, trace.Summary{Proto: "udp", Src: ap(c4), Dst: ap(s4), Len: 5}},
		{"UDP over IPv6", udp(c6, s6, ""), false, trace.Summary{Proto: "udp", Src: ap(c6), Dst: ap(s6)}},
		{"UDP, a short header", with(short(udp(c4, s4, ""), 27), 3, 27), false, of("ipv4", v4, 7, "IP protocol 17")},
		{"ping", icmp(v4[0], v4[1], 8, 0, 0, 1, 0, 2), false, of("icmp", v4, 0, "echo request id 1 seq 2")},
		{"its answer", icmp(v4[0], v4[1], 0, 0, 0, 1, 0, 2, 'x'), false, of("icmp", v4, 1, "echo reply id 1 seq 2")},
		{"an ICMP error", icmp(v4[0], v4[1], 3, 3, 0, 0, 0, 0), false, of("icmp", v4, 0, "port unreachable")},
		{"an ICMP message without a name", icmp(v4[0], v4[1], 42, 7, 0, 0, 0, 0), false, of("icmp", v4, 0, "type 42 code 7")},
		{"ping over IPv6", icmp(v6[0], v6[1], 128, 0, 0, 1, 0, 2), false, of("icmpv6", v6, 0, "echo request id 1 seq 2")},
		{"neighbour discovery", icmp(v6[0], v6[1], 135, 0, 0, 0, 0, 0), false, of("icmpv6", v6, 0, "neighbor solicitation")},
		{"a protocol without a name", ip(netip.MustParseAddr(v4[0]), netip.MustParseAddr(v4[1]), 132, make([]byte, 12)), false,
			of("ipv4", v4, 12, "IP protocol 132")},
		{"a fragment", with(udp(c4, s4, "abc"), 7, 3), false, of("ipv4", v4, 11, "fragment at offset 24")},
		{"the first fragment", with(udp(c4, s4, "abc"), 6, 0x20), false,
			trace.Summary{Proto: "udp", Src: ap(c4), Dst: ap(s4), Len: 3, Text: "first fragment"}},
		{"an IP header longer than the packet", with(udp(c4, s4, ""), 0, 0x4f), false, of("ipv4", v4, 0, "bad header length")},
		{"an IP header shorter than IP's", with(udp(c4, s4, ""), 0, 0x44), false, of("ipv4", v4, 0, "bad header length")},
		{"a total length below the header's", with(udp(c4, s4, ""), 3, 10), false, of("ipv4", v4, 0, "bad header length")},
		{"a total length above the packet's", with(udp(c4, s4, ""), 2, 0xff), false, trace.Summary{Proto: "udp", Src: ap(c4), Dst: ap(s4)}},
		{"IPv6 without a payload", short(with(udp(c6, s6, ""), 5, 0), 40), false, of("ipv6", v6, 0, "IP protocol 17")},
		{"IPv6 with extension headers", extended(udp(c6, s6, "abc"), 0, 60, 43), false, trace.Summary{Proto: "udp", Src: ap(c6), Dst: ap(s6), Len: 3}},
		{"who listens to what", extended(icmp(v6[0], v6[1], 143, 0, 0, 0, 0, 0), 0), false, of("icmpv6", v6, 0, "MLDv2 report")},
		{"the first IPv6 fragment", with(extended(udp(c6, s6, "abc"), 44), 43, 1), false,
			trace.Summary{Proto: "udp", Src: ap(c6), Dst: ap(s6), Len: 3, Text: "first fragment"}},
		{"an IPv6 fragment", with(extended(udp(c6, s6, "abc"), 44), 43, 25), false, of("ipv6", v6, 11, "fragment at offset 24")},
		{"an IPv6 packet in one fragment", extended(udp(c6, s6, ""), 44), false, trace.Summary{Proto: "udp", Src: ap(c6), Dst: ap(s6)}},
		{"an extension header longer than the packet", with(extended(udp(c6, s6, ""), 0), 41, 9), false, of("ipv6", v6, 16, "IP protocol 0")},
		{"half an IPv4 header", short(udp(c4, s4, ""), 19), false, trace.Summary{Proto: "ip", Text: "not an IP packet"}},
		{"half an IPv6 header", short(udp(c6, s6, ""), 39), false, trace.Summary{Proto: "ip", Text: "not an IP packet"}},
		{"IP version 5", with(udp(c4, s4, ""), 0, 0x55), false, trace.Summary{Proto: "ip", Text: "not an IP packet"}},
		{"nothing", nil, false, trace.Summary{Proto: "ip", Text: "empty packet"}},
		{"an ARP request", ethernet(0x0806, arp(1)), true, of("arp", v4, 0, "who has 10.0.0.2? tell 10.0.0.1")},
		{"an ARP reply", ethernet(0x0806, arp(2)), true, of("arp", v4, 0, "10.0.0.1 is at 02:00:00:00:00:01")},
		{"half an ARP packet", ethernet(0x0806, arp(1)[:27]), true, trace.Summary{Proto: "arp", Text: "short packet"}},
		{"a frame without a payload", ethernet(0x0800, nil), true, trace.Summary{Proto: "ip", Text: "not an IP packet"}},
		{"a frame of another protocol", ethernet(0x88cc, nil), true, trace.Summary{Proto: "eth", Text: "ethertype 0x88cc"}},
		{"half an Ethernet header", make([]byte, 13), true, trace.Summary{Proto: "eth", Text: "short frame"}},
		{"no frame", nil, true, trace.Summary{Proto: "eth", Text: "short frame"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, trace.Decode(tt.data, tt.ethernet))
		})
	}
}

// Decode never panics, and what it says keeps to the packet: no payload is
// longer than the packet, and a segment never says more than it holds.
func FuzzDecode(f *testing.F) {
	f.Add(tcp(segment{src: c4, dst: s4, flags: syn, opts: []byte{2, 4, 5, 0xb4, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}}), false)
	f.Add(tcp(segment{src: c6, dst: s6, flags: fin, payload: "hello"}), false)
	f.Add(udp(c4, s4, "x"), false)
	f.Add(icmp("fd00::1", "fd00::2", 128, 0, 0, 1, 0, 2), false)
	f.Add(ethernet(0x0806, arp(2)), true)
	f.Add(ethernet(0x86dd, udp(c6, s6, "")), true)
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, data []byte, eth bool) {
		s := trace.Decode(data, eth)
		require.NotEmpty(t, s.Proto)
		require.GreaterOrEqual(t, s.Len, 0)
		require.LessOrEqual(t, s.Len, len(data))
		require.LessOrEqual(t, len(s.SACK), 4, "40 bytes of options hold no more")

		var flows trace.Flows
		require.False(t, flows.Note(&s), "the first segment of a flow repeats nothing")
		flows.Relate(&s)
	})
}
