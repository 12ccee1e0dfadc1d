package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/scenarios/packetdrill"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

// The ends of the connections in these tests.
var (
	client4, server4 = netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
	client6, server6 = netip.MustParseAddrPort("[fd00::1]:40000"), netip.MustParseAddrPort("[fd00::2]:80")
)

// seg is a segment of a test: at milliseconds, from the client or the server.
type seg struct {
	ms       int
	toClient bool
	flags    byte
	seq, ack uint32
	win      uint16
	opts     string // on the wire
	size     int
}

const (
	synOpts = "\x02\x04\x05\xb4" // MSS 1460
	small   = "\x02\x04\x00\x64" // MSS 100
	strange = "\xfd\x04\x00\x00" // an experiment's
)

// Initial sequence numbers. The client's begin again soon after.
var isnC, isnS uint32 = 0xfffffff0, 7

// exchange is a request and an answer, closed by the client first.
var exchange = []seg{
	{0, false, flagSYN, isnC, 0, 65535, synOpts, 0},
	{0, true, flagSYN | flagACK, isnS, isnC + 1, 65535, synOpts, 0},
	{20, false, flagACK, isnC + 1, isnS + 1, 65535, "", 0},
	{30, false, flagACK | flagPSH, isnC + 1, isnS + 1, 65535, "", 100},
	{30, true, flagACK, isnS + 1, isnC + 101, 65435, "", 0},
	{35, true, flagACK | flagPSH, isnS + 1, isnC + 101, 65535, "", 200},
	{55, false, flagACK, isnC + 101, isnS + 201, 65535, "", 0},
	{60, false, flagACK | flagFIN, isnC + 101, isnS + 201, 65535, "", 0},
	{60, true, flagACK, isnS + 201, isnC + 102, 65535, "", 0},
	{60, true, flagACK | flagFIN, isnS + 201, isnC + 102, 65535, "", 0},
	{80, false, flagACK, isnC + 102, isnS + 202, 65535, "", 0},
}

// packetOf builds the IP packet of a segment. Checksums are zero: nothing here
// looks at them.
func packetOf(s seg, v6 bool) []byte {
	src, dst := client4, server4
	if v6 {
		src, dst = client6, server6
	}
	if s.toClient {
		src, dst = dst, src
	}
	var b []byte
	n := 20 + len(s.opts) + s.size
	if v6 {
		b = append(b, 0x60, 0, 0, 0, byte(n>>8), byte(n), protoTCP, 64)
	} else {
		b = append(b, 0x45, 0, byte((20+n)>>8), byte(20+n), 0, 0, 0x40, 0, 64, protoTCP, 0, 0)
	}
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	b = append(b, byte(5+len(s.opts)/4)<<4, s.flags)
	b = binary.BigEndian.AppendUint16(b, s.win)
	b = append(b, 0, 0, 0, 0)
	return append(append(b, s.opts...), make([]byte, s.size)...)
}

// linkHeaders are what comes before an IP packet on the links that are read.
var linkHeaders = []struct {
	name   string
	link   layers.LinkType
	header func(etherType uint16, out bool) []byte
}{
	{"Ethernet", layers.LinkTypeEthernet, func(t uint16, _ bool) []byte { return binary.BigEndian.AppendUint16(make([]byte, 12), t) }},
	{"Ethernet with two VLAN tags", layers.LinkTypeEthernet, func(t uint16, _ bool) []byte {
		b := binary.BigEndian.AppendUint16(make([]byte, 12), etherQinQ)
		b = binary.BigEndian.AppendUint16(append(b, 0, 5), etherVLAN)
		return binary.BigEndian.AppendUint16(append(b, 0, 7), t)
	}},
	{"Linux cooked", layers.LinkTypeLinuxSLL, func(t uint16, out bool) []byte {
		b := make([]byte, 14)
		if out {
			b[1] = packetOutgoing
		}
		return binary.BigEndian.AppendUint16(b, t)
	}},
	{"Linux cooked v2", linkSLL2, func(t uint16, out bool) []byte {
		b := binary.BigEndian.AppendUint16(nil, t)
		b = append(b, make([]byte, 18)...)
		b[7] = 3
		if out {
			b[10] = packetOutgoing
		}
		return b
	}},
	{"raw IP", layers.LinkTypeRaw, func(uint16, bool) []byte { return nil }},
	{"raw IP of BSD", linkRawBSD, func(uint16, bool) []byte { return nil }},
	{"null", layers.LinkTypeNull, func(uint16, bool) []byte { return []byte{2, 0, 0, 0} }},
	{"loopback", layers.LinkTypeLoop, func(uint16, bool) []byte { return []byte{0, 0, 0, 2} }},
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// classic writes a classic capture: one packet a segment.
func classic(t testing.TB, segs []seg, v6 bool, link int, nanos bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if nanos {
		w = pcapgo.NewWriterNanos(&b)
	}
	require.NoError(t, w.WriteFileHeader(262144, linkHeaders[link].link))
	for _, s := range segs {
		data := frameOf(s, v6, link)
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(s.ms) * time.Millisecond), CaptureLength: len(data), Length: len(data)}
		require.NoError(t, w.WritePacket(ci, data))
	}
	return b.Bytes()
}

