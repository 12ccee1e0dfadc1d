package sim_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/stack"

	"github.com/stretchr/testify/require"
)

// recordInto starts a recording of w in file.
func recordInto(t *testing.T, w *sim.World, file *bytes.Buffer) *record.Writer {
	rec, err := record.NewWriter(file, record.Header{})
	require.NoError(t, err)
	if w != nil {
		w.Record(rec)
	}
	return rec
}

// replayCut replays what was recorded so far.
func replayCut(t *testing.T, w *sim.World, rec *record.Writer, file *bytes.Buffer, devs ...*sim.Device) error {
	require.NoError(t, rec.Flush())
	r, err := record.NewReader(file)
	require.NoError(t, err)
	_, err = w.Replay(t.Context(), r, devs...)
	return err
}

// TestReplayDevices: a packet comes in by the device by which it came, of several,
// and a device refuses what it refused.
func TestReplayDevices(t *testing.T) {
	build := func() (l *lab, devs []*sim.Device) {
		l = newLab(t, sim.Config{})
		h := l.host("h", "10.0.0.2/24")
		for _, name := range []string{"ft0", "ft1"} {
			d, err := h.AttachDevice(sim.DeviceConfig{Name: name, NoDefault: name == "ft0", Write: func([]byte) error {
				if len(l.trace.events)%2 == 0 {
					return context.Canceled
				}
				return nil
			}})
			require.NoError(t, err)
			devs = append(devs, d)
		}
		return l, devs
	}
	var file bytes.Buffer
	live, devs := build()
	rec := recordInto(t, live.World, &file)
	for _, n := range []int{1, 0, 1} {
		require.True(t, devs[n].Post(t.Context(), datagram(byte(n))))
	}
	require.NoError(t, live.RunPaced(t.Context(), sim.Until(2*ms)))
	again, devs := build()
	require.ErrorIs(t, replayCut(t, again.World, rec, &file, devs...), record.ErrCut)
	require.Contains(t, live.trace.jsonl(t), `"link":"ft1"`)
	require.Equal(t, live.trace.jsonl(t), again.trace.jsonl(t))
}

// TestRecordRealHost: a replay has no real host; its packets cannot be recorded, and
// that is said.
func TestRecordRealHost(t *testing.T) {
	var file bytes.Buffer
	l, _, real := realStation(t)
	recordInto(t, l.World, &file)
	dev := real.Interfaces()[0].Open(func([]byte) error { return nil })
	require.True(t, dev.Post(t.Context(), make([]byte, 60)))
	require.EqualError(t, l.RunPaced(t.Context(), sim.Until(2*ms)), "packets of a real host cannot be recorded")
}

// TestReplayUnfit: a recording that this world cannot have made ends with an error.
func TestReplayUnfit(t *testing.T) {
	for want, in := range map[string]record.Input{
		"input 1: nothing has come in: this is not what was recorded":                                                       {},
		"input 1: a command, and nobody here carries out commands: this is not what was recorded":                           {Command: []byte("x")},
		"an input is of device 3, and there are 0: this is not what was recorded":                                           {Line: 2, Packets: []record.Packet{{}}},
		"input 1: a posted call is for process 2 of 0":                                                                      {Net: 2, Call: []byte("{}")},
		"input 1: something has happened to sockets of the machine, and nobody here has any: this is not what was recorded": {Taken: true},
	} {
		var file bytes.Buffer
		rec := recordInto(t, nil, &file)
		require.NoError(t, rec.Input(in))
		require.EqualError(t, replayCut(t, sim.New(sim.Config{}), rec, &file), want)
	}
}

// fullPort is a port that takes nothing, and has nothing.
type fullPort struct{ quietPort }

func (fullPort) Send(_ int, ps []stack.Packet) (int, error) {
	return len(ps), errors.New("no buffer space")
}

// TestReplayFirstRefused: what a port refuses before any input comes is refused
// by the replay, too.
func TestReplayFirstRefused(t *testing.T) {
	build := func(port sim.Port) (*lab, *sim.Device) {
		l := newLab(t, sim.Config{})
		h := l.host("h", "10.0.0.2/24")
		d, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Port: port})
		require.NoError(t, err)
		serve(h, "shoot", shoot(t, "10.0.0.1:9", ms, "first", "second"))
		return l, d
	}
	var file bytes.Buffer
	live, _ := build(fullPort{})
	rec := recordInto(t, live.World, &file)
	require.NoError(t, live.RunPaced(t.Context(), sim.Until(5*ms)))
	again, d := build(quietPort{})
	require.ErrorIs(t, replayCut(t, again.World, rec, &file, d), record.ErrCut)
	require.Contains(t, live.trace.jsonl(t), "no buffer space")
	require.Equal(t, live.trace.jsonl(t), again.trace.jsonl(t))
}
