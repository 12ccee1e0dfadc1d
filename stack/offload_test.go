package stack_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"fivetuple/sim"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// tcpPacket describes a segment of one of two connections.
type tcpPacket struct {
	v6      bool
	ether   bool // in a frame
	port    uint16
	seq     uint32
	ack     uint32
	flags   header.TCPFlags
	window  uint16
	payload []byte
}

// bytes is the packet, its checksum open.
func (p *tcpPacket) bytes() ([]byte, stack.Offload) {
	ip := header.IPv4MinimumSize
	if p.v6 {
		ip = header.IPv6MinimumSize
	}
	b := make([]byte, ip+header.TCPMinimumSize+len(p.payload))
	length := uint16(len(b) - ip)
	src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 1}), tcpip.AddrFrom4([4]byte{10, 0, 0, 2})
	if p.v6 {
		src, dst = tcpip.AddrFrom16([16]byte{0xfd, 15: 1}), tcpip.AddrFrom16([16]byte{0xfd, 15: 2})
		header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: length, TransportProtocol: 6, HopLimit: 64, SrcAddr: src, DstAddr: dst})
	} else {
		h := header.IPv4(b)
		h.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), ID: uint16(p.seq), TTL: 64, Protocol: 6, SrcAddr: src, DstAddr: dst})
		h.SetChecksum(^h.CalculateChecksum())
	}
	t := header.TCP(b[ip:])
	t.Encode(&header.TCPFields{SrcPort: p.port, DstPort: 80, SeqNum: p.seq, AckNum: p.ack, DataOffset: header.TCPMinimumSize,
		Flags: p.flags, WindowSize: p.window, Checksum: header.PseudoHeaderChecksum(6, src, dst, length)})
	copy(b[ip+header.TCPMinimumSize:], p.payload)
	if p.ether {
		b, ip = frame(b), ip+header.EthernetMinimumSize
	}
	return b, stack.Offload{NeedsChecksum: true, ChecksumStart: uint16(ip), ChecksumOffset: 16}
}

// The stations of the frames: a stack's host, and its peer.
const stackMAC, peerMAC = tcpip.LinkAddress("\x02\x00\x00\x00\x01\x01"), tcpip.LinkAddress("\x02\x00\x00\x00\x07\x01")

// frame puts an Ethernet header in front of an IP packet for the stack.
func frame(b []byte) []byte {
	f := make([]byte, header.EthernetMinimumSize, header.EthernetMinimumSize+len(b))
	t := header.IPv4ProtocolNumber
	if b[0]>>4 == 6 {
		t = header.IPv6ProtocolNumber
	}
	header.Ethernet(f).Encode(&header.EthernetFields{SrcAddr: peerMAC, DstAddr: stackMAC, Type: t})
	return append(f, b...)
}

// linkOf is the length of the header in front of IP's.
func linkOf(ether bool) int {
	if ether {
		return header.EthernetMinimumSize
	}
	return 0
}

// packet puts it into a buffer as a device does.
func (p *tcpPacket) packet() stack.Packet {
	b, o := p.bytes()
	return received(b, o)
}

func received(b []byte, o stack.Offload) stack.Packet {
	var buf stack.Buffer
	n := 0
	for _, s := range buf.Slices() {
		n += copy(s, b[n:])
	}
	return buf.Packet(n, o)
}

// requireWhole checks lengths and checksums, and returns the TCP part.
func requireWhole(t *testing.T, b []byte, ether bool) header.TCP {
	t.Helper()
	s := trace.Decode(b, ether)
	b = b[linkOf(ether):]
	require.Equal(t, "tcp", s.Proto)
	ip := header.IPv4MinimumSize
	if b[0]>>4 == 6 {
		ip = header.IPv6MinimumSize
		require.Equal(t, len(b)-ip, int(header.IPv6(b).PayloadLength()))
	} else {
		require.Equal(t, len(b), int(header.IPv4(b).TotalLength()))
		require.True(t, header.IPv4(b).IsChecksumValid())
	}
	src, dst := tcpip.AddrFromSlice(s.Src.Addr().AsSlice()), tcpip.AddrFromSlice(s.Dst.Addr().AsSlice())
	sum := header.PseudoHeaderChecksum(6, src, dst, uint16(len(b)-ip))
	require.Equal(t, uint16(0xffff), checksum.Checksum(b[ip:], sum))
	return header.TCP(b[ip:])
}

