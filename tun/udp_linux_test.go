package tun_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fivetuple/tun"
	"fivetuple/tun/tuntest"
)

// TestUDPSegments: with offloads on, what a program sends with UDP_SEGMENT (udp(7)) arrives as one packet, and one
// such packet that is written arrives at a socket as its datagrams. A kernel before 6.2 does neither, and the
// device says so.
func TestUDPSegments(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev := open(t, tun.Config{Name: "ft0", Mode: tun.Vnet, Offload: true})
	require.Equal(t, kernelSegmentsUDP(t), dev.OffloadsUDP())
	if !dev.OffloadsUDP() {
		return
	}
	peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
	data := bytes.Repeat([]byte("0123456789"), 250)

	sendSegments(t, peer, data)
	ps := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper)}}}
	for { // what the kernel says of its own accord comes first
		n, err := dev.ReadBatch(ps, -1)
		require.NoError(t, err)
		if n == 1 && ps[0].Segments == tun.SegmentUDP {
			break
		}
	}
	require.Equal(t, 28+2500, ps[0].Len)
	require.Equal(t, tun.Offload{NeedsChecksum: true, Segments: tun.SegmentUDP, ChecksumStart: 20, ChecksumOffset: 6, SegmentSize: 1000,
		HeaderLen: ps[0].HeaderLen}, ps[0].Offload)

	answer := tuntest.UDP(peer.DeviceAddr(), peer.Addr(), data)
	o := ps[0].Offload
	o.HeaderLen = 28
	pseudo(answer, peer.DeviceAddr(), peer.Addr())
	lost, err := dev.WriteBatch([]tun.Packet{{Data: [][]byte{answer}, Offload: o}})
	require.NoError(t, err)
	require.Zero(t, lost)
	for _, want := range [][]byte{data[:1000], data[1000:2000], data[2000:]} {
		got, err := peer.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// sendSegments sends data as datagrams of 1000 bytes, in one call.
func sendSegments(t *testing.T, peer *kernelPeer, data []byte) {
	t.Helper()
	raw, err := peer.conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000))
	}))
	require.NoError(t, peer.Send(data))
}

// kernelSegmentsUDP reports whether this kernel is 6.2 or later.
func kernelSegmentsUDP(t *testing.T) bool {
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	major, minor := 0, 0
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	require.NoError(t, err)
	return major > 6 || major == 6 && minor >= 2
}

// pseudo leaves the checksum of an IPv4 UDP packet open.
func pseudo(p []byte, src, dst netip.AddrPort) {
	sum := uint32(17) + uint32(len(p)-20)
	for _, a := range []netip.Addr{src.Addr(), dst.Addr()} {
		b := a.As4()
		sum += uint32(b[0])<<8 | uint32(b[1])
		sum += uint32(b[2])<<8 | uint32(b[3])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	p[26], p[27] = byte(sum>>8), byte(sum)
}
