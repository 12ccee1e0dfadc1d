package stack

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// FuzzArrival: whatever a client sends to an outside address is looked at
// without harm, and an answer to it is a packet that is right itself.
func FuzzArrival(f *testing.F) {
	a4, b4 := netip.MustParseAddrPort("10.77.0.1:49152"), netip.MustParseAddrPort("192.0.2.5:80")
	a6, b6 := netip.MustParseAddrPort("[fd77::1]:49152"), netip.MustParseAddrPort("[2001:db8::5]:80")
	for _, ends := range [][2]netip.AddrPort{{a4, b4}, {a6, b6}} {
		f.Add(UDPHeaders(ends[0], ends[1], 0))
		syn := make(header.TCP, header.TCPMinimumSize)
		syn.Encode(&header.TCPFields{SrcPort: 1, DstPort: 2, Flags: header.TCPFlagSyn, DataOffset: header.TCPMinimumSize})
		f.Add(ipPacket(uint8(header.TCPProtocolNumber), ends[0].Addr(), ends[1].Addr(), syn, 16))
		f.Add(EchoReply(ends[0].Addr(), ends[1].Addr(), 7, make([]byte, 16)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := NewPacket(data)
		defer p.Release()
		var head [140]byte
		a, ok := parseArrival(p.peek(head[:]))
		if !ok {
			return
		}
		a.Packet = p
		a.Intact()
		a.Payload()
		for _, answer := range [][]byte{Refusal(data), UnreachableFor(data, a.Dst.Addr(), HostUnreachable)} {
			if answer == nil {
				continue
			}
			q := NewPacket(answer)
			back, ok := parseArrival(answer)
			back.Packet = q
			require.True(t, ok)
			require.True(t, back.Intact(), "% x", answer)
			require.Equal(t, a.Src.Addr(), back.Dst.Addr())
			q.Release()
		}
	})
}

// TestArrivalOpenChecksum: a device that says that the checksum to complete is in
// the middle of the IP header does no harm.
func TestArrivalOpenChecksum(t *testing.T) {
	b := UDPHeaders(netip.MustParseAddrPort("10.77.0.1:5"), netip.MustParseAddrPort("192.0.2.5:53"), 0)
	for at := range uint16(len(b)) {
		p := NewOffloadPacket(b, Offload{NeedsChecksum: true, ChecksumStart: at})
		a, ok := parseArrival(b)
		require.True(t, ok)
		a.Packet = p
		a.Intact()
		a.Payload()
		p.Release()
	}
}

// TestUDPHeaders: what an ICMP error quotes of a datagram says how long that was,
// in the IP header as in UDP's.
func TestUDPHeaders(t *testing.T) {
	b := UDPHeaders(netip.MustParseAddrPort("10.77.0.1:5"), netip.MustParseAddrPort("192.0.2.5:53"), 100)
	require.Len(t, b, 28)
	require.EqualValues(t, 128, header.IPv4(b).TotalLength())
	require.True(t, header.IPv4(b).IsChecksumValid())
	require.EqualValues(t, 108, header.UDP(b[20:]).Length())
	b = UDPHeaders(netip.MustParseAddrPort("[fd77::1]:5"), netip.MustParseAddrPort("[2001:db8::5]:53"), 100)
	require.Len(t, b, 48)
	require.EqualValues(t, 108, header.IPv6(b).PayloadLength())
}

// TestAnswers: a refusal acknowledges the SYN, and an ICMP error says what and
// quotes the packet.
func TestAnswers(t *testing.T) {
	client, target := netip.MustParseAddrPort("10.77.0.1:49152"), netip.MustParseAddrPort("192.0.2.5:80")
	syn := make(header.TCP, header.TCPMinimumSize)
	syn.Encode(&header.TCPFields{SrcPort: client.Port(), DstPort: target.Port(), SeqNum: 99, Flags: header.TCPFlagSyn, DataOffset: header.TCPMinimumSize})
	packet := ipPacket(uint8(header.TCPProtocolNumber), client.Addr(), target.Addr(), syn, 16)

	rst := header.TCP(Refusal(packet)[header.IPv4MinimumSize:])
	require.Equal(t, header.TCPFlagRst|header.TCPFlagAck, rst.Flags())
	require.EqualValues(t, 100, rst.AckNumber())
	require.Equal(t, target.Port(), rst.SourcePort())

	for why, code := range map[Unreachable]header.ICMPv4Code{NetUnreachable: 0, HostUnreachable: 1, PortUnreachable: 3, AdminProhibited: 13} {
		icmp := header.ICMPv4(UnreachableFor(packet, target.Addr(), why)[header.IPv4MinimumSize:])
		require.Equal(t, header.ICMPv4DstUnreachable, icmp.Type())
		require.Equal(t, code, icmp.Code())
		require.Equal(t, packet, []byte(icmp[header.ICMPv4MinimumSize:]))
	}
}
