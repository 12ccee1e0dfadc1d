package tun_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// TestAwait: of two devices, the one with a packet ends the wait, whichever it is; so does Wake of either; and what
// waits for one packet has not taken it.
func TestAwait(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	a, b := open(t, tun.Config{Name: "ft0", Mode: tun.Raw}), open(t, tun.Config{Name: "ft1", Mode: tun.Vnet})
	peers := []*kernelPeer{configure(t, a, "10.77.0.1/24", "10.77.0.2:7000"), configure(t, b, "10.78.0.1/24", "10.78.0.2:7000")}
	devs := []tun.Device{a, b}
	for n, peer := range peers {
		require.NoError(t, peer.Send([]byte("hello")))
		require.NoError(t, tun.Await(devs, -1), "without it, the test would not end")
		payload, err := readUDP(devs[n])
		require.NoError(t, err)
		require.Equal(t, "hello", string(payload))
	}
	ps := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper)}}}
	for _, dev := range devs { // what the kernel says of its own accord
		for n, err := dev.ReadBatch(ps, 0); n > 0; n, err = dev.ReadBatch(ps, 0) {
			require.NoError(t, err)
		}
		dev.Wake()
		require.NoError(t, tun.Await(devs, -1))
	}
	w := open(t, tun.Config{Name: "ft2", Mode: tun.Water})
	err := tun.Await([]tun.Device{a, w}, 0)
	require.True(t, errors.Is(err, errors.ErrUnsupported))
	require.EqualError(t, err, "device ft2 cannot be waited for beside others: use a device of mode offload or raw")
}

// TestBusyPoll: a device that asks before it sleeps gets its packets, and Wake and the timeout end its waits, while it asks and while
// it sleeps. Each would otherwise last for ever, or fail.
func TestBusyPoll(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev := open(t, tun.Config{Name: "ft0", BusyPoll: tun.MaxBusyPoll})
	peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
	ps := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper)}}}
	for range 3 {
		require.NoError(t, peer.Send([]byte("hello")))
		payload, err := readUDP(dev)
		require.NoError(t, err)
		require.Equal(t, "hello", string(payload))
		woken := make(chan struct{})
		go func() { // while it asks, as far as it can be told
			dev.Wake()
			close(woken)
		}()
		_, err = dev.ReadBatch(ps, -1)
		require.NoError(t, err)
		<-woken
		_, err = dev.ReadBatch(ps, 2*tun.MaxBusyPoll)
		require.NoError(t, err)
	}
}
