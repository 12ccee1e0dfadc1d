package sim_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/tun"
	"fivetuple/tun/tuntest"

	"github.com/stretchr/testify/require"
)

// pipePort is a port on one end of a pipe in memory.
type pipePort struct {
	tun.Device
	batches [][]int // the lengths of what was sent together
}

func (p *pipePort) Receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, int, error) {
	in := make([]tun.Packet, cap(ps))
	buffers := make([]stack.Buffer, len(in))
	for i := range in {
		in[i].Data = buffers[i].Slices()
	}
	n, err := p.ReadBatch(in, timeout)
	for i := range in[:n] {
		ps = append(ps, buffers[i].Packet(in[i].Len, stack.Offload{NeedsChecksum: in[i].NeedsChecksum}))
	}
	return ps, 0, err
}

func (p *pipePort) Send(_ int, ps []stack.Packet) (int, error) {
	var out []tun.Packet
	var lens []int
	for _, pkt := range ps {
		out, lens = append(out, tun.Packet{Data: [][]byte{pkt.Bytes()}}), append(lens, pkt.Len())
		pkt.Release()
	}
	p.batches = append(p.batches, lens)
	return p.WriteBatch(out)
}

// onPort is a world with a host at 10.0.0.2 whose device is a port.
func onPort(t *testing.T) (*lab, *sim.Host, *pipePort, tun.Device) {
	t.Helper()
	l := newLab(t, sim.Config{Seed: 7})
	h := l.host("h", "10.0.0.2/24")
	near, far := tun.Pipe("ft", 1500, 64)
	port := &pipePort{Device: near}
	_, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Port: port})
	require.NoError(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	return l, h, port, far
}

var linuxAddr, labAddr = netip.MustParseAddrPort("10.0.0.1:5000"), netip.MustParseAddrPort("10.0.0.2:7")

// TestPortBatch: what is there when the port is read arrives at one instant,
// and what is sent then leaves together; each answer has the question of its own
// flow as its cause.
func TestPortBatch(t *testing.T) {
	l, h, port, far := onPort(t)
	got := 0
	h.Spawn("echo", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		if err := errors.Join(err, p.Bind(s, labAddr)); err != nil {
			return err
		}
		for ; got < 3; got++ {
			b, from, err := p.Recvfrom(s, 100, 0)
			if err != nil {
				return err
			}
			if _, err := p.Sendto(s, b, 0, from); err != nil {
				return err
			}
		}
		return nil
	})
	for _, text := range []string{"a", "bb", "ccc"} {
		_, err := far.Write(tuntest.UDP(linuxAddr, labAddr, []byte(text)))
		require.NoError(t, err)
	}
	bad := tuntest.UDP(linuxAddr, labAddr, []byte("bad"))
	bad[len(bad)-1] ^= 1
	_, err := far.Write(bad)
	require.NoError(t, err)
	require.NoError(t, l.RunPaced(context.Background(), sim.UntilQuiet))
	require.Equal(t, [][]int{{29, 30, 31}}, port.batches)
	instants := map[time.Duration]int{}
	for _, p := range l.trace.packets(trace.Delivered) {
		if p.Peer == "linux" {
			instants[p.at]++
		}
	}
	require.Len(t, instants, 1)
	discarded := l.trace.packets(trace.Discarded)
	require.Len(t, discarded, 1)
	require.Equal(t, "bad checksum", discarded[0].Reason)
	require.Equal(t, uint64(1), h.Stack().ChecksumErrors())
}

// TestPortPost: a posted call ends the loop's wait for packets, and so does the
// end of the run.
func TestPortPost(t *testing.T) {
	l, _, _, _ := onPort(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.RunPaced(ctx, sim.Forever) }()
	for range 100 {
		ran := make(chan struct{})
		require.True(t, l.Post(ctx, func() { close(ran) }))
		<-ran
	}
	cancel()
	require.NoError(t, <-ended)
}

// TestPortEnds: a port that fails ends the run.
func TestPortEnds(t *testing.T) {
	l, _, _, far := onPort(t)
	far.Close()
	require.Error(t, l.RunPaced(context.Background(), sim.Forever))
}

// TestOnePort: a loop waits for one port; more devices are its lines.
func TestOnePort(t *testing.T) {
	_, h, port, _ := onPort(t)
	_, err := h.AttachDevice(sim.DeviceConfig{Name: "ft1", Port: &pipePort{}})
	require.EqualError(t, err, "device ft1: ft0 has another port, and the loop waits for one")
	_, err = h.AttachDevice(sim.DeviceConfig{Name: "ft1", Port: port})
	require.NoError(t, err)
}

// TestPortFirst: what a process sends when the run begins leaves then, and does
// not wait for an input or a timer.
func TestPortFirst(t *testing.T) {
	for name, run := range map[string]func(*lab) error{
		"paced":   func(l *lab) error { return l.RunPaced(t.Context(), sim.Until(5*ms)) },
		"virtual": func(l *lab) error { return l.Run(t.Context(), sim.Until(5*ms)) },
	} {
		l, h, port, _ := onPort(t)
		serve(h, "client", func(p *sockapi.Proc) error {
			return p.Connect(must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)), linuxAddr)
		})
		require.NoError(t, run(l))
		require.NotEmpty(t, port.batches, name)
	}
}

// busyPort always has a packet.
type busyPort struct{ quietPort }

func (busyPort) Receive(ps []stack.Packet, _ time.Duration) ([]stack.Packet, int, error) {
	return append(ps, stack.NewPacket(datagram(1))), 0, nil
}

// TestPortUntil: a run up to a time runs the events of that time, all of them,
// also when an input comes in between, by which the clock is beyond it.
func TestPortUntil(t *testing.T) {
	l := newLab(t, sim.Config{})
	_, err := l.host("h", "10.0.0.2/24").AttachDevice(sim.DeviceConfig{Name: "ft0", Port: busyPort{}})
	require.NoError(t, err)
	ran := 0
	for range 3 {
		l.At(2*ms, func() { ran++ })
	}
	require.NoError(t, l.RunPaced(t.Context(), sim.Until(2*ms)))
	require.Equal(t, 3, ran)
}
