package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fivetuple/sim"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"
	"fivetuple/trace/ladder"
	"fivetuple/trace/pcapng"

	"github.com/spf13/cobra"
)

// outputs are the observation flags: the same for everything that runs.
type outputs struct {
	pcap, pcapDir, jsonl, ladder string
	ascii, full, quiet           bool

	files []*os.File
	text  *bufio.Writer // of the ladder file
	sinks []trace.Sink
	live  []interface{ Flush() error } // what a live run flushes now and then
}

func (o *outputs) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.pcap, "pcap", "", "write every packet to this pcapng `file`, dropped ones marked")
	f.StringVar(&o.pcapDir, "pcap-dir", "", "write one pcapng file a host into this `folder`, as tcpdump there would see it")
	f.StringVar(&o.jsonl, "jsonl", "", "write every event to this `file`, one JSON object a line")
	f.StringVar(&o.ladder, "ladder", "", "write the ladder to this `file` too")
	f.BoolVar(&o.ascii, "ascii", false, "draw the ladder without UTF-8")
	f.BoolVar(&o.full, "full", false, "show every segment of a bulk transfer in the ladder")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not print the ladder")
}

// open creates the files before anything runs, so that a wrong path costs
// nothing.
func (o *outputs) open(scenario string, seed uint64, epoch time.Time) error {
	if o.pcap != "" {
		f, err := o.create("pcap", o.pcap)
		if err != nil {
			return err
		}
		w, err := pcapng.New(f, pcapng.Config{Epoch: epoch, Comment: fmt.Sprintf("fivetuple %s, seed %d", scenario, seed)})
		if err != nil {
			return err
		}
		o.sinks, o.live = append(o.sinks, w), append(o.live, w)
	}
	if o.pcapDir != "" {
		d, err := pcapng.NewDir(o.pcapDir, pcapng.Config{Epoch: epoch})
		if err != nil {
			return usagef("--pcap-dir: %w", err)
		}
		o.sinks, o.live = append(o.sinks, d), append(o.live, d)
	}
	if o.jsonl != "" {
		f, err := o.create("jsonl", o.jsonl)
		if err != nil {
			return err
		}
		w := jsonl.New(f, jsonl.Config{Scenario: scenario, Seed: seed, Epoch: epoch})
		o.sinks, o.live = append(o.sinks, w), append(o.live, w)
	}
	return nil
}

func (o *outputs) create(flag, path string) (*os.File, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, usagef("--%s: %w", flag, err)
	}
	o.files = append(o.files, f)
	return f, nil
}

// ladderWriter is where the ladder goes: standard output, a file, or both.
func (o *outputs) ladderWriter(stdout io.Writer) (io.Writer, error) {
	var ws []io.Writer
	if !o.quiet {
		ws = append(ws, stdout)
	}
	if o.ladder != "" && o.ladder != "-" {
		f, err := o.create("ladder", o.ladder)
		if err != nil {
			return nil, err
		}
		o.text = bufio.NewWriter(f)
		ws = append(ws, o.text)
	}
	if len(ws) == 0 {
		return nil, nil
	}
	return io.MultiWriter(ws...), nil
}

// close flushes and closes everything; the first error counts.
func (o *outputs) close(bus *trace.Bus) error {
	var errs []error
	if bus != nil {
		errs = append(errs, bus.Close())
	}
	if o.text != nil {
		errs = append(errs, o.text.Flush())
	}
	for _, f := range o.files {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// newLadder makes the ladder of a world whose hosts are known.
func (o *outputs) newLadder(w io.Writer, world *sim.World, title, claim string, paced bool, peers ...ladder.Host) *ladder.Ladder {
	cfg := ladder.Config{Title: title, Claim: claim, Seed: world.Seed(), Paced: paced, ASCII: o.ascii, Full: o.full}
	for _, h := range world.Hosts() {
		lane := ladder.Host{Name: h.Name()}
		for _, a := range h.Addrs() {
			lane.Addrs = append(lane.Addrs, a.Addr())
		}
		cfg.Hosts = append(cfg.Hosts, lane)
	}
	cfg.Hosts = append(cfg.Hosts, peers...)
	return ladder.New(w, cfg)
}
