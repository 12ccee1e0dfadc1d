package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
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
	var seed uint64
	var asJSON bool
	var pattern string
	cmd := &cobra.Command{
		Use:   "test [NAME|FILE.star|FOLDER]...",
		Short: "run scenarios and report ok or FAIL: all built-in ones without arguments",
		RunE: func(cmd *cobra.Command, args []string) error {
			match, err := regexp.Compile(pattern)
			if err != nil {
				return usagef("--run: %w", err)
			}
			names, err := find(args)
			if err != nil {
				return err
			}
			failed, ran := 0, 0
			for _, name := range names {
				if !match.MatchString(name) {
					continue
				}
				ran++
				r := testOne(cmd.Context(), name, seed)
				if !r.OK {
					failed++
				}
				report(cmd, r, asJSON)
			}
			if ran == 0 {
				return usagef("--run %q matches no scenario", pattern)
			}
			if !asJSON {
				fmt.Fprintf(cmd.OutOrStdout(), "%d passed, %d failed\n", ran-failed, failed)
			}
			if failed > 0 {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides every random choice")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().StringVar(&pattern, "run", "", "only scenarios that match this `regexp`")
	return cmd
}

func testOne(ctx context.Context, name string, seed uint64) testResult {
	r := testResult{Scenario: name, Seed: seed}
	start := time.Now()
	s, err := load(name)
	if err == nil {
		var res *star.Result
		res, err = s.Run(ctx, star.Config{Seed: seed})
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

func report(cmd *cobra.Command, r testResult, asJSON bool) {
	out := cmd.OutOrStdout()
	if asJSON {
		b, err := json.Marshal(r)
		if err != nil {
			panic(err) // strings and numbers
		}
		fmt.Fprintf(out, "%s\n", b)
		return
	}
	if r.OK {
		fmt.Fprintf(out, "ok    %-22s %3d expectations  %8.3f s virtual  %.3f s\n", r.Scenario, r.Met, r.Virtual, r.Wall)
		return
	}
	fmt.Fprintf(out, "FAIL  %-22s %s\n", r.Scenario, r.Error)
}
