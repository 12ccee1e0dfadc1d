// Package tuntest holds the contract of tun.Device as a test, to be run over every implementation.
//
//   - [TestDevice] is the contract.
//   - [Peer] is what an implementation's test supplies: the other side of the device.
//   - [UDP] and [ParseUDP] build and check the packets that the contract sends.
//
// It is for tests only and imports package testing. No test here sleeps or measures time: each waits for
// what it needs, and a bound that is far above any real duration turns a hang into a failure.
package tuntest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// hangBound is when a test that waits is taken to hang. Nothing is measured against it.
const hangBound = 60 * time.Second

// Peer is the other side of a device under test: something that speaks UDP over IP, such as a kernel
// socket on the machine that the device belongs to.
type Peer interface {
	// Addr is the peer's own address, where it sends from and receives.
	Addr() netip.AddrPort

	// DeviceAddr is an address whose packets arrive at the device.
	DeviceAddr() netip.AddrPort

	// Send sends payload in one datagram from Addr to DeviceAddr.
	Send(payload []byte) error

	// Receive waits for the next datagram to Addr that came through the device, and returns its payload.
	Receive(ctx context.Context) ([]byte, error)
}

// Maker makes a device that is ready for traffic, and its peer, and registers with t what cleans up
// after them. It may be called again once that has run.
type Maker func(t *testing.T) (tun.Device, Peer)

// TestDevice checks that the devices of mk keep the contract of [tun.Device], each claim in a subtest
// with a device of its own.
func TestDevice(t *testing.T, mk Maker) {
	for _, claim := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"has a name and an MTU", testIdentity},
		{"delivers whole packets of every size", testRead},
		{"sends whole packets of every size", testWrite},
		{"keeps packets apart and in order", testOrder},
		{"carries traffic both ways at once", testBothWays},
		{"keeps no reference to a written buffer", testBufferOwnership},
		{"refuses a buffer shorter than the MTU and loses nothing", testShortBuffer},
		{"refuses to write what it cannot carry", testBadPackets},
		{"moves packets in batches, whole and in order", testBatches},
		{"refuses batches that it cannot carry", testBadBatches},
		{"ReadBatch ends without a packet", testEmptyBatch},
		{"Close unblocks Read", testCloseUnblocksRead},
		{"Read and Write after Close fail", testAfterClose},
		{"Close may be repeated", testCloseTwice},
	} {
		t.Run(claim.name, func(t *testing.T) { claim.test(t, newFixture(t, mk)) })
	}
}

// fixture is one device under test.
type fixture struct {
	ctx  context.Context // ends after hangBound, which also closes dev and so unblocks the test
	dev  tun.Device
	peer Peer
}

func newFixture(t *testing.T, mk Maker) *fixture {
	t.Helper()
	dev, peer := mk(t)
	ctx, cancel := context.WithTimeout(t.Context(), hangBound)
	stop := context.AfterFunc(ctx, func() { dev.Close() })
	t.Cleanup(func() {
		stop()
		cancel()
		require.NoError(t, dev.Close())
	})
	return &fixture{ctx: ctx, dev: dev, peer: peer}
}

// maxPayload is how much one datagram carries in a packet of MTU bytes.
func (f *fixture) maxPayload() int {
	return f.dev.MTU() - headerLen(f.peer.Addr().Addr())
}

// sizes are payload lengths that include both ends of the range.
func (f *fixture) sizes() []int {
	most := f.maxPayload()
	return []int{0, 1, 2, 3, 100, most / 2, most - 1, most}
}

// packet returns a packet from the device's address to the peer.
func (f *fixture) packet(payload []byte) []byte {
	return UDP(f.peer.DeviceAddr(), f.peer.Addr(), payload)
}

// write writes payload to the peer in one packet.
func (f *fixture) write(payload []byte) error {
	p := f.packet(payload)
	n, err := f.dev.Write(p)
	if err == nil && n != len(p) {
		return fmt.Errorf("wrote %d of %d bytes without an error", n, len(p))
	}
	return err
}

// read returns the payload of the peer's next datagram. It passes over everything else that arrives, as a
// kernel has things of its own to say (router solicitations, multicast reports).
func (f *fixture) read(buf []byte) ([]byte, error) {
	for {
		n, err := f.dev.Read(buf)
		if err != nil {
			return nil, err
		}
		if n < 1 || n > f.dev.MTU() {
			return nil, fmt.Errorf("read %d bytes, want 1 to the MTU of %d", n, f.dev.MTU())
		}
		src, dst, payload, err := ParseUDP(buf[:n])
		switch {
		case errors.Is(err, errNotUDP):
		case err != nil:
			return nil, err
		case src == f.peer.Addr() && dst == f.peer.DeviceAddr():
			return payload, nil
		}
	}
}

// buffer returns a buffer that is exactly as long as the contract asks for.
func (f *fixture) buffer() []byte { return make([]byte, f.dev.MTU()) }

// pattern returns n bytes that differ from those of another seed, if n allows it.
func pattern(seed, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed + i*7 + i>>8)
	}
	return p
}
