package main

import (
	"bytes"
	"fmt"
	"io"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/stack"
	"fivetuple/trace/ladder"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var o outputs
	var seed uint64
	cmd := &cobra.Command{
		Use:   "run NAME|FILE.star",
		Short: "run a scenario in virtual time and show its ladder",
		Example: `  fivetuple run handshake
  fivetuple run handshake --seed 7 --pcap h.pcapng --jsonl h.jsonl --ladder h.txt
  fivetuple run ./mine.star`,
		Args: exactly(1, "one scenario: a name from `fivetuple list`, or a path to a .star file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := load(args[0])
			if err != nil {
				return err
			}
			return runScenario(cmd, s, seed, &o)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides every random choice; the same seed gives the same bytes")
	o.flags(cmd)
	return cmd
}

// runScenario runs a scenario in virtual time with all its outputs.
func runScenario(cmd *cobra.Command, s *star.Scenario, seed uint64, o *outputs) error {
	if err := o.open(s.Name, seed, stack.Epoch); err != nil {
		return err
	}
	text, err := o.ladderWriter(cmd.OutOrStdout())
	if err != nil {
		return err
	}
	var lad *ladder.Ladder
	result, runErr := s.Run(cmd.Context(), star.Config{
		Seed: seed, Sinks: o.sinks,
		Print: func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) },
		Started: func(w *sim.World) {
			if text != nil {
				lad = o.newLadder(text, w, s.Name, s.Claim, false)
				w.Bus().Attach(lad)
			}
		},
	})
	defer result.World.Close()
	var tables bytes.Buffer
	if lad != nil {
		writeTables(&tables, result.World)
	}
	if err := result.World.Bus().Close(); err != nil && runErr == nil {
		runErr = err
	}
	if lad != nil {
		fmt.Fprintf(text, "\n%s%s\n", tables.String(), lad.Footer())
	}
	if err := o.close(nil); err != nil && runErr == nil {
		runErr = err
	}
	if runErr != nil && !result.Ran {
		return usageError{runErr}
	}
	return runErr
}

// writeTables writes the descriptor tables of the processes that are alive.
func writeTables(w io.Writer, world *sim.World) {
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
	if err := table.FDs(w, rows, table.FDsOptions{}); err == nil {
		fmt.Fprintln(w)
	}
}