// TestMerge: segments that continue each other become one, and nothing else.
func TestMerge(t *testing.T) {
	data := func(seed byte, n int) []byte { return bytes.Repeat([]byte{seed, seed + 1, 3}, n)[:n] }
	const ack, psh = header.TCPFlagAck, header.TCPFlagPsh
	for n := range 4 {
		v6, ether := n&1 != 0, n&2 != 0
		seg := func(port uint16, seq uint32, flags header.TCPFlags, payload []byte) tcpPacket {
			return tcpPacket{v6: v6, ether: ether, port: port, seq: seq, ack: 7, flags: flags, window: 100, payload: payload}
		}
		most := 65535 - header.IPv4MinimumSize - header.TCPMinimumSize // of payload: IPv4's total length is 65535
		if v6 {
			most -= header.IPv6MinimumSize - header.IPv4MinimumSize // the merger has one limit for both
		}
		newer := seg(1, 1000, ack|psh, data(2, 10))
		newer.window = 200
		otherAck := seg(1, 2000, ack, data(1, 1000))
		otherAck.ack = 8
		for _, tt := range []struct {
			name string
			in   []tcpPacket
			want []int // payload lengths
		}{
			{"a run", []tcpPacket{seg(1, 1000, ack, data(1, 1000)), seg(1, 2000, ack|psh, data(2, 1000)), seg(1, 3000, ack|psh, data(3, 7))}, []int{2007}},
			{"a gap", []tcpPacket{seg(1, 1000, ack, data(1, 1000)), seg(1, 2001, ack, data(2, 1000))}, []int{1000, 1000}},
			{"another flow", []tcpPacket{seg(1, 1000, ack, data(1, 1000)), seg(2, 2000, ack, data(2, 1000))}, []int{1000, 1000}},
			{"another acknowledgment", []tcpPacket{seg(1, 1000, ack, data(1, 1000)), otherAck}, []int{1000, 1000}},
			{"a larger one", []tcpPacket{seg(1, 1000, ack, data(1, 10)), seg(1, 1010, ack, data(2, 1000))}, []int{10, 1000}},
			{"a FIN", []tcpPacket{seg(1, 1000, ack, data(1, 1000)), seg(1, 2000, ack|header.TCPFlagFin, data(2, 10))}, []int{1000, 10}},
			{"too long", []tcpPacket{seg(1, 1000, ack, data(1, 40000)), seg(1, 41000, ack, data(2, 40000))}, []int{40000, 40000}},
			{"an acknowledgment ahead", []tcpPacket{seg(1, 1000, ack, nil), newer}, []int{10}},
			{"as long as may be", []tcpPacket{seg(1, 1000, ack, data(1, 40000)), seg(1, 41000, ack, data(2, most-40000))}, []int{most}},
			{"two acknowledgments", []tcpPacket{seg(1, 1000, ack, nil), seg(1, 1000, ack, nil)}, []int{0, 0}},
		} {
			var ps []stack.Packet
			var all []byte
			for _, p := range tt.in {
				ps = append(ps, p.packet())
				all = append(all, p.payload...)
			}
			m := stack.Merger{Ethernet: ether}
			var got []int
			var back []byte
			for _, p := range m.Merge(ps) {
				tcp := requireWhole(t, p.Bytes(), ether)
				payload := tcp[tcp.DataOffset():]
				got, back = append(got, len(payload)), append(back, payload...)
				if len(tt.want) == 1 {
					require.Equal(t, tt.in[len(tt.in)-1].flags, tcp.Flags(), "those of the last")
					require.Equal(t, tt.in[len(tt.in)-1].window, tcp.WindowSize())
				}
				if o := p.Offload(); o.Segments != stack.SegmentNone {
					require.Equal(t, uint16(len(tt.in[0].payload)), o.SegmentSize)
					require.Equal(t, p.Len()-len(payload), int(o.HeaderLen))
				}
				p.Release()
			}
			require.Equal(t, tt.want, got, tt.name)
			require.Equal(t, all, back, tt.name)
		}
	}
}

// TestOffloadInterface: what nobody vouches for is verified, what somebody does
// is not, in a packet and in a frame; and a router cannot have offloads.
func TestOffloadInterface(t *testing.T) {
	for _, ether := range []bool{false, true} {
		testOffloadInterface(t, ether)
	}
	w := sim.New(sim.Config{})
	defer w.Close()
	r, err := w.AddHost(sim.HostConfig{Name: "r", Forwarding: true})
	require.NoError(t, err)
	_, err = r.Stack().AddInterface(stack.InterfaceConfig{Name: "eth0", Offload: true})
	require.EqualError(t, err, "interface eth0: offloads need an interface to the outside, of a host that does not forward")
}

