package tun_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"fivetuple/tun"
	"fivetuple/tun/tuntest"
)

// stationMAC is the address of the station that the tests play on a TAP device.
var stationMAC = net.HardwareAddr{2, 0, 0, 0, 7, 1}

// station makes a TAP device on which the kernel knows one station, 10.77.0.2, and needs no ARP to find it.
func station(t *testing.T, mode tun.Mode, offload bool) (tun.Device, *kernelPeer, net.HardwareAddr) {
	t.Helper()
	dev := open(t, tun.Config{Name: "ft0", Mode: mode, Ethernet: true, Offload: offload})
	peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
	link, err := netlink.LinkByName("ft0")
	require.NoError(t, err)
	require.NoError(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: net.IPv4(10, 77, 0, 2), HardwareAddr: stationMAC}))
	return dev, peer, link.Attrs().HardwareAddr
}

// readFrame returns the next frame for the station, by whichever call.
func readFrame(t *testing.T, dev tun.Device, batch bool) []byte {
	t.Helper()
	buf := make([]byte, dev.Most())
	for {
		n, err := 0, error(nil)
		if batch {
			ps := []tun.Packet{{Data: [][]byte{buf[:5], buf[5:]}}}
			if _, err = dev.ReadBatch(ps, -1); err == nil {
				n = ps[0].Len
			}
		} else {
			n, err = dev.Read(buf)
		}
		require.NoError(t, err)
		if n > 14 && net.HardwareAddr(buf[:6]).String() == stationMAC.String() {
			return buf[:n]
		}
	}
}

// TestEthernet: a TAP device carries frames, in every mode and by each of the two calls: those of the kernel
// name its station and the station that they are for, and one that is written arrives at a socket.
func TestEthernet(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, mode := range tun.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			dev, peer, kernelMAC := station(t, mode, false)
			require.True(t, dev.Ethernet())
			require.Equal(t, 1518, dev.Most())
			for _, batch := range []bool{false, true} {
				require.NoError(t, peer.Send(make([]byte, 1472))) // the MTU's worth
				f := readFrame(t, dev, batch)
				require.Equal(t, kernelMAC, net.HardwareAddr(f[6:12]))
				require.Equal(t, uint16(0x0800), binary.BigEndian.Uint16(f[12:]))
				require.Len(t, f, 1514)
				src, dst, payload, err := tuntest.ParseUDP(f[14:])
				require.NoError(t, err)
				require.Equal(t, []netip.AddrPort{peer.Addr(), peer.DeviceAddr()}, []netip.AddrPort{src, dst})
				require.Len(t, payload, 1472)

				answer := append(append(append([]byte{}, kernelMAC...), stationMAC...), 0x08, 0x00)
				answer = append(answer, tuntest.UDP(peer.DeviceAddr(), peer.Addr(), []byte("hello"))...)
				if batch {
					lost, err := dev.WriteBatch([]tun.Packet{{Data: [][]byte{answer[:20], answer[20:]}}})
					require.NoError(t, err)
					require.Zero(t, lost)
				} else {
					_, err := dev.Write(answer)
					require.NoError(t, err)
				}
				got, err := peer.Receive(t.Context())
				require.NoError(t, err)
				require.Equal(t, "hello", string(got))
			}
		})
	}
}

// TestEthernetErrors: what is no frame, or no place for one, is refused and changes nothing.
func TestEthernetErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev, peer, _ := station(t, tun.Raw, false)
	_, err := dev.Write(make([]byte, 13))
	require.ErrorIs(t, err, tun.ErrNotFrame)
	require.EqualError(t, err, "write ft0: 13 bytes are no Ethernet frame")
	_, err = dev.Write(make([]byte, 1519))
	require.ErrorIs(t, err, tun.ErrTooLong)
	require.EqualError(t, err, "write ft0: a packet of 1519 bytes is longer than the MTU of 1500 and 18 for the frame's header")
	_, err = dev.Read(make([]byte, 1517))
	require.True(t, errors.Is(err, io.ErrShortBuffer), err)
	link, err := netlink.LinkByName("ft0")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetMTU(link, 9000))
	require.NoError(t, peer.Send(make([]byte, 2000)))
	require.NoError(t, peer.Send([]byte("short")))
	buf := make([]byte, dev.Most())
	for err == nil { // what the kernel says of its own accord comes first
		_, err = dev.Read(buf)
	}
	require.ErrorIs(t, err, tun.ErrTooLong)
	require.Len(t, readFrame(t, dev, false), 14+28+5)
}

// TestEthernetSegments: TestUDPSegments in frames: places in a packet count from the Ethernet header on, and a
// super-packet may be longer by that.
func TestEthernetSegments(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev, peer, kernelMAC := station(t, tun.Vnet, true)
	require.True(t, dev.Offloads())
	require.Equal(t, kernelSegmentsUDP(t), dev.OffloadsUDP())
	_, err := dev.ReadBatch([]tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper+17)}}}, 0)
	require.ErrorIs(t, err, io.ErrShortBuffer)
	if !dev.OffloadsUDP() {
		return
	}
	data := bytes.Repeat([]byte("0123456789"), 250)
	sendSegments(t, peer, data)
	ps := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper+tun.FrameHeader)}}}
	for { // what the kernel says of its own accord comes first
		n, err := dev.ReadBatch(ps, -1)
		require.NoError(t, err)
		if n == 1 && ps[0].Segments == tun.SegmentUDP {
			break
		}
	}
	require.Equal(t, 14+28+2500, ps[0].Len)
	require.Equal(t, tun.Offload{NeedsChecksum: true, Segments: tun.SegmentUDP, ChecksumStart: 34, ChecksumOffset: 6, SegmentSize: 1000,
		HeaderLen: ps[0].HeaderLen}, ps[0].Offload)

	ip := tuntest.UDP(peer.DeviceAddr(), peer.Addr(), data)
	pseudo(ip, peer.DeviceAddr(), peer.Addr())
	o := ps[0].Offload
	o.HeaderLen = 14 + 28
	frame := slices.Concat(kernelMAC, stationMAC, []byte{0x08, 0x00}, ip)
	lost, err := dev.WriteBatch([]tun.Packet{{Data: [][]byte{frame}, Offload: o}})
	require.NoError(t, err)
	require.Zero(t, lost)
	for _, want := range [][]byte{data[:1000], data[1000:2000], data[2000:]} {
		got, err := peer.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
