package tun_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fivetuple/tun"
	"fivetuple/tun/tuntest"
)

// adopt opens a device, passes it on as another process would get it, by a
// descriptor of its own, and closes the one that had it first.
func adopt(t *testing.T, cfg tun.Config) tun.Device {
	t.Helper()
	dev, err := tun.Open(cfg)
	require.NoError(t, err)
	var got tun.Passed
	fd := -1
	require.NoError(t, tun.Pass(dev, func(n int, p tun.Passed) (err error) {
		got = p
		fd, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		return err
	}))
	adopted, err := tun.Adopt(fd, got)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, adopted.Close()) })
	require.Equal(t, [3]any{dev.Name(), dev.MTU(), dev.Offloads()}, [3]any{adopted.Name(), adopted.MTU(), adopted.Offloads()})
	require.Equal(t, dev.OffloadsUDP(), adopted.OffloadsUDP())
	if cfg.Offload { // its Close turns the offloads off
		t.Cleanup(func() { require.NoError(t, dev.Close()) })
	} else {
		require.NoError(t, dev.Close())
	}
	return adopted
}

// TestAdopt: a device that was passed on keeps the contract of all devices, after
// the one that was opened is closed.
func TestAdopt(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, mode := range []tun.Mode{tun.Vnet, tun.Raw} {
		t.Run(string(mode), func(t *testing.T) {
			tuntest.TestDevice(t, func(t *testing.T) (tun.Device, tuntest.Peer) {
				dev := adopt(t, tun.Config{Name: "ft0", Mode: mode})
				return dev, configure(t, dev, "10.77.0.1/24", "10.77.0.2:7000")
			})
		})
	}
	t.Run("offloads", func(t *testing.T) {
		require.True(t, adopt(t, tun.Config{Name: "ft1", Offload: true}).Offloads())
	})
	t.Run("water", func(t *testing.T) {
		dev := open(t, tun.Config{Name: "ft2", Mode: tun.Water})
		err := tun.Pass(dev, func(int, tun.Passed) error { return errors.New("called") })
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.EqualError(t, err, "device ft2 cannot be passed on: use a TUN device of mode offload or raw")
	})
}
