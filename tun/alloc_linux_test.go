//go:build !race

package tun_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// The race detector has allocations of its own.

// TestBatchAllocates: reading and writing a packet allocates nothing. Waiting is part of it, without a packet: Wake ends it.
func TestBatchAllocates(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev := open(t, tun.Config{Name: "ft0", Offload: true, BusyPoll: tun.MaxBusyPoll})
	peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
	require.NoError(t, peer.Send([]byte("hello")))
	in := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper)}}}
	n, err := dev.ReadBatch(in, -1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	out := []tun.Packet{{Data: [][]byte{in[0].Data[0][:in[0].Len]}}} // which Linux drops: it is its own
	var failed error
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, werr := dev.WriteBatch(out)
		dev.Wake()
		_, rerr := dev.ReadBatch(in, -1)
		failed = errors.Join(failed, werr, rerr)
	}))
	require.NoError(t, failed)
}
