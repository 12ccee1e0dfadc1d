package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fivetuple/gateway"
	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/stack"
	"fivetuple/trace/ladder"

	"github.com/spf13/cobra"
)

// replayPort is the outside of a device that is replayed: nothing leaves.
type replayPort struct{}

func (replayPort) Receive(ps []stack.Packet, _ time.Duration) ([]stack.Packet, int, error) {
	return ps, 0, nil
}
func (replayPort) Wake() {}
func (replayPort) Send(_ int, ps []stack.Packet) (int, error) {
	for _, p := range ps {
		p.Release()
	}
	return 0, nil
}

func replayCommand() *cobra.Command {
	var o outputs
	check := false
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "run a recording of `fivetuple up --record` or `run --record` again, in virtual time",
		Long: `Run a recording of ` + "`fivetuple up --record` or `fivetuple run --record`" + ` again, in
virtual time, with all outputs. Of a live session the same packets arrive, and the
same calls of other goroutines are made, at the same instants of the world, and
everything that followed from them follows again. A gateway hears what its sockets
were told then. A scenario is in its recording. It needs no root, no device, no
network, no directory of files and no script.

The trace is compared with the recorded run's: they are the same to the byte, or
the status is 1, and the first event that differs is shown. A recording whose run
was killed has no end; it is replayed up to its last input, which is said.

Exit status: 0 if the trace is the same, also of a run that had failed, or of a
recording that was cut off; 1 if it differs; 2 if the file cannot be read or was
changed.`,
		Example: `  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --files . --record live.ft
  fivetuple replay live.ft
  fivetuple replay live.ft --check
  fivetuple replay live.ft --pcap live.pcapng --jsonl live.jsonl
  fivetuple run ./mine.star --seed 3 --record mine.ft`,
		Args: exactly(1, "a recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.quiet = o.quiet || check
			return replay(cmd, args[0], &o, check)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "compare the trace, and show nothing else")
	return cmd
}

// playback is one replay.
type playback struct {
	cmd   *cobra.Command
	path  string
	r     *record.Reader
	o     *outputs
	print func(line string) // what a script prints
	dig   *digest
	same  *comparison
}

// replay runs a recording.
func replay(cmd *cobra.Command, path string, o *outputs, check bool) error {
	if err := o.check(); err != nil {
		return err
	}
	f, r, err := openRecording(path)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	o.protect("the recording", path)
	p := &playback{cmd: cmd, path: path, r: r, o: o, print: func(string) {}, dig: newDigest(r.Header.Seed, r.Header.Epoch), same: &comparison{r: r}}
	p.dig.lines = p.same
	if !check {
		p.print = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
	}
	if here := netstackVersion(); r.Header.GVisor != here {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: recorded with netstack %s, replayed with %s: the trace may differ\n", r.Header.GVisor, here)
	}
	var run runConfig
	var live liveConfig
	if err := errors.Join(json.Unmarshal(r.Header.Config, &run), json.Unmarshal(r.Header.Config, &live)); err != nil {
		return usagef("%s: its configuration cannot be read: %w", path, err)
	}
	switch run.Kind {
	case "":
		return p.live(&live)
	case kindStar, kindPkt:
		return p.run(&run)
	}
	return usagef("%s: is a recording of a %q, which this version cannot replay", path, run.Kind)
}

