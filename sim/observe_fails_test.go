package sim_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
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
