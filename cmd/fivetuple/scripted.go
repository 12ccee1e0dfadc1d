package main

import (
	"context"
	"slices"
	"time"

	"fivetuple/sim"
	"fivetuple/trace"
)

// scripted is a live world whose run a scenario decides.
type scripted struct {
	world *sim.World
	host  *sim.Host
	// pace is [sim.World.RunPaced], or does what it did when it was recorded.
	pace func(context.Context, sim.Limit) error
}

// run is run() of a scenario.
func (s *scripted) run(ctx context.Context, limit sim.Limit) error {
	err := s.pace(ctx, limit)
	if err == nil && limit == sim.UntilQuiet {
		err = s.windDown(ctx)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// Connections that are closed in both directions end within a round trip or
// two. One whose peer does not close is left after the last of these steps.
const (
	windDownStep  = 10 * time.Millisecond
	windDownSteps = 100
)

// windDown lets the connections close that the processes have left behind.
func (s *scripted) windDown(ctx context.Context) error {
	for range windDownSteps {
		if !slices.ContainsFunc(s.host.Sockets(), closing) || ctx.Err() != nil {
			return nil
		}
		if err := s.pace(ctx, sim.Until(s.world.Now()+windDownStep)); err != nil {
			return err
		}
	}
	return nil
}

func closing(s trace.Socket) bool {
	switch s.State {
	case trace.FinWait1, trace.FinWait2, trace.Closing, trace.LastAck:
		return true
	}
	return false
}
