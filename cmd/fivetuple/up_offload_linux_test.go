package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// upWith starts services without outputs, with these flags.
func upWith(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, t.TempDir(), "fivetuple", append([]string{"up", "-q", "--serve", "echo"}, args...)...)
	p.await("up: ")
	return p
}

// devices are the two kinds, as flags.
var devices = [][]string{{"--tun", "ft0"}, {"--tap", "ft0"}}

var addrs4 = []string{"--addr", lab4 + "/24", "--host-addr", host4 + "/24"}
var addrs6 = []string{"--addr", lab6 + "/64", "--host-addr", host6 + "/64"}

// TestUpIntegrity: 64 MiB go through the stack and come back, the same, with
// offloads on and off; and fewer with the smallest and the largest MTU.
func TestUpIntegrity(t *testing.T) {
	if !isLive(t) {
		return
	}
	all := slices.Concat(addrs4, addrs6)
	for _, tt := range []struct {
		name string
		args []string
		mib  int
	}{
		{"offload on", slices.Concat(all, []string{"--offload", "on"}), 64},
		{"offload off", slices.Concat(all, []string{"--offload", "off"}), 64},
		{"raw", slices.Concat(all, []string{"--device", "raw"}), 4},
		{"water", slices.Concat(all, []string{"--device", "water"}), 4},
		{"MTU 576, on", slices.Concat(addrs4, []string{"--offload", "on", "--mtu", "576"}), 16},
		{"MTU 576, off", slices.Concat(addrs4, []string{"--offload", "off", "--mtu", "576"}), 4},
		{"MTU 65520, on", slices.Concat(all, []string{"--offload", "on", "--mtu", "65520"}), 16},
		{"MTU 65520, off", slices.Concat(all, []string{"--offload", "off", "--mtu", "65520"}), 16},
		{"TAP, on", slices.Concat(all, []string{"--tap", "ft0", "--offload", "on"}), 64},
		{"TAP, off", slices.Concat(all, []string{"--tap", "ft0", "--offload", "off"}), 16},
		{"TAP, MTU 576, on", slices.Concat(addrs4, []string{"--tap", "ft0", "--offload", "on", "--mtu", "576"}), 16},
		{"TAP, MTU 65520, on", slices.Concat(all, []string{"--tap", "ft0", "--offload", "on", "--mtu", "65520"}), 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := upWith(t, tt.args...)
			echoHash(t, lab4, tt.mib<<20)
			if slices.Contains(tt.args, addrs6[1]) {
				echoHash(t, lab6, tt.mib<<20)
			}
			p.stop()
			require.NotContains(t, p.stderr(), "bad checksum")
		})
	}
}

// echoHash sends random bytes and compares the hash of what comes back.
func echoHash(t *testing.T, addr string, n int) {
	t.Helper()
	c := dial(t, "tcp", addr, "7")
	defer c.Close()
	sent, got := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		random := rand.NewChaCha8([32]byte{byte(n >> 20)})
		_, err := io.CopyN(io.MultiWriter(c, sent), random, int64(n))
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite()
		}
		done <- err
	}()
	m, err := io.Copy(got, c)
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, int64(n), m)
	require.Equal(t, sent.Sum(nil), got.Sum(nil))
}

// TestUpBadChecksum: with offloads on, a packet for which nobody vouches is
// verified: a bad one is dropped, counted and in the trace, a good one answered.
func TestUpBadChecksum(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, device := range devices {
		t.Run(device[0], func(t *testing.T) { testBadChecksum(t, device) })
	}
}

func testBadChecksum(t *testing.T, device []string) {
	dir := t.TempDir()
	p := start(t, dir, "fivetuple", slices.Concat([]string{"up", "-q", "--serve", "echo", "--offload", "on", "--jsonl", "s.jsonl"}, device, addrs4)...)
	p.await("up: ")
	c := dial(t, "udp", lab4, "7")
	defer c.Close()
	link, err := net.InterfaceByName("ft0")
	require.NoError(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: 8, Ifindex: link.Index} // 0x0800, swapped
	if device[0] == "--tap" {
		to.Halen = uint8(copy(to.Addr[:], []byte{2, 0, 0, 0, 1, 1})) // the stack's
	}
	for _, text := range []string{"bad", "good"} {
		packet := datagram(c.LocalAddr().(*net.UDPAddr).Port, text)
		if text == "bad" {
			packet[len(packet)-1] ^= 1
		}
		require.NoError(t, unix.Sendto(fd, packet, 0, to))
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "good", string(buf[:n]), "the bad one came first")
	p.stop()
	require.Contains(t, p.stderr(), "(1 malformed or with a bad checksum)")
	require.Regexp(t, `"what":"discarded".*"reason":"bad checksum"`, read(t, dir, "s.jsonl"))
}

