package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"
	"fivetuple/trace/ladder"

	"github.com/spf13/cobra"
)

// liveConfig is what a live run's world is built from: the part of `up`'s
// command line that a recording has to have.
type liveConfig struct {
	Host       string         `json:"host"`
	Addrs      []netip.Prefix `json:"addrs"`
	HostAddrs  []netip.Prefix `json:"host_addrs"`
	Device     string         `json:"device"`
	MTU        int            `json:"mtu"`
	Port       bool           `json:"port"`    // the loop reads the device itself
	Offload    bool           `json:"offload"` // with super-packets
	Ethernet   bool           `json:"ethernet,omitempty"`
	Peer       string         `json:"peer,omitempty"` // who is behind the device; default linux
	Also       []liveDevice   `json:"also,omitempty"` // more devices
	Forward    bool           `json:"forward,omitempty"`
	Congestion string         `json:"congestion,omitempty"`
	Serve      []string       `json:"serve,omitempty"`
	Out        string         `json:"out,omitempty"` // impairments towards Linux, in netem's words
	In         string         `json:"in,omitempty"`  // and towards the stack
	Gateway    bool           `json:"-"`             // it cannot be recorded
}

// build makes the world's one host and its devices. The outside of the devices is
// in dc.
func (c *liveConfig) build(w *sim.World, dc sim.DeviceConfig) (*sim.Host, []*sim.Device, error) {
	addrs := slices.Clone(c.Addrs)
	for _, a := range c.Also {
		addrs = append(addrs, a.Addrs...)
	}
	h, err := w.AddHost(sim.HostConfig{Name: c.Host, Addrs: addrs, Forwarding: c.Forward, Gateway: c.Gateway, TCP: stack.TCPConfig{Congestion: c.Congestion}})
	if err != nil {
		return nil, nil, err
	}
	dc.Name, dc.MTU, dc.Offload, dc.Ethernet = c.Device, c.MTU, c.Offload, c.Ethernet
	for _, a := range c.HostAddrs {
		dc.Gateways = append(dc.Gateways, a.Addr())
	}
	if dc.Out, err = netem.Parse(c.Out); err != nil {
		return nil, nil, err
	}
	if dc.In, err = netem.Parse(c.In); err != nil {
		return nil, nil, err
	}
	dc.Peer, dc.Addrs = c.peerName(), c.Addrs
	d, err := h.AttachDevice(dc)
	if err != nil {
		return nil, nil, err
	}
	more, err := c.attachAlso(h, dc)
	w.HandleCommands(func(text []byte) error { return carryOut(w, text) })
	return h, append([]*sim.Device{d}, more...), err
}

// carryOut does what a recorded command says: an array of words.
func carryOut(w *sim.World, text []byte) error {
	var args []string
	if err := json.Unmarshal(text, &args); err != nil || len(args) < 2 {
		return fmt.Errorf("command %q: unknown", text)
	}
	switch args[0] {
	case "link":
		return setLink(w, args[1:])
	case "mark":
		w.Bus().Emit(trace.Origin{}, &trace.Mark{Text: strings.Join(args[1:], " ")})
		return nil
	}
	return fmt.Errorf("command %q: unknown", args[0])
}

// recorder writes the recording of a live run, and the digest of its trace.
type recorder struct {
	w   *record.Writer
	dig *digest
}

// digest is a sink that hashes the trace as JSONL has it.
type digest struct {
	*jsonl.Writer
	sum    hash.Hash
	events uint64
}

func newDigest(w *sim.World) *digest {
	d := &digest{sum: sha256.New()}
	d.Writer = jsonl.New(d.sum, jsonl.Config{Seed: w.Seed(), Epoch: w.Epoch()})
	return d
}

// Event implements [trace.Sink].
func (d *digest) Event(e *trace.Event) error {
	d.events++
	return d.Writer.Event(e)
}

// end is how the world is now.
func (d *digest) end(w *sim.World, reason string) (record.End, error) {
	err := d.Flush()
	e := record.End{Ran: w.Events(), Now: w.Now(), Reason: reason, Events: d.events}
	d.sum.Sum(e.Digest[:0])
	return e, err
}

// newRecorder begins a recording of a world that has not run yet.
func newRecorder(f io.Writer, w *sim.World, c liveConfig) (*recorder, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	out, err := record.NewWriter(f, record.Header{Tool: "fivetuple", GVisor: netstackVersion(), Seed: w.Seed(), Epoch: w.Epoch(), Config: text})
	if err != nil {
		return nil, err
	}
	r := &recorder{w: out, dig: newDigest(w)}
	w.Bus().Attach(r.dig)
	w.Record(out)
	return r, nil
}

