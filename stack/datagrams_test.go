package stack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"fivetuple/stack"

	"github.com/stretchr/testify/require"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// udpPacket is a datagram with its checksum, as netstack sends it.
func udpPacket(v6 bool, port, id uint16, payload []byte) []byte {
	ip := header.IPv4MinimumSize
	if v6 {
		ip = header.IPv6MinimumSize
	}
	b := make([]byte, ip+header.UDPMinimumSize+len(payload))
	length := uint16(len(b) - ip)
	src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 1}), tcpip.AddrFrom4([4]byte{10, 0, 0, 2})
	if v6 {
		src, dst = tcpip.AddrFrom16([16]byte{0xfd, 15: 1}), tcpip.AddrFrom16([16]byte{0xfd, 15: 2})
		header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: length, TransportProtocol: 17, HopLimit: 64, SrcAddr: src, DstAddr: dst})
	} else {
		h := header.IPv4(b)
		h.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), ID: id, TTL: 64, Protocol: 17, SrcAddr: src, DstAddr: dst})
		h.SetChecksum(^h.CalculateChecksum())
	}
	u := header.UDP(b[ip:])
	u.Encode(&header.UDPFields{SrcPort: port, DstPort: 53, Length: length})
	copy(b[ip+header.UDPMinimumSize:], payload)
	u.SetChecksum(^checksum.Checksum(b[ip:], header.PseudoHeaderChecksum(17, src, dst, length)))
	return b
}

// TestDatagramMerge: datagrams of one flow and one size become one packet, the
// last may be shorter; nothing else does.
func TestDatagramMerge(t *testing.T) {
	type in struct {
		port uint16
		n    int
	}
	for n := range 4 {
		v6, ether := n&1 != 0, n&2 != 0
		for _, tt := range []struct {
			name string
			in   []in
			want []string // payload, in datagrams of
		}{
			{"one size", []in{{1, 100}, {1, 100}, {1, 100}}, []string{"300/100"}},
			{"a shorter last", []in{{1, 100}, {1, 100}, {1, 30}, {1, 30}}, []string{"230/100", "30/0"}},
			{"a longer one", []in{{1, 100}, {1, 101}}, []string{"100/0", "101/0"}},
			{"another flow", []in{{1, 100}, {2, 100}, {1, 100}}, []string{"100/0", "100/0", "100/0"}},
			{"empty ones", []in{{1, 0}, {1, 0}, {1, 5}, {1, 0}}, []string{"0/0", "0/0", "5/0", "0/0"}},
			{"too long", []in{{1, 40000}, {1, 40000}}, []string{"40000/0", "40000/0"}},
		} {
			t.Run(fmt.Sprintf("%s, IPv6 %t, Ethernet %t", tt.name, v6, ether), func(t *testing.T) {
				var ps []stack.Packet
				for i, d := range tt.in {
					b := udpPacket(v6, d.port, uint16(i), make([]byte, d.n))
					if ether {
						b = frame(b)
					}
					ps = append(ps, stack.NewOffloadPacket(b, stack.Offload{Verified: true}))
				}
				m := stack.DatagramMerger{Ethernet: ether}
				var got []string
				for _, p := range m.Merge(ps) {
					o := p.Offload()
					ip := header.IPv4MinimumSize
					if v6 {
						ip = header.IPv6MinimumSize
					}
					got = append(got, fmt.Sprintf("%d/%d", p.Len()-linkOf(ether)-ip-header.UDPMinimumSize, o.SegmentSize))
					require.Equal(t, o.SegmentSize != 0, o.Segments == stack.SegmentUDP)
					p.Release()
				}
				require.Equal(t, tt.want, got)
			})
		}
	}
}

// TestDatagramMergeUntrusted: what may have been damaged on the way keeps its own
// checksum, which a merged packet would not have.
func TestDatagramMergeUntrusted(t *testing.T) {
	var m stack.DatagramMerger
	ps := []stack.Packet{stack.NewPacket(udpPacket(false, 1, 0, []byte("abc"))), stack.NewPacket(udpPacket(false, 1, 1, []byte("def")))}
	require.Len(t, m.Merge(ps), 2)
}

