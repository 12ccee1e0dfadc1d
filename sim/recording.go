package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fivetuple/sim/record"
	"fivetuple/stack"
)

// This file is recording and replay. All that comes from outside of a paced
// world passes enter, or is a packet that its device refuses: these inputs, each
// with the number of events that had run before it and the world's time, are
// enough to run the same world again, in virtual time.

// Record writes the inputs of the world's paced run to to. It is called before
// the run. What cannot be recorded makes the run fail: a call posted by
// [World.Post], or by code that uses a [Host.Net].
func (w *World) Record(to *record.Writer) { w.rec = to }

// HandleCommands says who carries out the commands of [World.Command], when
// they come and when they are replayed.
func (w *World) HandleCommands(f func(command []byte) error) { w.handle = f }

// Command hands a command to the handler, as an input of the run: unlike what is
// posted, it can be recorded. It returns the handler's error.
func (w *World) Command(ctx context.Context, command []byte, over <-chan struct{}) error {
	done := make(chan error, 1)
	in := input{command: command, any: true, f: func() { done <- w.handle(command) }}
	if ctx.Err() != nil || !w.post(ctx.Done(), in) {
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-over:
		return errors.New("the run has ended")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Look posts f, which looks at the world and changes nothing in it: it is no
// input, and is not recorded. The world's time is that of the last thing that
// happened.
func (w *World) Look(ctx context.Context, f func()) bool {
	if ctx.Err() != nil {
		return false
	}
	return w.post(ctx.Done(), input{f: f, look: true})
}

// note records an input that is about to be let in.
func (w *World) note(in *input) {
	if w.rec == nil {
		return
	}
	r := record.Input{Ran: w.loop.ran, Now: w.loop.now, Line: in.line, Command: in.command}
	switch {
	case in.packets != nil:
		for _, p := range in.packets {
			r.Packets = append(r.Packets, packetRecord(p))
		}
	case in.packet != nil:
		r.Packets = []record.Packet{{Data: in.packet}}
	case in.command == nil:
		w.Fail(errors.New("a call from outside of the world cannot be recorded"))
		return
	}
	if err := w.rec.Input(r); err != nil {
		w.Fail(fmt.Errorf("recording: %w", err))
		w.rec = nil
	}
}

// noteLost records that the device refused packets: what the world does next
// depends on it.
func (d *Device) noteLost(n int, why error) {
	w := d.w
	if w.rec == nil {
		return
	}
	if err := w.rec.Input(record.Input{Ran: w.loop.ran, Now: w.loop.now, Line: d.line, Lost: n, Why: why.Error()}); err != nil {
		w.Fail(fmt.Errorf("recording: %w", err))
		w.rec = nil
	}
}

// sightings is what an observer has seen at one instant.
type sightings struct {
	Host    string   `json:"host"`
	Held    bool     `json:"held,omitempty"` // until the packets arrive that are the next input
	Reports []report `json:"reports"`
	line    int      // by which the packets arrive
}

// noteSeen records what an observer has seen: it is in the trace.
func (w *World) noteSeen(s sightings) {
	if w.rec == nil {
		return
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = w.rec.Input(record.Input{Ran: w.loop.ran, Now: w.loop.now, Line: s.line, Seen: text})
	}
	if err != nil {
		w.Fail(fmt.Errorf("recording: %w", err))
		w.rec = nil
	}
}

// replaySeen puts into the trace what an observer saw when it was recorded.
func (w *World) replaySeen(dev *Device, text []byte) error {
	var s sightings
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("what %s saw cannot be read: %w", dev.cfg.Peer, err)
	}
	if s.Held {
		dev.held = s.Reports
		return nil
	}
	for i := range s.Reports {
		w.emitReport(s.Host, &s.Reports[i])
	}
	return nil
}

// packetRecord is a packet as a recording has it.
func packetRecord(p stack.Packet) record.Packet {
	var r record.Packet
	if o := p.Offload(); o != (stack.Offload{}) {
		r.Meta, _ = json.Marshal(o) // a struct of numbers
	}
	for _, b := range p.AppendSlices(nil) {
		r.Data = append(r.Data, b...)
	}
	return r
}

// packetOf is the inverse of packetRecord.
func packetOf(r record.Packet) (stack.Packet, error) {
	var o stack.Offload
	if r.Meta != nil {
		if err := json.Unmarshal(r.Meta, &o); err != nil {
			return stack.Packet{}, err
		}
	}
	return stack.NewOffloadPacket(r.Data, o), nil
}

// Replay runs a recording: this world must have been built as the recorded one
// was, with the same devices in the same order. It returns how the recorded run ended, or
// [record.ErrCut] if the recording ends before that: the world is at the last
// input then. Any other error is a recording that does not fit this world.
func (w *World) Replay(ctx context.Context, r *record.Reader, devs ...*Device) (*record.End, error) {
	if err := w.settleAddresses(); err != nil {
		return nil, err
	}
	w.resumeReady()
	in, end, err := nextInput(r, devs)
	for n := 1; ; n++ {
		if err != nil {
			return nil, err
		}
		if end != nil {
			return end, w.reach(ctx, n, end.Ran, end.Now)
		}
		now := in
		in, end, err = nextInput(r, devs) // what is lost on the way has to be known before
		if err := w.reach(ctx, n, now.Ran, now.Now); err != nil {
			return nil, err
		}
		if err := w.replayInput(devs[now.Line], now); err != nil {
			return nil, fmt.Errorf("input %d: %w", n, err)
		}
		if len(w.failed) > 0 {
			return nil, errors.Join(w.failed...)
		}
	}
}

// nextInput reads the next input that comes from outside, or the end. What a
// device is going to refuse before that is remembered.
func nextInput(r *record.Reader, devs []*Device) (*record.Input, *record.End, error) {
	for {
		in, end, err := r.Next()
		if err != nil || end != nil {
			return in, end, err
		}
		if in.Line >= len(devs) {
			return nil, nil, fmt.Errorf("an input is of device %d, and there are %d: this is not what was recorded", in.Line+1, len(devs))
		}
		if in.Lost == 0 {
			return in, nil, nil
		}
		d := devs[in.Line]
		d.refuse = append(d.refuse, *in)
	}
}

// refused reports what the device refused here when it was recorded.
func (d *Device) refused() (n int, why error) {
	if len(d.refuse) == 0 || d.refuse[0].Ran != d.w.loop.ran || d.refuse[0].Now != d.w.loop.now {
		return 0, nil
	}
	n, why = d.refuse[0].Lost, errors.New(d.refuse[0].Why)
	d.refuse = d.refuse[1:]
	return n, why
}

// reach runs the events before an input.
func (w *World) reach(ctx context.Context, n int, ran uint64, now time.Duration) error {
	for w.loop.ran < ran {
		if w.loop.ran&0xfff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !w.Step() {
			return fmt.Errorf("input %d: the replay has come to rest after %d events, where the recording has %d: this is not what was recorded", n, w.loop.ran, ran)
		}
	}
	if w.loop.ran > ran || w.loop.now > now {
		return fmt.Errorf("input %d: the replay is at event %d, %v, where the recording is at event %d, %v: this is not what was recorded", n, w.loop.ran, w.loop.now, ran, now)
	}
	w.loop.now = now
	return nil
}

// replayInput lets a recorded input in, as enter did.
func (w *World) replayInput(dev *Device, r *record.Input) error {
	in := input{command: r.Command, any: true}
	switch {
	case r.Seen != nil:
		return w.replaySeen(dev, r.Seen)
	case r.Command != nil:
		in.f = func() { _ = w.handle(r.Command) } // its error was somebody's answer
	case dev.cfg.Port != nil:
		for _, p := range r.Packets {
			pkt, err := packetOf(p)
			if err != nil {
				return err
			}
			in.packets, in.line = append(in.packets, pkt), r.Line
		}
	default:
		in.any = false
		in.f = func() {
			for _, p := range r.Packets {
				dev.Inject(p.Data)
			}
		}
	}
	w.admit(in)
	return nil
}
