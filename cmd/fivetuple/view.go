package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fivetuple/internal/spell"
	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/sim/netem"

	"github.com/spf13/cobra"
)

// view is what the commands share that look at a world at one instant.
type view struct {
	bounds
	at, host string
	json     bool
}

func (v *view) flags(cmd *cobra.Command) {
	v.bounds.flags(cmd)
	cmd.Flags().StringVar(&v.at, "at", "", "look at this `time` of the run, as in 35ms; the end if it comes first")
	cmd.Flags().StringVar(&v.host, "host", "", "look at the host with this `name` only")
}

func (v *view) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&v.json, "json", false, "one JSON array")
}

// exitStatuses ends the help of these commands.
const exitStatuses = `
Instead of a scenario, @NAME looks at a live session now: ` + "`fivetuple up`" + `'s --tun or
--control. A scenario runs quietly in virtual time, to its end or to --at. One that fails
is shown as it was then, and the error is reported after the table.

Exit status: 0 if the script got that far, 1 if an expectation or a call failed,
2 if the command line or the scenario's set-up is wrong.`

// errLooked ends a script whose world has reached the instant of --at.
var errLooked = errors.New("the instant of --at")

// run runs a scenario up to the instant, and calls show with the hosts.
func (v *view) run(cmd *cobra.Command, name string, show func([]*sim.Host) error) error {
	if isLiveName(name) {
		return v.live(cmd, name, show)
	}
	stop := time.Duration(-1)
	if v.at != "" {
		var err error
		if stop, err = netem.ParseDuration(v.at); err != nil {
			return usagef("--at %s: %w", v.at, err)
		}
	}
	s, err := load(name)
	if err != nil {
		return err
	}
	var world *sim.World
	cfg := star.Config{Seed: v.seed, MaxEvents: v.maxEvents, MaxSteps: v.maxSteps, Started: func(w *sim.World) { world = w }}
	if stop >= 0 {
		cfg.Run = func(ctx context.Context, limit sim.Limit) error {
			reached, err := world.RunUpTo(ctx, limit, stop)
			if err == nil && reached {
				err = errLooked
			}
			return err
		}
	}
	result, runErr := s.Run(cmd.Context(), cfg)
	defer func() { result.World.Close() }() // also after an error
	if errors.Is(runErr, errLooked) {
		runErr = nil
	}
	if !result.Ran {
		return usageError{runErr}
	}
	hosts, err := v.hosts(result.World)
	if err != nil {
		return errors.Join(runErr, err)
	}
	return errors.Join(show(hosts), runErr)
}

// live looks at a session, where it is.
func (v *view) live(cmd *cobra.Command, name string, show func([]*sim.Host) error) error {
	s := sessionOf(cmd)
	switch {
	case v.at != "":
		return usagef("--at: a live session is looked at now")
	case s == nil:
		return forward(cmd, name)
	}
	// The world does not wait for a client that does not read.
	var held bytes.Buffer
	out := cmd.OutOrStdout()
	cmd.SetOut(&held)
	err := s.do(cmd.Context(), func() error {
		hosts, err := v.hosts(s.world)
		if err != nil {
			return err
		}
		return show(hosts)
	})
	if err == nil {
		cmd.SetOut(out)
	}
	return tell(cmd, err, &held)
}

// hosts are those to look at.
func (v *view) hosts(w *sim.World) ([]*sim.Host, error) {
	if v.host == "" {
		return w.Hosts(), nil
	}
	if h, ok := w.Host(v.host); ok {
		return []*sim.Host{h}, nil
	}
	var names []string
	for _, h := range w.Hosts() {
		names = append(names, h.Name())
	}
	return nil, usagef("--host %s: no host has this name%s; there are %s", v.host, spell.Hint(v.host, names), strings.Join(names, ", "))
}

// atLeast checks that there is a scenario, and what follows it.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("%s takes %s; see `%s --help`", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}

// instant says when the world was looked at, for titles.
func instant(h *sim.Host) string { return fmt.Sprint(h.World().Now()) }
