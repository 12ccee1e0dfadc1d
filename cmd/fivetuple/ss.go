package main

import (
	"fmt"
	"strings"

	"fivetuple/internal/ss"
	"fivetuple/sim"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func ssCommand() *cobra.Command {
	var v view
	var o ss.Options
	var linux bool
	cmd := &cobra.Command{
		Use:   "ss [-tuwlaB46piomesOHrn] NAME|FILE.star [FILTER]",
		Short: "show each host's sockets as ss(8) does, at any instant of a run",
		Long: `Show each host's sockets as ss(8) does, at any instant of a run.

The letters are those of ss(8); without -a or -l, only connected sockets are
shown. Raw and UDP sockets that receive from anybody are UNCONN, and shown with
-a or -l. What netstack does not know is left out.

FILTER is as in ss(8): state WORD and exclude WORD, then an expression of src,
dst, sport and dport with = != < > <= >=, and, or, not and parentheses.

With --linux, for @NAME, each connection that crosses the session's device has
two lines: the stack's end, and below it Linux's, in the namespace where the
device is. An end that is missing is "none". The flags hold for both; a filter
takes a connection if it takes either end.
` + exitStatuses,
		Example: `  fivetuple ss handshake -tan
  fivetuple ss handshake -tanp --at 25ms --host server state established
  fivetuple ss five-tuple -tan '( dport = :80 and src 10.0.0.0/24 )'
  fivetuple ss @ft0 -tnip --linux`,
		Args: atLeast(1, "a scenario, a name from `fivetuple list` or a path to a .star file, then a filter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := o.Query(args[1:]...)
			if err != nil {
				return usageError{err}
			}
			if linux {
				return writeBeside(cmd, &v, q, args[0])
			}
			return v.run(cmd, args[0], func(hosts []*sim.Host) error {
				return writeSS(cmd, &v, q, hosts, args[1:])
			})
		},
	}
	cmd.Flags().SortFlags = false // the order in which they were given
	o.Flags(cmd.Flags())
	v.flags(cmd)
	v.jsonFlag(cmd)
	cmd.Flags().BoolVar(&linux, "linux", false, "beside each connection of a live session its other end, Linux's own")
	return cmd
}

// writeSS prints each host's sockets; with several hosts each has a prompt.
func writeSS(cmd *cobra.Command, v *view, q *ss.Query, hosts []*sim.Host, filter []string) error {
	w := cmd.OutOrStdout()
	if v.json {
		var out []table.HostSockets
		for _, h := range hosts {
			out = append(out, table.HostSockets{Host: h.Name(), Sockets: q.Select(h.Stack().AllSockets())})
		}
		return table.HostsJSON(w, out)
	}
	prompt := strings.Join(append([]string{"ss" + letters(cmd)}, filter...), " ")
	for i, h := range hosts {
		if v.host == "" {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s# %s\n", h.Name(), prompt)
		}
		if err := q.Write(w, h.Stack().AllSockets(), h.World().HostWith); err != nil {
			return err
		}
	}
	return nil
}

// letters are ss's flags that were given, in their order: " -tanp".
func letters(cmd *cobra.Command) string {
	out := ""
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Shorthand != "" {
			out += f.Shorthand
		}
	})
	if out == "" {
		return ""
	}
	return " -" + out
}
