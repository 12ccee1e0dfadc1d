package sim_test

import (
	"bytes"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// recorded builds the world that TestReplay runs twice: a UDP echo behind a
// device, which refuses every third packet when refuse is set.
func recorded(t *testing.T, out *bytes.Buffer, refuse bool) (*sim.World, *sim.Device) {
	w := sim.New(sim.Config{Seed: 5, Epoch: time.Unix(0, 0).UTC()})
	t.Cleanup(w.Close)
	w.Bus().Attach(jsonl.New(out, jsonl.Config{Seed: 5, Epoch: w.Epoch()}))
	h, err := w.AddHost(sim.HostConfig{Name: "lab", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	require.NoError(t, err)
	n := 0
	d, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Write: func([]byte) error {
		if n++; refuse && n%3 == 0 {
			return errors.New("no buffer space")
		}
		return nil
	}})
	require.NoError(t, err)
	w.HandleCommands(func(text []byte) error {
		c, err := netem.Parse(string(text))
		if err != nil {
			return err
		}
		return errors.Join(d.Link().Impair(sim.AB, c), d.Link().Impair(sim.BA, c))
	})
	h.SpawnConfig(sim.SpawnConfig{Name: "echo", Daemon: true}, func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		if err := p.Bind(s, netip.MustParseAddrPort("10.0.0.2:7")); err != nil {
			return err
		}
		for {
			b, from, err := p.Recvfrom(s, 100, 0)
			if err != nil {
				return err
			}
			p.Sleep(time.Millisecond)
			if _, err := p.Sendto(s, b, 0, from); err != nil {
				return err
			}
		}
	})
	return w, d
}

// datagram is 10.0.0.1:9 > 10.0.0.2:7, one byte, without a UDP checksum.
func datagram(b byte) []byte {
	p := []byte{0x45, 0, 0, 29, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 7, 0, 9, 0, 0, b}
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(p[i])<<8 | uint32(p[i+1])
	}
	sum = sum&0xffff + sum>>16
	p[10], p[11] = byte(^sum>>8), byte(^sum)
	return p
}

// TestReplay: a paced run with packets, commands and refusals of its device, and
// its replay in virtual time, have the same trace, byte for byte. What looks at
// the world meanwhile leaves no mark.
func TestReplay(t *testing.T) {
	var live, again, file bytes.Buffer
	w, d := recorded(t, &live, true)
	rec, err := record.NewWriter(&file, record.Header{Seed: 5})
	require.NoError(t, err)
	w.Record(rec)
	ctx := t.Context()
	var posting sync.WaitGroup
	posting.Go(func() {
		for i := range 30 {
			d.Post(ctx, datagram(byte(i)))
			w.Look(ctx, func() {})
			if i == 10 {
				_ = w.Command(ctx, []byte("delay 2ms loss 30%"), nil)
			}
		}
	})
	require.NoError(t, w.RunPaced(ctx, sim.Until(150*time.Millisecond)))
	posting.Wait()
	w.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: w.Events(), Now: w.Now()}))
	require.NoError(t, w.Bus().Close())

	w2, d2 := recorded(t, &again, false)
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	end, err := w2.Replay(ctx, r, d2)
	require.NoError(t, err)
	require.Equal(t, w.Now(), end.Now)
	require.NoError(t, w2.Bus().Close())
	require.Contains(t, live.String(), "no buffer space")
	require.Contains(t, live.String(), "loss 30%")
	require.Equal(t, live.String(), again.String())
}

// TestRecordRefusesWhatItCannot: a call that somebody posts could do anything,
// and would be missing in the recording. The run fails instead.
func TestRecordRefusesWhatItCannot(t *testing.T) {
	var live, file bytes.Buffer
	w, _ := recorded(t, &live, false)
	rec, err := record.NewWriter(&file, record.Header{})
	require.NoError(t, err)
	w.Record(rec)
	go w.Post(t.Context(), func() {})
	require.ErrorContains(t, w.RunPaced(t.Context(), sim.Forever), "cannot be recorded")
}

// TestReplayOfAnotherWorld: a recording that does not fit is an error that says
// where, not a wrong trace.
func TestReplayOfAnotherWorld(t *testing.T) {
	var file, trace bytes.Buffer
	rec, err := record.NewWriter(&file, record.Header{})
	require.NoError(t, err)
	require.NoError(t, rec.Input(record.Input{Ran: 50, Now: time.Second, Packets: []record.Packet{{Data: datagram(1)}}}))
	require.NoError(t, rec.Flush())
	w, d := recorded(t, &trace, false)
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	_, err = w.Replay(t.Context(), r, d)
	require.ErrorContains(t, err, "input 1: the replay has come to rest after 0 events, where the recording has 50")
}

// TestReplayOfAnotherTime: an event that the recorded run cannot have had before
// an input is an error, and time does not go back.
func TestReplayOfAnotherTime(t *testing.T) {
	var file bytes.Buffer
	rec, err := record.NewWriter(&file, record.Header{})
	require.NoError(t, err)
	require.NoError(t, rec.Input(record.Input{Now: 2 * time.Second, Command: []byte("delay 2ms")}))
	require.NoError(t, rec.Input(record.Input{Ran: 1, Now: 3 * time.Second, Command: []byte("delay 2ms")}))
	require.NoError(t, rec.Flush())
	w, d := recorded(t, new(bytes.Buffer), false)
	w.At(time.Second, func() {})
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	_, err = w.Replay(t.Context(), r, d)
	require.EqualError(t, err, "input 1: the replay has an event at 1s, where the recording has none up to 2s: this is not what was recorded")
}