// datagram is an IPv4 packet to the echo service, with a UDP checksum.
func datagram(port int, text string) []byte {
	p := make([]byte, 28+len(text))
	be := binary.BigEndian
	p[0], p[8], p[9] = 0x45, 64, 17
	be.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], net.ParseIP(host4).To4())
	copy(p[16:], net.ParseIP(lab4).To4())
	be.PutUint16(p[10:], ^onesSum(p[:20], 0))
	be.PutUint16(p[20:], uint16(port))
	be.PutUint16(p[22:], 7)
	be.PutUint16(p[24:], uint16(8+len(text)))
	copy(p[28:], text)
	be.PutUint16(p[26:], ^onesSum(p[12:], 17+8+len(text)))
	return p
}

// onesSum is the sum of RFC 1071.
func onesSum(b []byte, sum int) uint16 {
	for i := range b {
		sum += int(b[i]) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// TestUpSuperPackets: recorded with offloads on, super-packets are in the
// capture with complete checksums, and the recording replays.
func TestUpSuperPackets(t *testing.T) {
	if !isLive(t) {
		return
	}
	requireTool(t, "tshark")
	for _, device := range devices {
		t.Run(device[0], func(t *testing.T) { testSuperPackets(t, device) })
	}
}

func testSuperPackets(t *testing.T, device []string) {
	dir := t.TempDir()
	p := start(t, dir, "fivetuple", slices.Concat([]string{"up", "-q", "--serve", "echo", "--offload", "on",
		"--pcap", "s.pcapng", "--record", "s.ft"}, device, addrs4, addrs6)...)
	p.await("up: ")
	echoHash(t, lab4, 4<<20)
	echoHash(t, lab6, 4<<20)
	p.stop()
	count := func(filter string) int {
		out := tool(t, nil, "tshark", "-r", dir+"/s.pcapng", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
			"-Y", filter, "-T", "fields", "-e", "frame.number")
		return strings.Count(out, "\n")
	}
	require.NotZero(t, count("tcp.len > 20000 && ip"), "super-packets")
	require.NotZero(t, count("tcp.len > 20000 && ipv6"))
	require.Zero(t, count("tcp.checksum.status == Bad || ip.checksum.status == Bad"))
	require.NotZero(t, count("tcp.checksum.status == Good"))
	r := start(t, dir, "fivetuple", "replay", "s.ft", "--check")
	require.Zero(t, r.wait(), r.stderr())
}

// TestUpDeviceFlags: what makes no sense is refused before anything is made.
func TestUpDeviceFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--device", "wire"}, `--device "wire": there are auto, offload, raw and water`},
		{[]string{"--offload", "yes"}, `--offload "yes": there are auto, on and off`},
		{[]string{"--offload", "on", "--device", "raw"}, "--offload on: a device of --device raw has none"},
		{[]string{"--congestion", "bbr"}, `--congestion "bbr": there are cubic and reno`},
	} {
		t.Run(fmt.Sprint(tt.args), func(t *testing.T) {
			p := start(t, t.TempDir(), "fivetuple", upArgs(tt.args...)...)
			require.Equal(t, 2, p.wait())
			require.Contains(t, p.stderr(), tt.want)
		})
	}
}

// TestUpUDPSegments: datagrams that a program sends as one (udp(7), UDP_SEGMENT) reach the stack's process one by one,
// and its answers, which leave together, come back as they are.
func TestUpUDPSegments(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, device := range devices {
		t.Run(device[0], func(t *testing.T) { testUDPSegments(t, device) })
	}
}

func testUDPSegments(t *testing.T, device []string) {
	for _, lab := range labs {
		p := upWith(t, slices.Concat(addrs4, addrs6, device, []string{"--offload", "on"})...)
		c := dial(t, "udp", lab.addr, "7").(*net.UDPConn)
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000)
		}))
		require.NoError(t, err)
		sent := make([]byte, 40_300)
		rand.NewChaCha8([32]byte{9}).Read(sent)
		_, err = c.Write(sent)
		require.NoError(t, err)
		var got []byte
		for range 41 {
			b := make([]byte, 2000)
			n, err := c.Read(b)
			require.NoError(t, err)
			require.Equal(t, min(1000, len(sent)-len(got)), n)
			got = append(got, b[:n]...)
		}
		require.Equal(t, sent, got)
		c.Close()
		p.stop()
	}
}
