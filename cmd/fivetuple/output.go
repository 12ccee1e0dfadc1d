package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	ascii, full, quiet, ss       bool

	files []openFile
	text  *bufio.Writer // of the ladder file
	sinks []trace.Sink
	dir   *pcapng.Dir                  // of --pcap-dir
	live  []interface{ Flush() error } // what a live run flushes now and then
}

// openFile is a file that no other output may use: the scenario's own among
// them. f is nil for that one.
type openFile struct {
	what string // "--pcap", "the scenario"
	info os.FileInfo
	f    *os.File
}

// dash is the file name that means standard output.
const dash = "-"

func (o *outputs) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.pcap, "pcap", "", "write every packet to this pcapng `file`, dropped ones marked")
	f.StringVar(&o.pcapDir, "pcap-dir", "", "write one pcapng file a host into this `folder`, as tcpdump there would see it")
	f.StringVar(&o.jsonl, "jsonl", "", "write every event to this `file`, one JSON object a line")
	f.StringVar(&o.ladder, "ladder", "", "write the ladder to this `file` too; a file \"-\" is standard output,\nwhere one of the three can go, then without the ladder of its own accord")
	f.BoolVar(&o.ascii, "ascii", false, "draw the ladder without UTF-8")
	f.BoolVar(&o.full, "full", false, "show every segment of a bulk transfer in the ladder")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not print the ladder")
}

// check refuses what can be seen to be wrong before a file is touched.
func (o *outputs) check() error {
	taken := ""
	for _, out := range []struct{ flag, path string }{{"--pcap", o.pcap}, {"--jsonl", o.jsonl}, {"--ladder", o.ladder}} {
		if out.path != dash {
			continue
		}
		if taken != "" {
			return usagef("%s and %s cannot both go to standard output: name a file for one", taken, out.flag)
		}
		taken = out.flag
	}
	if taken != "" {
		o.quiet = taken != "--ladder"
	}
	return nil
}

// observed reports whether somebody looks at packets.
func (o *outputs) observed() bool {
	return !o.quiet || o.pcap != "" || o.pcapDir != "" || o.jsonl != "" || o.ladder != ""
}

// protect keeps the outputs from replacing a file that the run reads.
func (o *outputs) protect(what, path string) {
	if info, err := os.Stat(path); err == nil {
		o.files = append(o.files, openFile{what: what, info: info})
	}
}

// open creates the files before anything runs, so that a wrong path costs
// nothing.
func (o *outputs) open(scenario string, seed uint64, epoch time.Time) error {
	if o.pcap != "" {
		f, err := o.create("--pcap", o.pcap)
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
			return fileError("--pcap-dir "+o.pcapDir, err)
		}
		o.dir, o.sinks, o.live = d, append(o.sinks, d), append(o.live, d)
	}
	if o.jsonl != "" {
		f, err := o.create("--jsonl", o.jsonl)
		if err != nil {
			return err
		}
		w := jsonl.New(f, jsonl.Config{Scenario: scenario, Seed: seed, Epoch: epoch})
		o.sinks, o.live = append(o.sinks, w), append(o.live, w)
	}
	return nil
}

// createCaptures makes the files of --pcap-dir for hosts now, and not when they have a
// packet.
func (o *outputs) createCaptures(hosts []ladder.Host) error {
	for _, h := range hosts {
		if o.dir == nil {
			return nil
		}
		if err := o.dir.Create(h.Name); err != nil {
			return fileError("--pcap-dir "+o.pcapDir, err)
		}
	}
	return nil
}

// create makes a file, unless that would destroy another one of this run.
func (o *outputs) create(flag, path string) (*os.File, error) {
	if path == dash {
		return os.Stdout, nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		for _, other := range o.files {
			if os.SameFile(info, other.info) {
				return nil, usagef("%s %s: that is the file of %s: choose another name", flag, path, other.what)
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fileError(flag+" "+path, err)
	}
	info, err := f.Stat()
	o.files = append(o.files, openFile{flag, info, f})
	return f, err
}

// ladderWriter is where the ladder goes: standard output, a file, or both.
func (o *outputs) ladderWriter(stdout io.Writer) (io.Writer, error) {
	var ws []io.Writer
	if !o.quiet {
		ws = append(ws, stdout)
	}
	if o.ladder != "" && o.ladder != dash {
		f, err := o.create("--ladder", o.ladder)
		if err != nil {
			return nil, err
		}
		o.text = bufio.NewWriter(namedWriter{f})
		o.live = append(o.live, o.text)
		ws = append(ws, o.text)
	}
	if len(ws) == 0 {
		return nil, nil
	}
	return io.MultiWriter(ws...), nil
}

// close flushes and closes everything. sinks is what the bus returned; each
// error is reported once.
func (o *outputs) close(sinks error) error {
	errs := leaves(sinks)
	if o.text != nil {
		errs = append(errs, o.text.Flush())
	}
	for _, out := range o.files {
		if out.f == nil {
			continue
		}
		if err := out.f.Close(); err != nil {
			errs = append(errs, namedError(out.f.Name(), err))
		}
	}
	said := make(map[string]bool) // the ladder's file fails as a sink and as a file
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		again := err == nil || said[err.Error()]
		if !again {
			said[err.Error()] = true
		}
		return again
	})...)
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