// openRecording opens a recording and reads its beginning. Its errors name the
// path, what is wrong with it and what to do.
func openRecording(path string) (*os.File, *record.Reader, error) {
	if isLiveName(path) {
		return nil, nil, fmt.Errorf("%s: is a live session: `fivetuple trace %s` shows it; replay takes the file of its --record", path, path)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, nil, fmt.Errorf("%s: is a folder: name a recording in it, a file that `fivetuple up --record FILE` has written", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, namedError(path, err)
	}
	r, err := record.NewReader(f)
	if err != nil {
		f.Close() // the first error is the one to report
		return nil, nil, namedError(path, err)
	}
	return f, r, nil
}

// live replays a live session.
func (p *playback) live(c *liveConfig) error {
	w := sim.New(sim.Config{Seed: p.r.Header.Seed, Epoch: p.r.Header.Epoch})
	defer w.Close()
	end, replayErr := p.runLive(w, c)
	got, err := p.dig.end(w, "")
	if err == nil {
		err = p.judge(got, end, replayErr)
	}
	return errors.Join(err, p.o.close(w.Bus().Close()))
}

// runLive builds the world with its outputs, and runs the recording.
func (p *playback) runLive(w *sim.World, c *liveConfig) (*record.End, error) {
	var script *star.Scenario
	title, claim := "up", ""
	if c.Script != nil {
		var err error
		if script, err = c.Script.parse(); err != nil {
			return nil, err
		}
		title, claim = script.Name, script.Claim
	}
	dc := sim.DeviceConfig{Write: func([]byte) error { return nil }}
	if c.Port {
		dc = sim.DeviceConfig{Port: replayPort{}}
	}
	h, devs, err := c.build(w, dc)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", p.path, err)}
	}
	w.Bus().Attach(p.dig)
	lad, text, err := p.observe(w, title, claim, c.peers())
	if err != nil {
		return nil, err
	}
	r := w.Replayer(p.r, devs...)
	if c.Gateway != nil {
		if err := serveGateway(w, h, gateway.NewReplayed(*c.Gateway, r)); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", p.path, err)}
		}
	}
	if err := c.serve(w, h); err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", p.path, err)}
	}
	if c.Files {
		h.Net(filesName)
	} else {
		w.At(0, func() {}) // `up` says then that it is ready
	}
	end, err := p.inputs(w, h, r, script)
	w.Bus().Detach(p.dig)
	if err == nil {
		w.Hangup() // as `up` does at its end
	}
	if lad != nil {
		_ = lad.Flush() // its error is reported when it is closed
		fmt.Fprintf(text, "\n%s\n", lad.Footer())
	}
	return end, err
}

// observe attaches the outputs. The ladder is nil if there is none.
func (p *playback) observe(w *sim.World, title, claim string, peers []ladder.Host) (*ladder.Ladder, io.Writer, error) {
	if err := p.o.open("replay of "+p.path, w.Seed(), w.Epoch()); err != nil {
		return nil, nil, err
	}
	for _, s := range p.o.sinks {
		w.Bus().Attach(s)
	}
	text, err := p.o.ladderWriter(p.cmd.OutOrStdout())
	if err != nil || text == nil {
		return nil, nil, err
	}
	lad := p.o.newLadder(text, w, title, claim, true, peers...)
	w.Bus().Attach(lad)
	return lad, text, nil
}

// inputs lets the inputs in, under the scenario if there is one. What ended the
// scenario is how the recorded run ended: its error is in the recording.
func (p *playback) inputs(w *sim.World, h *sim.Host, r *sim.Replayer, script *star.Scenario) (*record.End, error) {
	if script != nil {
		s := scripted{world: w, host: h, pace: func(ctx context.Context, _ sim.Limit) error { return r.Run(ctx) }}
		_, _ = script.Run(p.cmd.Context(), star.Config{Seed: w.Seed(), World: w, Run: s.run, Print: p.print})
	}
	end, err := r.End(p.cmd.Context())
	_, corrupt := errors.AsType[*record.CorruptError](err)
	if err == nil || corrupt || errors.Is(err, record.ErrCut) || p.cmd.Context().Err() != nil {
		return end, err
	}
	err = fmt.Errorf("%s: %w", p.path, err)
	if flushErr := p.dig.Flush(); flushErr != nil {
		return nil, errors.Join(err, flushErr)
	}
	p.same.readOn() // what differs first is why
	return nil, err
}

// judge says what came of a replay: got is its digest, err what went wrong.
func (p *playback) judge(got record.End, end *record.End, err error) error {
	p.same.compare() // with what was read last
	w := p.cmd.ErrOrStderr()
	var corrupt *record.CorruptError
	switch {
	case errors.As(err, &corrupt):
		return usageError{fmt.Errorf("%s: %w", p.path, err)}
	case p.same.first != nil:
		if errors.Is(err, record.ErrCut) {
			err = nil
		}
		return errors.Join(fmt.Errorf("%s: the trace differs, after %d events that are the same; the next one is here\n  %s", p.path, p.same.n, p.same.first), err)
	case errors.Is(err, record.ErrCut):
		fmt.Fprintf(w, "replay: %s: %d events up to %s, of which %d could be compared and are the same; %v\n", p.path, got.Events, got.Now.Round(time.Millisecond), p.same.n, record.ErrCut)
		return nil
	case err != nil || end == nil:
		return err
	case got.Digest != end.Digest || got.Events != end.Events:
		return fmt.Errorf("%s: the trace differs: %d events, SHA-256 %x; recorded were %d, %x", p.path, got.Events, got.Digest[:8], end.Events, end.Digest[:8])
	}
	fmt.Fprintf(w, "replay: %s: the same, %d events in %s, SHA-256 %x; it ended: %s\n", p.path, got.Events, end.Now.Round(time.Millisecond), got.Digest[:8], end.Reason)
	return nil
}
