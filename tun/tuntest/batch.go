package tuntest

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// batch returns n packets to read into, in two pieces each.
func (f *fixture) batch(n int) []tun.Packet {
	size := f.dev.MTU()
	if f.dev.Offloads() {
		size = tun.MaxSuper
	}
	ps := make([]tun.Packet, n)
	for i := range ps {
		ps[i].Data = [][]byte{make([]byte, 24), make([]byte, size-24)}
	}
	return ps
}

// bytes puts together what was read.
func bytes(p *tun.Packet) (b []byte) {
	for _, d := range p.Data {
		b = append(b, d[:min(len(d), p.Len-len(b))]...)
	}
	return b
}

func testBatches(t *testing.T, f *fixture) {
	for i := range burst {
		require.NoError(t, f.peer.Send(pattern(i, 10+i*7)))
	}
	ps := f.batch(5)
	for got := 0; got < burst; {
		n, err := f.dev.ReadBatch(ps, -1)
		require.NoError(t, err)
		for i := range ps[:n] {
			b := bytes(&ps[i])
			if ps[i].NeedsChecksum {
				ps[i].Complete(b)
			}
			src, dst, payload, err := ParseUDP(b)
			if errors.Is(err, errNotUDP) || src != f.peer.Addr() || dst != f.peer.DeviceAddr() {
				continue
			}
			require.NoError(t, err)
			require.Equal(t, pattern(got, 10+got*7), payload, "packet %d", got)
			got++
		}
	}

	out := make([]tun.Packet, burst)
	for i := range out {
		p := f.packet(pattern(i, 10+i))
		out[i].Data = [][]byte{p[:1+i], nil, p[1+i:]}
	}
	lost, err := f.dev.WriteBatch(out)
	require.NoError(t, err)
	require.Zero(t, lost)
	for i := range burst {
		require.NoError(t, expect(f.ctx, f.peer, pattern(i, 10+i)), "received %d", i)
	}
}

func testBadBatches(t *testing.T, f *fixture) {
	short := f.batch(2)
	short[1].Data = short[1].Data[:1]
	n, err := f.dev.ReadBatch(short, -1)
	require.ErrorIs(t, err, io.ErrShortBuffer)
	require.Zero(t, n)

	good, bad := f.packet([]byte("good")), f.packet([]byte("x"))
	bad[0] = 5<<4 | bad[0]&0xf
	long := f.packet(make([]byte, f.maxPayload()+1))
	lost, err := f.dev.WriteBatch([]tun.Packet{
		{Data: [][]byte{bad}}, {}, {Data: [][]byte{good}}, {Data: [][]byte{long}}, {Data: [][]byte{good}},
	})
	require.ErrorIs(t, err, tun.ErrNotIP, "the first error")
	require.Equal(t, 3, lost)
	for range 2 {
		require.NoError(t, expect(f.ctx, f.peer, []byte("good")), "the others are sent")
	}
	if !f.dev.Offloads() {
		_, err := f.dev.WriteBatch([]tun.Packet{{Data: [][]byte{good}, Offload: tun.Offload{NeedsChecksum: true}}})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func testEmptyBatch(t *testing.T, f *fixture) {
	// What a kernel has to say of its own accord may come first.
	for n := 1; n > 0; {
		var err error
		n, err = f.dev.ReadBatch(f.batch(1), 0)
		require.NoError(t, err)
	}
	untilEmpty := func(timeout time.Duration) {
		for n := 1; n > 0; {
			var err error
			n, err = f.dev.ReadBatch(f.batch(1), timeout)
			require.NoError(t, err)
		}
	}
	untilEmpty(time.Millisecond)
	f.dev.Wake()
	untilEmpty(-1)

	result := make(chan error, 1)
	go func() { result <- readBatchesUntilError(f.dev, f.batch(1)) }()
	require.NoError(t, f.dev.Close())
	select {
	case err := <-result:
		require.ErrorIs(t, err, os.ErrClosed)
	case <-f.ctx.Done():
		require.Fail(t, "ReadBatch is still blocked after Close")
	}
	_, err := f.dev.WriteBatch([]tun.Packet{{Data: [][]byte{f.packet(nil)}}})
	require.ErrorIs(t, err, os.ErrClosed)
}

func readBatchesUntilError(dev tun.Device, ps []tun.Packet) error {
	for {
		if _, err := dev.ReadBatch(ps, -1); err != nil {
			return err
		}
	}
}