// end writes how the run ended.
func (r *recorder) end(w *sim.World, reason string) error {
	w.Bus().Detach(r.dig)
	w.Record(nil)
	e, err := r.dig.end(w, reason)
	return errors.Join(err, r.w.End(e))
}

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
		Short: "run a recording of `fivetuple up --record` again, in virtual time",
		Long: `Run a recording of ` + "`fivetuple up --record`" + ` again, in virtual time: the same packets
arrive at the same instants of the world, and everything that followed from them
follows again, with all outputs. It needs no root and no device.

At its end the trace is compared with the recorded run's: they are the same to
the byte, or the status is 1. A recording whose run was killed has no end; it is
replayed up to its last input, which is said, and there is nothing to compare.

Exit status: 0 if the trace is the same, or the recording was cut off; 1 if it
differs; 2 if the file cannot be read or was changed.`,
		Example: `  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --serve echo --record live.ft
  fivetuple replay live.ft
  fivetuple replay live.ft --check
  fivetuple replay live.ft --pcap live.pcapng --jsonl live.jsonl`,
		Args: exactly(1, "a recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.quiet = o.quiet || check
			return replay(cmd, args[0], &o)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "compare the trace, and show nothing else")
	return cmd
}

// replay runs a recording.
func replay(cmd *cobra.Command, path string, o *outputs) error {
	if err := o.check(); err != nil {
		return err
	}
	f, r, err := openRecording(path)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	o.protect("the recording", path)
	var c liveConfig
	if err := json.Unmarshal(r.Header.Config, &c); err != nil {
		return usagef("%s: its configuration cannot be read: %w", path, err)
	}
	if here := netstackVersion(); r.Header.GVisor != here {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: recorded with netstack %s, replayed with %s: the trace may differ\n", r.Header.GVisor, here)
	}
	w := sim.New(sim.Config{Seed: r.Header.Seed, Epoch: r.Header.Epoch})
	defer w.Close()
	end, dig, replayErr := c.replay(cmd, w, r, o, path)
	sinks := w.Bus().Close()
	return errors.Join(judge(cmd.ErrOrStderr(), path, w, end, dig, replayErr), o.close(sinks))
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

// replay builds the world with its outputs, and runs the recording.
func (c *liveConfig) replay(cmd *cobra.Command, w *sim.World, r *record.Reader, o *outputs, path string) (*record.End, *digest, error) {
	dc := sim.DeviceConfig{Write: func([]byte) error { return nil }}
	if c.Port {
		dc = sim.DeviceConfig{Port: replayPort{}}
	}
	h, devs, err := c.build(w, dc)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	dig := newDigest(w)
	w.Bus().Attach(dig)
	if err := o.open("replay of "+path, w.Seed(), w.Epoch()); err != nil {
		return nil, nil, err
	}
	for _, s := range o.sinks {
		w.Bus().Attach(s)
	}
	text, err := o.ladderWriter(cmd.OutOrStdout())
	if err != nil {
		return nil, nil, err
	}
	var lad *ladder.Ladder
	if text != nil {
		lad = o.newLadder(text, w, "up", "", true, c.peers()...)
		w.Bus().Attach(lad)
	}
	if err := c.serve(w, h); err != nil {
		return nil, nil, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	w.At(0, func() {}) // `up` says then that it is ready
	end, err := w.Replay(cmd.Context(), r, devs...)
	w.Bus().Detach(dig)
	if err == nil {
		w.Hangup() // as `up` does at its end
	}
	if lad != nil {
		_ = lad.Flush() // its error is reported when it is closed
		fmt.Fprintf(text, "\n%s\n", lad.Footer())
	}
	return end, dig, err
}

// serve starts the services.
func (c *liveConfig) serve(w *sim.World, h *sim.Host) error {
	for _, name := range c.Serve {
		i := slices.IndexFunc(services, func(s service) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("there is no service %q here", name)
		}
		services[i].spawn(h, w.Epoch())
	}
	return nil
}

// judge says what came of a replay.
func judge(w io.Writer, path string, world *sim.World, end *record.End, dig *digest, err error) error {
	var corrupt *record.CorruptError
	switch {
	case errors.As(err, &corrupt):
		return usageError{fmt.Errorf("%s: %w", path, err)}
	case errors.Is(err, record.ErrCut):
		fmt.Fprintf(w, "replay: %s: %d events up to %s; %v\n", path, dig.events, world.Now().Round(time.Millisecond), record.ErrCut)
		return nil
	case err != nil || end == nil:
		return err
	}
	got, err := dig.end(world, end.Reason)
	if err != nil {
		return err
	}
	if got.Digest != end.Digest || got.Events != end.Events {
		return fmt.Errorf("%s: the trace differs: %d events, SHA-256 %x; recorded were %d, %x", path, got.Events, got.Digest[:8], end.Events, end.Digest[:8])
	}
	fmt.Fprintf(w, "replay: %s: the same, %d events in %s, SHA-256 %x; it ended: %s\n", path, got.Events, end.Now.Round(time.Millisecond), got.Digest[:8], end.Reason)
	return nil
}
