package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"fivetuple/sim/record"
	"fivetuple/stack"
)

// This file is recording. All that comes from outside of a paced
// world passes enter, or is a packet that its device refuses: these inputs, each
// with the number of events that had run before it and the world's time, are
// enough to run the same world again, in virtual time.

// Record writes the inputs of the world's paced run to to. It is called before
// the run. What cannot be recorded makes the run fail: a function posted by
// [World.Post], and packets of a [RealHost].
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
	r := record.Input{Ran: w.loop.ran, Now: w.loop.now, Command: in.command}
	switch {
	case in.call != nil:
		w.callText = in.call.Append(w.callText[:0])
		r.Call, r.Net = w.callText, in.net
	case in.packets != nil:
		r.Line = w.lines[in.line].num
		for _, p := range in.packets {
			r.Packets = append(r.Packets, packetRecord(p))
		}
	case in.packet != nil:
		r.Packets, r.Line = []record.Packet{{Data: in.packet}}, in.dev.num
	case in.take:
		r.Taken = true
	case in.command == nil:
		w.Fail(errors.New("a function that was posted into the world cannot be recorded: World.Command can, and calls of a Host.Net"))
		return
	}
	w.write(r)
}

// write appends to the recording. One that cannot be written ends the run.
func (w *World) write(r record.Input) {
	if r.Line < 0 {
		w.Fail(errors.New("packets of a real host cannot be recorded"))
		return
	}
	if err := w.rec.Input(r); err != nil {
		w.Fail(fmt.Errorf("recording: %w", err))
		w.rec = nil
	}
}

// notePause records that a run has come to its limit or its end: where that is
// depends on the wall clock.
func (w *World) notePause() {
	if w.rec == nil {
		return
	}
	r := record.Input{Ran: w.loop.ran, Now: w.loop.now, Pause: record.Paused}
	if w.ended {
		r.Pause = record.PausedForGood
	}
	w.write(r)
}

// noteLost records that the device refused packets: what the world does next
// depends on it.
func (d *Device) noteLost(n int, why error) {
	w := d.w
	if w.rec == nil {
		return
	}
	w.write(record.Input{Ran: w.loop.ran, Now: w.loop.now, Line: d.num, Lost: n, Why: why.Error()})
}

// sightings is what an observer has seen at one instant.
type sightings struct {
	Host    string   `json:"host"`
	Held    bool     `json:"held,omitempty"` // until the packets arrive that are the next input
	Reports []report `json:"reports"`
	device  int      // by which the packets arrive
}

// noteSeen records what an observer has seen: it is in the trace.
func (w *World) noteSeen(s sightings) {
	if w.rec == nil {
		return
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = w.rec.Input(record.Input{Ran: w.loop.ran, Now: w.loop.now, Line: s.device, Seen: text})
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
