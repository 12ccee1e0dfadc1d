package tun_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/tun"
)

// TestAwake: processors are kept awake from the second of two packets within 10 ms, and let go by the first wait that
// begins 10 ms after the last; until then waits end in time for that.
func TestAwake(t *testing.T) {
	var said []bool
	a := tun.NewAwake(func(on bool) { said = append(said, on) })
	const ms = time.Millisecond
	start := time.Now()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * ms) }
	a.Packet(at(0))
	a.Packet(at(10))
	require.Empty(t, said, "slow packets")
	require.Equal(t, -1*ms, a.Limit(at(11), -1*ms))
	a.Packet(at(19))
	a.Packet(at(20))
	require.Equal(t, []bool{true}, said)
	require.Equal(t, 8*ms, a.Limit(at(22), -1*ms))
	require.Equal(t, 8*ms, a.Limit(at(22), 9*ms))
	require.Equal(t, 7*ms, a.Limit(at(22), 7*ms))
	require.Equal(t, []bool{true}, said)
	require.Equal(t, 7*ms, a.Limit(at(30), 7*ms))
	require.Equal(t, []bool{true, false}, said)
	require.Equal(t, -1*ms, a.Limit(at(31), -1*ms))
	a.Packet(at(32))
	require.Equal(t, []bool{true, false}, said, "one packet")
	a.Packet(at(33))
	require.Equal(t, []bool{true, false, true}, said)
}

// TestAwakeDevices: two devices that are waited for together ask the kernel once, and once more when it is quiet, with
// the numbers of /dev/cpu_dma_latency. Without that the last wait would not end.
func TestAwakeDevices(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	file := filepath.Join(t.TempDir(), "latency")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	awake, err := tun.KeepAwakeWith(file, 3*time.Microsecond)
	require.NoError(t, err)
	a, b := open(t, tun.Config{Name: "ft0", Awake: awake}), open(t, tun.Config{Name: "ft1", Awake: awake, BusyPoll: time.Millisecond})
	peers := []*kernelPeer{configure(t, a, "10.77.0.1/24", "10.77.0.2:7000"), configure(t, b, "10.78.0.1/24", "10.78.0.2:7000")}
	asked := func() []byte {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return text
	}
	devs := []tun.Device{a, b}
	ps := []tun.Packet{{Data: [][]byte{make([]byte, tun.MaxSuper)}}}
	for n := 0; len(asked()) == 0; n++ { // as often as it takes to be quick
		require.Less(t, n, 1000)
		require.NoError(t, peers[n%2].Send([]byte("hello")))
		_, err := devs[n%2].ReadBatch(ps, -1)
		require.NoError(t, err)
	}
	require.Equal(t, []byte{3, 0, 0, 0}, asked())
	for n := 0; ; n++ {
		require.Less(t, n, 1000)
		require.NoError(t, tun.Await(devs, time.Second))
		if len(asked()) > 4 {
			break
		}
		for _, dev := range devs { // what the kernel says of its own accord
			_, err := dev.ReadBatch(ps, 0)
			require.NoError(t, err)
		}
	}
	require.Equal(t, []byte{3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, asked())
	require.NoError(t, awake.Close())
}

// TestKeepAwakeRefused: what cannot be asked for, or not by this user, says so.
func TestKeepAwakeRefused(t *testing.T) {
	_, err := tun.KeepAwake(2 * time.Second)
	require.EqualError(t, err, "processors that take 2s to wake: use 0 to 1s")
	_, err = tun.KeepAwakeWith(filepath.Join(t.TempDir(), "none"), 0)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "run as root, or do without")
}
