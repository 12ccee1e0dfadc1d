package main

import (
	"slices"
	"strings"

	"fivetuple/internal/spell"
	"fivetuple/sim"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

func fdsCommand() *cobra.Command {
	var v view
	var process string
	cmd := &cobra.Command{
		Use:   "fds NAME|FILE.star",
		Short: "show the descriptors of each process, at any instant of a run",
		Long: `Show the descriptors of each process, at any instant of a run: the socket
that each names, its five-tuple, state, queues, and the options that were set.
` + exitStatuses,
		Example: `  fivetuple fds fork-server --at 50ms
  fivetuple fds five-tuple --host server --process httpd`,
		Args: exactly(1, "one scenario: a name from `fivetuple list`, or a path to a .star file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.run(cmd, args[0], func(hosts []*sim.Host) error {
				rows, err := processTables(hosts, process)
				if err != nil {
					return err
				}
				if v.json {
					return table.FDsJSON(cmd.OutOrStdout(), rows)
				}
				return table.Descriptors(cmd.OutOrStdout(), rows)
			})
		},
	}
	v.flags(cmd)
	v.jsonFlag(cmd)
	cmd.Flags().StringVar(&process, "process", "", "show the processes with this `name` only")
	return cmd
}

// processTables are the tables of the processes that are alive, or of those
// with a name.
func processTables(hosts []*sim.Host, name string) ([]table.ProcessFDs, error) {
	var out []table.ProcessFDs
	var names []string
	for _, h := range hosts {
		for _, ps := range h.Processes() {
			names = append(names, ps.Name)
			if name == "" || name == ps.Name {
				out = append(out, table.ProcessFDs{Host: h.Name(), Name: ps.Name, PID: ps.PID, FDs: ps.FDs()})
			}
		}
	}
	if name != "" && len(out) == 0 {
		slices.Sort(names)
		alive := "none is alive then: choose an earlier --at"
		if len(names) > 0 {
			alive = "there are " + strings.Join(slices.Compact(names), ", ")
		}
		return nil, usagef("--process %s: no process has this name%s; %s", name, spell.Hint(name, names), alive)
	}
	return out, nil
}
