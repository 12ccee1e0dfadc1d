package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/stack"
	"fivetuple/trace/ladder"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

// bounds are the flags of what runs in virtual time.
type bounds struct{ seed, maxEvents, maxSteps uint64 }

func (b *bounds) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&b.seed, "seed", 1, "decides every random choice; the same seed gives the same bytes")
	cmd.Flags().Uint64Var(&b.maxEvents, "max-events", star.DefaultMaxEvents, "stop a world that is not quiet after `n` events")
	cmd.Flags().Uint64Var(&b.maxSteps, "max-steps", star.DefaultMaxSteps, "stop a script or process that has not ended after `n` steps of Starlark")
}

func runCommand() *cobra.Command {
	var o outputs
	var b bounds
	recording := ""
	cmd := &cobra.Command{
		Use:   "run NAME|FILE.star|FILE.pkt",
		Short: "run a scenario in virtual time and show its ladder",
		Long: `Run a scenario in virtual time and show its ladder.

Exit status: 0 if the script ran to its end, 1 if an expectation or a call
failed, 2 if the command line or the scenario's set-up is wrong, 130 (143) if
SIGINT (SIGTERM) ended the run. Every file is valid in every case.`,
		Example: `  fivetuple run handshake
  fivetuple run handshake --seed 7 --pcap h.pcapng --jsonl h.jsonl --ladder h.txt
  fivetuple run handshake --pcap - | wireshark -k -i -
  fivetuple run ./mine.star --record mine.ft ; fivetuple replay mine.ft
  fivetuple run ./mine.pkt`,
		Args: exactly(1, "one scenario: a name from `fivetuple list`, or a path to a .star file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if strings.HasSuffix(args[0], pktExtension) {
				return runPktFile(cmd, args[0], b, &o, recording)
			}
			s, err := load(args[0])
			if err != nil {
				return err
			}
			if isPath(args[0]) {
				o.protect("the scenario", args[0])
			}
			w, err := recordRun(cmd.Context(), &o, recording, kindStar, *sourceOf(s), b)
			if err != nil {
				return err
			}
			print := func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
			return errors.Join(runScenario(cmd, s, b, &o, print, w))
		},
	}
	b.flags(cmd)
	o.flags(cmd)
	cmd.Flags().StringVar(&recording, "record", "", "write the scenario and checksums of its trace to this `file`, for fivetuple replay")
	cmd.Flags().BoolVar(&o.ss, "ss", false, "show every host's sockets at the end, as `ss -atunpi` does")
	return cmd
}

// runScenario runs a scenario in virtual time with all its outputs, which it
// closes. Errors of the run and of the outputs are apart.
func runScenario(cmd *cobra.Command, s *star.Scenario, b bounds, o *outputs, print func(string), wit *witness) (runErr, outErr error) {
	if err := o.open(s.Name, b.seed, stack.Epoch); err != nil {
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
	result, runErr := s.Run(cmd.Context(), star.Config{
		Seed: b.seed, MaxEvents: b.maxEvents, MaxSteps: b.maxSteps, Sinks: sinks, Print: print,
		Started: func(w *sim.World) {
			if text != nil {
				lad = o.newLadder(text, w, s.Name, s.Claim, false)
				w.Bus().Attach(lad)
			}
		},
	})
	if runErr != nil && !result.Ran {
		runErr = usageError{runErr}
	}
	witErr := wit.end(result.World, runErr)
	var tables bytes.Buffer
	if lad != nil {
		writeTables(&tables, result.World, o.ascii)
		if o.ss {
			writeSockets(&tables, result.World)
		}
	}
	sinkErr := result.World.Bus().Close()
	if lad != nil {
		fmt.Fprintf(text, "\n%s%s\n", tables.String(), lad.Footer())
	}
	result.World.Close()
	return runErr, errors.Join(witErr, o.close(sinkErr))
}

// writeSockets writes what ss -atunpi would show on each host.
func writeSockets(w io.Writer, world *sim.World) {
	for _, h := range world.Hosts() {
		fmt.Fprintf(w, "%s# ss -atunpi\n", h.Name())
		if err := table.SS(w, h.Sockets(), table.SSOptions{Header: true, Processes: true, Extended: true}); err == nil {
			fmt.Fprintln(w)
		}
	}
}

// writeTables writes the descriptor tables of the processes that are alive.
func writeTables(w io.Writer, world *sim.World, ascii bool) {
	var rows []table.ProcessFDs
	for _, h := range world.Hosts() {
		for _, ps := range h.Processes() {
			if fds := ps.FDs(); len(fds) > 0 {
				rows = append(rows, table.ProcessFDs{Host: h.Name(), Name: ps.Name, PID: ps.PID, FDs: fds})
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	if err := table.FDs(w, rows, table.FDsOptions{ASCII: ascii}); err == nil {
		fmt.Fprintln(w)
	}
}
