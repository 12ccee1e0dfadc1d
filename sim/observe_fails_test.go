package sim_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// once is a port with one batch to read.
type once struct {
	quietPort
	batch [][]byte
}

func (o *once) Receive(ps []stack.Packet, _ time.Duration) ([]stack.Packet, int, error) {
	for _, b := range o.batch {
		ps = append(ps, stack.NewPacket(b))
	}
	o.batch = nil
	return ps, 0, nil
}

// TestObserverFailsAmongMany: a kernel that ceases to answer while it is asked for
// several connections, of a batch or of a sweep, is said once, and asked no more.
func TestObserverFailsAmongMany(t *testing.T) {
	for name, answers := range map[string]int{"batch": 1, "sweep": 4} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			port := &once{}
			for n := range uint16(3) {
				port.batch = append(port.batch, segment(netip.AddrPortFrom(linuxAddr.Addr(), 5000+n), labAddr))
			}
			w, d := observedWorld(t, &out, port)
			asked := 0
			o := w.Observe("linux", kernelFunc(func(ft trace.FiveTuple) (s trace.Socket, ok bool, err error) {
				if asked++; asked > answers {
					return s, false, errors.New("permission denied")
				}
				return trace.Socket{FiveTuple: ft, State: trace.Established}, true, nil
			}))
			d.ObserveBy(o)
			o.Turn(true)
			require.True(t, o.Sweep(t.Context()))
			require.NoError(t, w.RunPaced(t.Context(), sim.Until(2*ms)))
			require.True(t, o.Sweep(t.Context()))
			require.NoError(t, w.RunPaced(t.Context(), sim.Until(4*ms)))
			require.NoError(t, w.Bus().Close())
			require.Equal(t, answers+1, asked)
			require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("not looked at any more")))
			require.False(t, o.On())
		})
	}
}

// inBatches is an otherSide whose packets are read all at once.
type inBatches struct{ *otherSide }

func (o inBatches) Receive(ps []stack.Packet, timeout time.Duration) ([]stack.Packet, int, error) {
	ps, line, err := o.otherSide.Receive(ps, timeout)
	for len(ps) > 0 && len(o.out) > 0 {
		ps, o.out = append(ps, stack.NewPacket(o.out[0])), o.out[1:]
	}
	return ps, line, err
}

// TestLookingChangesNothing: a world does the same whether somebody looks at its
// trace or not, also where packets are damaged: what was recorded with a trace is
// replayed without one.
func TestLookingChangesNothing(t *testing.T) {
	build := func(port sim.Port) (*sim.World, *sim.Device) {
		w := sim.New(sim.Config{Seed: 7})
		t.Cleanup(w.Close)
		h, err := w.AddHost(sim.HostConfig{Name: "lab", Addrs: prefixes("10.0.0.2/24")})
		require.NoError(t, err)
		d, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Port: port, In: netem.Config{Corrupt: 0.1}})
		require.NoError(t, err)
		serve(h, "echo", echo(t, labAddr.String()))
		return w, d
	}
	o := newOtherSide(t, func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0))
		require.NoError(t, p.Connect(s, labAddr))
		_, err := p.Send(s, make([]byte, 200_000), 0)
		p.Sleep(time.Hour)
		return err
	})
	live, _ := build(inBatches{o})
	live.Bus().Attach(&collector{})
	var file bytes.Buffer
	rec := recordInto(t, live, &file)
	require.NoError(t, live.RunPaced(t.Context(), sim.Until(50*ms)))
	again, d := build(quietPort{})
	require.ErrorIs(t, replayCut(t, again, rec, &file, d), record.ErrCut)
	require.NotZero(t, d.Link().Stats(sim.BA).Corrupted)
	require.Equal(t, live.Packets(), again.Packets())
}
