package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"
	"fivetuple/sim"
	"fivetuple/stack"
	"fivetuple/trace/ladder"

	"github.com/spf13/cobra"
)

// runPktFile runs a packetdrill script of a file, or a built-in one.
func runPktFile(cmd *cobra.Command, path string, b bounds, o *outputs, recording string) error {
	src, err := readPkt(path)
	if builtIn, e := scenarios.PktSource(path); errors.Is(err, fs.ErrNotExist) && e == nil {
		src, err = builtIn, nil
	}
	if err != nil {
		return usageError{namedError(path, err)}
	}
	script, err := packetdrill.Parse(path, src, nil)
	if err != nil {
		return usageError{err}
	}
	o.protect("the script", path)
	w, err := recordRun(cmd.Context(), o, recording, kindPkt, source{path, src}, b)
	if err != nil {
		return err
	}
	return errors.Join(runPkt(cmd, script, b, o, w))
}

// runPkt runs one packetdrill script with all outputs of `fivetuple run`, which
// it closes. Errors of the run and of the outputs are apart.
func runPkt(cmd *cobra.Command, script *packetdrill.Script, b bounds, o *outputs, wit *witness) (runErr, outErr error) {
	name := strings.TrimSuffix(filepath.Base(script.File), pktExtension)
	if err := o.open(name, b.seed, stack.Epoch); err != nil {
		return nil, err
	}
	text, err := o.ladderWriter(cmd.OutOrStdout())
	if err != nil {
		return nil, err
	}
	sinks := o.sinks
	if wit != nil {
		sinks = append(sinks, wit.dig)
	}
	var lad *ladder.Ladder
	res := packetdrill.Run(cmd.Context(), script, packetdrill.Config{
		Seed: b.seed, MaxEvents: b.maxEvents, Sinks: sinks,
		Started: func(w *sim.World, remote netip.Addr) {
			if text != nil {
				lad = o.newLadder(text, w, name, "", false, ladder.Host{Name: packetdrill.PeerName, Addrs: []netip.Addr{remote}})
				w.Bus().Attach(lad)
			}
		},
	})
	if res.Problem != nil {
		runErr = fmt.Errorf("%s: %w", res.Verdict, res.Problem)
		if res.World == nil {
			runErr = usageError{runErr}
		}
	}
	witErr := wit.end(res.World, runErr)
	var sinkErr error
	if res.World != nil {
		sinkErr = res.World.Bus().Close()
		res.World.Close()
	}
	if lad != nil {
		fmt.Fprintf(text, "\n%s\n", lad.Footer())
	}
	if text != nil {
		fmt.Fprintf(text, "%s: %d of %d events\n", res.Verdict, res.Done, res.Events)
	}
	if err := context.Cause(cmd.Context()); err != nil {
		runErr = err
	}
	return runErr, errors.Join(witErr, o.close(sinkErr))
}
