package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
)

const rawLink = 4 // in linkHeaders

// with is the exchange with a change.
func with(f func(s []seg) []seg) []seg { return f(slices.Clone(exchange)) }

// TestBadFiles: what is no capture, or not a whole one, is an error that says
// where: the byte of the header, or the packet.
func TestBadFiles(t *testing.T) {
	pcap, next := classic(t, exchange, false, rawLink, false), ng(t, exchange, false, rawLink)
	huge := slices.Clone(pcap)
	binary.LittleEndian.PutUint32(huge[24+8:], 1<<30)
	binary.LittleEndian.PutUint32(huge[24+12:], 1<<30)
	noIface := slices.Clone(next)
	at := bytes.Index(noIface, []byte{6, 0, 0, 0})
	binary.LittleEndian.PutUint32(noIface[at+8:], 9)
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "the file is empty: there is no capture in it"},
		{"text", []byte("GET / HTTP/1.1\r\n"), "byte 0: this is no capture: it begins with 47 45 54 20; need pcap or pcapng"},
		{"short", pcap[:7], "byte 7: the file ends in the middle of its header"},
		{"header", pcap[:20], "the file ends in the middle of its header"},
		{"compressed", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc"), "byte 0: the capture is compressed: unpack it before, as `gzip -d` does"},
		{"cut in a packet", pcap[:len(pcap)-10], "the file ends in the middle of packet 11: cut it before, as `editcap -r FILE OUT 1-10` does"},
		{"cut in a packet's head", pcap[:30], "the file ends in the middle of packet 1: there is no whole one in it"},
		{"cut pcapng", next[:len(next)-10], "the file ends in the middle of packet 11: cut it before, as `editcap -r FILE OUT 1-10` does"},
		{"huge packet", huge, "packet 1: capture length exceeds snap length: 1073741824 > 262144"},
		{"no interface", noIface, "packet 1: interface id 9 not present in section (have only 1 interfaces)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(tt.data))
			require.EqualError(t, err, tt.want)
		})
	}
	f := mustRead(t, pcap[:24])
	require.Empty(t, f.Streams, "a capture without packets is one")
}

// TestUnreadLink: packets of links that cannot be read are counted by name.
func TestUnreadLink(t *testing.T) {
	b := classic(t, exchange, false, rawLink, false)
	binary.LittleEndian.PutUint32(b[20:], 105) // 802.11
	f := mustRead(t, b)
	require.Empty(t, f.Streams)
	require.Len(t, f.Unread, 1)
	for _, n := range f.Unread {
		require.Equal(t, len(exchange), n)
	}
}

// TestRefused: where no script can be right, there is none, and the error says
// what to do.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		segs []seg
		o    Options
		want string
	}{
		{"no SYN", exchange[2:], Options{}, "stream 0: its handshake is not in the capture: a script begins with one, so the capture has to begin before the connection"},
		{"no SYN-ACK", with(func(s []seg) []seg { return slices.Delete(s, 1, 2) }), Options{}, "stream 0: its SYN-ACK is not in the capture, and what follows is: the capture has lost packets, or sees one direction only"},
		{"lost by the capture", with(func(s []seg) []seg {
			s[5].seq += 50
			return s
		}), Options{Side: Server}, "stream 0: packet 6: bytes 1 to 51, which the server sent before it, are not in the capture: it has lost them, or was taken behind a loss; take one at the server, or stop before with --packets"},
		{"silent side", exchange[:1], Options{Side: Server}, "stream 0: the server has sent nothing: there is nothing to expect of it; choose the other --side"},
		{"strange option", with(func(s []seg) []seg {
			s[3].opts = strange
			return s
		}), Options{}, "stream 0: packet 4: its TCP options are malformed, or have one that scripts have no word for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mustRead(t, classic(t, tt.segs, false, rawLink, false))
			require.Len(t, f.Streams, 1)
			_, err := Import(f.Streams[0], tt.o)
			require.EqualError(t, err, tt.want)
		})
	}
}

// TestTooLong: a script that could not be read back is not written.
func TestTooLong(t *testing.T) {
	segs := slices.Clone(exchange[:3])
	for i := range 30_000 {
		segs = append(segs, seg{30, false, flagACK, isnC + 1 + uint32(i), isnS + 1, 65535, "", 1})
	}
	f := mustRead(t, classic(t, segs, false, rawLink, false))
	_, err := Import(f.Streams[0], Options{})
	require.EqualError(t, err, "stream 0: its script would have more than the 1048576 bytes that are read: import its first packets alone, as --packets 5000 does")
	s, err := Import(f.Streams[0], Options{Packets: 100})
	require.NoError(t, err)
	require.Contains(t, s.Text(), "Left out at the end, as asked: 29903 packets.")
}

// TestLarge: a segment larger than the MSS that was offered came in pieces, with
// the PSH on the last; one that was sent so is left to the runner, which joins
// what the stack sends.
func TestLarge(t *testing.T) {
	segs := with(func(s []seg) []seg {
		s[3].size = 4000
		for i := 4; i < len(s); i++ {
			if s[i].toClient {
				s[i].ack += 3900
			} else {
				s[i].seq += 3900
			}
		}
		s[5].size = 2920
		for i := 6; i < len(s); i++ {
			if s[i].toClient {
				s[i].seq += 2720
			} else {
				s[i].ack += 2720
			}
		}
		return s
	})
	s := mustImport(t, classic(t, segs, false, rawLink, false), Options{})
	require.Contains(t, events(s), `// packet 4 has 4000 bytes: it came in pieces of the MSS
+0.01 < . 1:1461(1460) ack 1 win 65535
+0 < . 1461:2921(1460) ack 1 win 65535
+0 < P. 2921:4001(1080) ack 1 win 65535
+0 > . 1:1(0) ack 4001
+0 read(4, ..., 4000) = 4000
+0.005 write(4, ..., 2920) = 2920
+0 > P. 1:2921(2920) ack 4001
`)
	require.Contains(t, s.Text(), "// Larger than the MSS, put together where they were captured, and here in pieces: 1 segment of the client.\n// Larger than the MSS, not yet cut up where they were captured: 1 segment of the server.\n")
	require.Contains(t, s.Text(), "--allow=acks\n", "one ACK for three segments")
	requirePass(t, s)
}

