package tun_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// TestFallback: what the kernel lacks is announced, and the next mode carries packets.
func TestFallback(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, c := range []struct {
		name     string
		lacks    []tun.Mode
		notices  []string
		offloads bool
	}{
		{"nothing", nil, nil, true},
		{"offload", []tun.Mode{tun.Vnet}, []string{"no device mode offload: the kernel does not support this (offload)"}, false},
		{"offload and raw", []tun.Mode{tun.Vnet, tun.Raw}, []string{
			"no device mode offload: the kernel does not support this (offload)",
			"no device mode raw: the kernel does not support this (raw)",
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun.WithoutModes(t.Cleanup, c.lacks...)
			var notices []string
			dev := open(t, tun.Config{Name: "ft0", Offload: true, Notice: func(s string) { notices = append(notices, s) }})
			require.Equal(t, c.notices, notices)
			require.Equal(t, c.offloads, dev.Offloads())
			peer := configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
			require.NoError(t, peer.Send([]byte("hello")))
			payload, err := readUDP(dev)
			require.NoError(t, err)
			require.Equal(t, "hello", string(payload))
		})
	}
	t.Run("a mode that was asked for is not replaced", func(t *testing.T) {
		tun.WithoutModes(t.Cleanup, tun.Vnet)
		_, err := tun.Open(tun.Config{Name: "ft0", Mode: tun.Vnet})
		require.EqualError(t, err, "open device ft0: the kernel does not support this (offload): use another mode")
		require.False(t, exists(t, "ft0"))
	})
}

// TestOpenChecksum: with offloads on, the kernel leaves the checksum of TCP to us, and says where it is.
func TestOpenChecksum(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dev := open(t, tun.Config{Name: "ft0", Offload: true})
	configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
	ctx, cancel := context.WithCancel(t.Context())
	dialed := make(chan struct{})
	go func() { // a SYN is the TCP packet that nobody has to answer
		defer close(dialed)
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", "10.77.0.2:7"); err == nil {
			c.Close()
		}
	}()
	defer func() { cancel(); <-dialed }()
	ps := []tun.Packet{{Data: [][]byte{make([]byte, 10), make([]byte, tun.MaxSuper)}}}
	for {
		n, err := dev.ReadBatch(ps, -1)
		require.NoError(t, err)
		if n == 0 || ps[0].Data[0][0]>>4 != 4 || ps[0].Data[0][9] != 6 {
			continue
		}
		require.True(t, ps[0].NeedsChecksum)
		require.Equal(t, [2]uint16{20, 16}, [2]uint16{ps[0].ChecksumStart, ps[0].ChecksumOffset})
		require.Equal(t, tun.SegmentNone, ps[0].Segments)
		require.Equal(t, 60, ps[0].Len)
		return
	}
}