func frameOf(s seg, v6 bool, link int) []byte {
	etherType := uint16(etherIPv4)
	if v6 {
		etherType = etherIPv6
	}
	return append(linkHeaders[link].header(etherType, s.toClient), packetOf(s, v6)...)
}

// ng writes the same as pcapng.
func ng(t testing.TB, segs []seg, v6 bool, link int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, linkHeaders[link].link)
	require.NoError(t, err)
	for _, s := range segs {
		data := frameOf(s, v6, link)
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(s.ms) * time.Millisecond), CaptureLength: len(data), Length: len(data)}
		require.NoError(t, w.WritePacket(ci, data))
	}
	require.NoError(t, w.Flush())
	return b.Bytes()
}

func mustRead(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Read(bytes.NewReader(b))
	require.NoError(t, err)
	return f
}

func mustImport(t testing.TB, b []byte, o Options) *Script {
	t.Helper()
	f := mustRead(t, b)
	require.Len(t, f.Streams, 1)
	o.Name = "some/folder/test.pcap"
	s, err := Import(f.Streams[0], o)
	require.NoError(t, err)
	return s
}

// events is a script without its head.
func events(s *Script) string {
	text := s.Text()
	return text[strings.Index(text, "\n0 ")+1:]
}

const wantServer = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0.02 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0.01 < P. 1:101(100) ack 1 win 65535
+0 > . 1:1(0) ack 101
+0 read(4, ..., 100) = 100
+0.005 write(4, ..., 200) = 200
+0 > P. 1:201(200) ack 101
+0.02 < . 101:101(0) ack 201 win 65535
+0.005 < F. 101:101(0) ack 201 win 65535
+0 > . 201:201(0) ack 102
+0 read(4, ..., 1) = 0
+0 close(4) = 0
+0 > F. 201:201(0) ack 102
+0.02 < . 102:102(0) ack 202 win 65535
`

// TestFormats: the same connection gives the same script in every file format,
// on every link, for both IP versions; and netstack does what it expects.
func TestFormats(t *testing.T) {
	for i, l := range linkHeaders {
		for _, v6 := range []bool{false, true} {
			for name, b := range map[string][]byte{"µs": classic(t, exchange, v6, i, false), "ns": classic(t, exchange, v6, i, true), "pcapng": ng(t, exchange, v6, i)} {
				s := mustImport(t, b, Options{})
				want := wantServer
				require.Equal(t, want, events(s), "%s %s", l.name, name)
				if v6 {
					require.Contains(t, s.Text(), "--ip_version=ipv6\n")
				}
				requirePass(t, s)
			}
		}
	}
}

// requirePass parses a script's text, runs it, and requires a pass.
func requirePass(t testing.TB, s *Script) {
	t.Helper()
	res := run(t, s)
	require.Equal(t, packetdrill.Pass, res.Verdict, "%v\n%s", res.Problem, s.Text())
}

func run(t testing.TB, s *Script) *packetdrill.Result {
	t.Helper()
	parsed, err := packetdrill.Parse("test.pkt", []byte(s.Text()), nil)
	require.NoError(t, err, s.Text())
	again := *parsed
	require.Equal(t, packetdrill.Format(s.Tree), packetdrill.Format(&again), "what is written is the tree")
	res := packetdrill.Run(context.Background(), parsed, packetdrill.Config{Seed: 1})
	if res.World != nil {
		res.World.Close()
	}
	return res
}

// TestSides: who is under test by default, and what the head of the script says.
func TestSides(t *testing.T) {
	raw, cooked := classic(t, exchange, false, 4, false), classic(t, exchange, false, 2, false)
	s := mustImport(t, raw, Options{})
	require.Equal(t, Server, s.Side)
	require.Contains(t, s.Text(), "// From test.pcap, stream 0: 10.0.0.1:40000 (client) and 10.0.0.2:80 (server).\n")
	require.Contains(t, s.Text(), "since the capture does not say on which host it was taken")
	s = mustImport(t, cooked, Options{})
	require.Equal(t, Server, s.Side)
	require.Contains(t, s.Text(), "the host on which the capture was taken")

	// The capture is 20 ms away from the client: there, the answer comes
	// 20 ms after the request, and the ACK of the data leaves when it comes.
	s = mustImport(t, cooked, Options{Side: Client})
	require.Contains(t, events(s), "+0 > S 0:0(0) <mss 1460>\n+0.02 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n+0 > . 1:1(0) ack 1\n")
	require.Contains(t, events(s), "+0.01 write(3, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+0.02 < . 1:1(0) ack 101 win 65435\n")

	_, err := ParseSide("left")
	require.EqualError(t, err, `"left" is not a side: need client, server or auto`)
}

// TestWindows: windows of outbound segments are expected only if asked for.
func TestWindows(t *testing.T) {
	s := mustImport(t, classic(t, exchange, false, 4, false), Options{Windows: true})
	require.Contains(t, events(s), "+0 > . 1:1(0) ack 101 win 65435\n")
	s = mustImport(t, classic(t, exchange, false, 4, false), Options{Lenient: true})
	require.Contains(t, s.Text(), "--allow=acks\n")
	requirePass(t, s)
}