// TestAcksHeldBack: a stack that acknowledges two segments with one ACK, 40 ms
// later, is no netstack: the script says so, and then netstack may do better.
// --strict does not let it.
func TestAcksHeldBack(t *testing.T) {
	segs := append(slices.Clone(exchange[:4]),
		seg{40, false, flagACK | flagPSH, isnC + 101, isnS + 1, 65535, "", 100},
		seg{80, true, flagACK, isnS + 1, isnC + 201, 65535, "", 0})
	b := classic(t, segs, false, rawLink, false)
	s := mustImport(t, b, Options{})
	require.Contains(t, s.Text(), "--allow=acks\n")
	requirePass(t, s)
	res := run(t, mustImport(t, b, Options{Strict: true}))
	require.Equal(t, packetdrill.Diverges, res.Verdict)
	require.Contains(t, res.Problem.Text, "ack: expected 201, got 101")
}

// TestDoubles: a packet that was seen on two interfaces is one; one that came
// twice on the same interface is two.
func TestDoubles(t *testing.T) {
	var b bytes.Buffer
	b.Write(classic(t, nil, false, 3, false))
	record := func(s seg, iface byte) {
		one := classic(t, []seg{s}, false, 3, false)[24:]
		one[16+7] = iface
		b.Write(one)
	}
	for _, s := range exchange {
		record(s, 1)
		record(s, 2)
	}
	s := mustImport(t, b.Bytes(), Options{})
	require.Equal(t, wantServer, events(s))
	require.Contains(t, s.Text(), "Twice in the capture, seen at two places, and once here: 11 packets.")

	twice := with(func(s []seg) []seg { return slices.Insert(s, 4, s[3]) })
	s = mustImport(t, classic(t, twice, false, rawLink, false), Options{})
	require.Equal(t, 2, strings.Count(events(s), "< P. 1:101(100) ack 1"))
}

// TestCut: a capture that has only the headers is enough; what is cut within
// them is counted.
func TestCut(t *testing.T) {
	short := func(n int) []byte {
		var b bytes.Buffer
		b.Write(classic(t, nil, false, rawLink, false))
		for _, s := range exchange {
			one := classic(t, []seg{s}, false, rawLink, false)[24:]
			keep := min(n, len(one)-16)
			binary.LittleEndian.PutUint32(one[8:], uint32(keep))
			b.Write(one[:16+keep])
		}
		return b.Bytes()
	}
	require.Equal(t, wantServer, events(mustImport(t, short(44), Options{})))
	f := mustRead(t, short(30))
	require.Empty(t, f.Streams)
	require.Equal(t, len(exchange), f.Cut)
}

// TestICMP: an ICMP error about a segment comes between the packets, with what
// it quotes.
func TestICMP(t *testing.T) {
	segs := append(slices.Clone(exchange[:5]), seg{35, true, flagACK | flagPSH, isnS + 1, isnC + 101, 65535, "", 1460})
	b := classic(t, segs, false, rawLink, false)
	quoted := packetOf(segs[5], false)[:28]
	icmp := append([]byte{0x45, 0, 0, 56, 0, 0, 0, 0, 64, protoICMP, 0, 0, 10, 0, 0, 9, 10, 0, 0, 2, 3, 4, 0, 0, 0, 0, 4, 0xb0}, quoted...)
	rec := classic(t, segs[5:], false, rawLink, false)[24:40]
	binary.LittleEndian.PutUint32(rec[8:], uint32(len(icmp)))
	binary.LittleEndian.PutUint32(rec[12:], uint32(len(icmp)))
	s := mustImport(t, append(append(b, rec...), icmp...), Options{})
	require.True(t, strings.HasSuffix(s.Text(), "+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]\n"), s.Text())
	requirePass(t, s)
}

// TestSmallMSS: an MSS that no MTU gives is set by TCP_MAXSEG.
func TestSmallMSS(t *testing.T) {
	segs := with(func(s []seg) []seg {
		s[1].opts = small
		return s[:3]
	})
	s := mustImport(t, classic(t, segs, false, rawLink, false), Options{})
	require.Contains(t, events(s), "+0 setsockopt(3, IPPROTO_TCP, TCP_MAXSEG, [100], 4) = 0\n")
	requirePass(t, s)
}

// FuzzRead: no file makes the reader or the importer fail otherwise than with
// an error, and what is written can be read back.
func FuzzRead(f *testing.F) {
	for i := range linkHeaders {
		f.Add(classic(f, exchange, i%2 == 0, i, false))
		f.Add(ng(f, exchange, i%2 == 1, i))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Read(io.LimitReader(bytes.NewReader(b), 1<<16))
		if err != nil {
			return
		}
		for _, s := range file.Streams {
			_, _ = s.Handshake(), s.End()
			for _, side := range []Side{Client, Server} {
				script, err := Import(s, Options{Side: side, Name: "f"})
				if err != nil {
					continue
				}
				parsed, err := packetdrill.Parse("f", []byte(script.Text()), nil)
				require.NoError(t, err, script.Text())
				require.Equal(t, packetdrill.Format(script.Tree), packetdrill.Format(parsed))
			}
		}
	})
}