// TestDatagramsDivide: what is merged and divided again is what it was, to the
// byte, numbered from the first one's identification on; random runs of 1 to 200
// datagrams pass every limit of a super-packet.
func TestDatagramsDivide(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		v6, ether, size, count := round%2 == 1, round%4 > 1, 1+rng.IntN(1400), 1+rng.IntN(200)
		var want [][]byte
		var ps []stack.Packet
		for i := range count {
			n := size
			if i == count-1 {
				n = 1 + rng.IntN(size)
			}
			payload := make([]byte, n)
			for k := range payload {
				payload[k] = byte(rng.Uint32())
			}
			b := udpPacket(v6, 7, uint16(i), payload)
			if ether {
				b = frame(b)
			}
			want = append(want, b)
			ps = append(ps, stack.NewOffloadPacket(bytes.Clone(b), stack.Offload{Verified: true}))
		}
		m := stack.DatagramMerger{Ethernet: ether}
		merged := m.Merge(ps)
		require.LessOrEqual(t, (count+63)/64, len(merged))
		require.Less(t, len(merged), count/40+3, "most are merged")
		got := stack.DivideDatagrams(merged, ether)
		require.Len(t, got, count)
		for i, p := range got {
			require.Equal(t, want[i], p.Bytes())
			p.Release()
		}
	}
}

// TestDatagramsDivideOptions: IPv4 options, which each datagram keeps, do not keep a
// super-packet from being divided; with 20 bytes of them, the header is as long as
// IPv6's.
func TestDatagramsDivideOptions(t *testing.T) {
	for _, ether := range []bool{false, true} {
		for _, options := range []int{4, 20, 40} {
			payload := make([]byte, 3300)
			rand.NewChaCha8([32]byte{1}).Read(payload)
			plain := udpPacket(false, 7, 9, payload)
			b := append(bytes.Clone(plain[:20]), bytes.Repeat([]byte{1}, options)...) // no operation
			b = append(b, plain[20:]...)
			h := header.IPv4(b)
			h.SetHeaderLength(uint8(20 + options))
			h.SetTotalLength(uint16(len(b)))
			if ether {
				b = frame(b)
			}
			o := stack.Offload{NeedsChecksum: true, ChecksumStart: uint16(linkOf(ether) + 20 + options), ChecksumOffset: 6, Segments: stack.SegmentUDP, SegmentSize: 1000}
			got := stack.DivideDatagrams([]stack.Packet{stack.NewOffloadPacket(b, o)}, ether)
			require.Len(t, got, 4)
			for i, p := range got {
				part := payload[1000*i : min(1000*i+1000, len(payload))]
				h := header.IPv4(p.Bytes()[linkOf(ether):])
				require.True(t, h.IsValid(len(h)))
				require.True(t, h.IsChecksumValid())
				require.Equal(t, uint16(9+i), h.ID())
				require.Equal(t, bytes.Repeat([]byte{1}, options), []byte(h[20:20+options]))
				u := header.UDP(h.Payload())
				require.Equal(t, part, []byte(u.Payload()))
				require.True(t, u.IsChecksumValid(h.SourceAddress(), h.DestinationAddress(), checksum.Checksum(part, 0)))
			}
			m := stack.DatagramMerger{Ethernet: ether}
			got = m.Merge(got)
			require.Len(t, got, 1)
			require.Equal(t, payload, got[0].Bytes()[linkOf(ether)+28+options:])
			got[0].Release()
		}
	}
}

// FuzzDivideDatagrams: whatever a device says of a packet, dividing it does not
// panic, and loses no byte of payload of a well-formed one.
func FuzzDivideDatagrams(f *testing.F) {
	f.Add(udpPacket(false, 1, 0, make([]byte, 100)), uint16(10))
	f.Add(udpPacket(true, 1, 0, make([]byte, 100)), uint16(0))
	f.Add([]byte{0x45}, uint16(1))
	f.Add(append([]byte{0x4f, 9: 17}, make([]byte, 60)...), uint16(1))
	f.Add([]byte{12: 0x08, 14: 0x45}, uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		dividePackets(t, b, size, false)
		dividePackets(t, b, size, true)
		if len(b) > 0 {
			dividePackets(t, frame(b), size, true)
		}
	})
}

func dividePackets(t *testing.T, b []byte, size uint16, ether bool) {
	link := linkOf(ether)
	p := stack.NewOffloadPacket(b, stack.Offload{NeedsChecksum: true, ChecksumStart: uint16(link) + 20, ChecksumOffset: 6, Segments: stack.SegmentUDP, SegmentSize: size})
	total := 0
	for _, d := range stack.DivideDatagrams([]stack.Packet{p}, ether) {
		got := d.Bytes()
		got = got[min(len(got), link):]
		if len(got) >= 28 && got[0] == 0x45 {
			total += len(got) - 28
		}
		d.Release()
	}
	if ether && (len(b) < link || b[12] != 0x08 || b[13] != 0) {
		return
	}
	b = b[link:]
	whole := len(b) >= 28 && b[0] == 0x45 && b[9] == 17 && int(binary.BigEndian.Uint16(b[2:])) == len(b) && int(binary.BigEndian.Uint16(b[24:])) == len(b)-20
	if whole && total != len(b)-28 {
		t.Fatalf("%d bytes of payload became %d", len(b)-28, total)
	}
}