func testOffloadInterface(t *testing.T, ether bool) {
	w := sim.New(sim.Config{})
	defer w.Close()
	host, err := w.AddHost(sim.HostConfig{Name: "a"})
	require.NoError(t, err)
	h := host.Stack()
	var mac net.HardwareAddr
	if ether {
		mac = net.HardwareAddr(stackMAC)
	}
	sent := 0
	i, err := h.AddInterface(stack.InterfaceConfig{Name: "eth0", Offload: true, MAC: mac, Output: func(p stack.Packet) { sent++; p.Release() },
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	require.NoError(t, err)
	if ether { // the peer asks, and netstack learns from that where it is
		require.True(t, i.Deliver(stack.NewPacket(arpRequest())))
		h.Settle()
		require.Equal(t, 1, sent)
	}
	syn := tcpPacket{ether: ether, port: 1, seq: 1, flags: header.TCPFlagSyn, window: 100}
	b, o := syn.bytes()
	answers := func(b []byte, o stack.Offload) int { // a SYN that is taken is answered with a RST
		before := sent
		require.True(t, i.Deliver(received(b, o)))
		h.Settle()
		return sent - before
	}
	require.Equal(t, 1, answers(b, o), "open, and completed by nobody")
	require.Zero(t, answers(b, stack.Offload{}), "the same without the promise")
	require.Equal(t, 1, answers(b, stack.Offload{Verified: true}))
	p := syn.packet()
	require.Equal(t, 1, answers(p.Bytes(), stack.Offload{}), "complete")
	p.Release()
	binary.BigEndian.PutUint16(b[linkOf(ether)+10:], 1)
	bad := h.ChecksumErrors()
	require.Zero(t, answers(b, stack.Offload{}), "IPv4's own checksum")
	require.Equal(t, bad+1, h.ChecksumErrors())
}

// arpRequest asks for the stack's 10.0.0.2, as 10.0.0.1 does.
func arpRequest() []byte {
	f := make([]byte, header.EthernetMinimumSize+header.ARPSize)
	header.Ethernet(f).Encode(&header.EthernetFields{SrcAddr: peerMAC, DstAddr: header.EthernetBroadcastAddress, Type: header.ARPProtocolNumber})
	a := header.ARP(f[header.EthernetMinimumSize:])
	a.SetIPv4OverEthernet()
	a.SetOp(header.ARPRequest)
	copy(a.HardwareAddressSender(), peerMAC)
	copy(a.ProtocolAddressSender(), []byte{10, 0, 0, 1})
	copy(a.ProtocolAddressTarget(), []byte{10, 0, 0, 2})
	return f
}

// TestMergeOtherFrames: a frame that is no IP packet, or not the one that its
// type says, or of another station, passes as it is, and what is on both sides of
// it is not merged.
func TestMergeOtherFrames(t *testing.T) {
	seg := func(seq uint32) []byte {
		b, _ := (&tcpPacket{ether: true, port: 1, seq: seq, ack: 7, flags: header.TCPFlagAck, window: 100, payload: make([]byte, 100)}).bytes()
		return b
	}
	wrongType, otherStation, short := seg(1100), seg(1100), seg(1100)[:10]
	wrongType[12], wrongType[13] = 0x86, 0xdd
	otherStation[11]++
	open := stack.Offload{NeedsChecksum: true, ChecksumStart: 34, ChecksumOffset: 16}
	for _, between := range [][]byte{arpRequest(), wrongType, otherStation, short} {
		for _, o := range []stack.Offload{open, {Verified: true}} {
			ps := []stack.Packet{received(seg(1000), open), received(bytes.Clone(between), o), received(seg(1100), open)}
			want := ps[1].Bytes()
			udp := stack.DatagramMerger{Ethernet: true}
			got := udp.Merge((&stack.Merger{Ethernet: true}).Merge(stack.DivideDatagrams(ps, true)))
			require.Len(t, got, 3)
			require.Equal(t, want, got[1].Bytes())
			for _, p := range got {
				p.Release()
			}
		}
	}
}

// TestCompleteZero: a checksum that comes out as 0 is 0 for TCP (RFC 1624: Wireshark takes 0xffff for a wrong one), and
// 0xffff for UDP, where 0 means that there is none (RFC 768).
func TestCompleteZero(t *testing.T) {
	for at, want := range map[uint16][]byte{16: {0, 0}, 6: {0xff, 0xff}} {
		p := make([]byte, 40)
		p[20], p[21] = 0xff, 0xff // the sum of all
		got := stack.NewOffloadPacket(p, stack.Offload{NeedsChecksum: true, ChecksumStart: 20, ChecksumOffset: at}).Bytes()
		require.Equal(t, want, got[20+at:20+at+2], at)
	}
}
