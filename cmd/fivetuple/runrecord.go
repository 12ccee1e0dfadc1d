package main

import (
	"context"
	"errors"
	"fmt"

	"fivetuple/scenarios/packetdrill"
	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/stack"
)

// runConfig is a run in virtual time, in the header of its recording. There is
// nothing else in one but checksums and the end: no input comes from outside.
type runConfig struct {
	Kind      string `json:"kind"`
	Script    source `json:"script"`
	MaxEvents uint64 `json:"max_events"`
	MaxSteps  uint64 `json:"max_steps"`
}

// Kinds of runs, by their scripts. A live session has none.
const (
	kindStar = "star"
	kindPkt  = "pkt"
)

// witness is told all events of a run, and how it ended. The nil witness is not.
type witness struct {
	dig   *digest
	ended func(w *sim.World, err error) error
}

// end tells a witness how the run ended.
func (t *witness) end(w *sim.World, err error) error {
	if t == nil || w == nil {
		return nil
	}
	return t.ended(w, err)
}

// recordRun begins the recording of a run in virtual time; without a path there
// is none.
func recordRun(ctx context.Context, o *outputs, path, kind string, script source, b bounds) (*witness, error) {
	if path == "" {
		return nil, nil
	}
	f, err := createRecording(o, path)
	if err != nil {
		return nil, err
	}
	rec, err := newRecorder(f, b.seed, stack.Epoch, runConfig{kind, script, b.maxEvents, b.maxSteps})
	if err != nil {
		return nil, err
	}
	return &witness{rec.dig, func(w *sim.World, err error) error {
		if context.Cause(ctx) != nil { // where it was interrupted depends on the wall clock
			return rec.flush()
		}
		reason := "done"
		if err != nil {
			reason = err.Error()
		}
		return rec.end(w, reason)
	}}, nil
}

// run replays a run in virtual time.
func (p *playback) run(c *runConfig) error {
	in, end, readErr := p.r.Next()
	if in != nil {
		return usagef("%s: has inputs, as no run in virtual time has: it was changed", p.path)
	}
	if readErr != nil && !errors.Is(readErr, record.ErrCut) {
		return p.judge(record.End{}, nil, readErr)
	}
	var got record.End
	ran := false
	w := &witness{p.dig, func(w *sim.World, _ error) (err error) {
		ran = true
		got, err = p.dig.end(w, "")
		return err
	}}
	b := bounds{seed: p.r.Header.Seed, maxEvents: c.MaxEvents, maxSteps: c.MaxSteps}
	runErr, outErr := p.script(c, b, w)
	if !ran || context.Cause(p.cmd.Context()) != nil {
		return errors.Join(runErr, outErr)
	}
	return errors.Join(p.judge(got, end, readErr), outErr)
}

// script runs the script of a recording with all outputs.
func (p *playback) script(c *runConfig, b bounds, w *witness) (runErr, outErr error) {
	if c.Kind == kindStar {
		s, err := c.Script.parse()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		return runScenario(p.cmd, s, b, p.o, p.print, w)
	}
	s, err := packetdrill.Parse(c.Script.File, c.Script.Text, nil)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", p.path, err)}
	}
	return runPkt(p.cmd, s, b, p.o, w)
}
