package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"fivetuple/scenarios/star"

	"github.com/spf13/cobra"
)

// testResult is one line of `fivetuple test --json`.
type testResult struct {
	Scenario string  `json:"scenario"`
	OK       bool    `json:"ok"`
	Seed     uint64  `json:"seed"`
	Met      int     `json:"expectations_met"`
	Failed   int     `json:"expectations_failed"`
	Virtual  float64 `json:"virtual_seconds"`
	Wall     float64 `json:"wall_seconds"`
	Error    string  `json:"error,omitempty"`
}

func testCommand() *cobra.Command {
	var b bounds
	var asJSON bool
	var pattern string
	cmd := &cobra.Command{
		Use:   "test [NAME|FILE.star|FOLDER]...",
		Short: "run scenarios and report ok or FAIL: all built-in ones without arguments",
		Long: `Run scenarios and report ok or FAIL for each: all built-in ones without arguments,
else those named, and those in the folders named.

Exit status: 0 if all are ok, 1 if one failed, 2 if the command line is wrong,
130 (143) if SIGINT (SIGTERM) ended the run.`,
		Example: `  fivetuple test
  fivetuple test --run teardown
  fivetuple test ./mine --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := chosen(args, pattern)
			if err != nil {
				return err
			}
			return testAll(cmd, names, b, asJSON)
		},
	}
	b.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().StringVar(&pattern, "run", "", "only scenarios whose name or path matches this `regexp`")
	return cmd
}

// chosen lists the scenarios of the arguments that match.
func chosen(args []string, pattern string) ([]string, error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, usagef("--run: %w", err)
	}
	names, err := find(args)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !match.MatchString(name) })
	if len(names) == 0 {
		return nil, usagef("--run %q matches no scenario", pattern)
	}
	return names, nil
}

func testAll(cmd *cobra.Command, names []string, b bounds, asJSON bool) error {
	failed := 0
	for _, name := range names {
		r := testOne(cmd.Context(), name, b)
		if err := context.Cause(cmd.Context()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !r.OK {
			failed++
		}
		r.print(cmd.OutOrStdout(), asJSON)
	}
	if !asJSON {
		fmt.Fprintf(cmd.OutOrStdout(), "%d passed, %d failed\n", len(names)-failed, failed)
	}
	if failed > 0 {
		return errSilent
	}
	return nil
}

func testOne(ctx context.Context, name string, b bounds) testResult {
	r := testResult{Scenario: name, Seed: b.seed}
	start := time.Now()
	s, err := load(name)
	if err == nil {
		var res *star.Result
		res, err = s.Run(ctx, star.Config{Seed: b.seed, MaxEvents: b.maxEvents, MaxSteps: b.maxSteps})
		r.Met, r.Failed, r.Virtual = res.Met, res.Failed, res.World.Now().Seconds()
		res.World.Close()
		if err == nil && r.Met == 0 {
			err = fmt.Errorf("%s: nothing is expected, so nothing was tested: add expect(...)", name)
		}
	}
	r.Wall = time.Since(start).Seconds()
	r.OK = err == nil
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// print writes the result on one line, and an error on as many as it has.
func (r testResult) print(out io.Writer, asJSON bool) {
	switch {
	case asJSON:
		b, err := json.Marshal(r)
		if err != nil {
			panic(err) // strings and numbers
		}
		fmt.Fprintf(out, "%s\n", b)
	case r.OK:
		fmt.Fprintf(out, "ok    %-22s %3d expectations  %8.3f s virtual  %.3f s\n", r.Scenario, r.Met, r.Virtual, r.Wall)
	default:
		fmt.Fprintf(out, "FAIL  %-22s %s\n", r.Scenario, r.Error)
	}
}
