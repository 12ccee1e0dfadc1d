package main

import (
	"fivetuple/sim"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

func portsCommand() *cobra.Command {
	var v view
	cmd := &cobra.Command{
		Use:   "ports NAME|FILE.star",
		Short: "show who uses which port on each host, at any instant of a run",
		Long: `Show who uses which port on each host, at any instant of a run.

A row is a protocol, a local IP and a port, and what it is used for: bound,
listening, connecting, connected or time-wait. Sockets that share all of that
share a row: the connections of a server, or a SO_REUSEPORT group. Owners are
descriptors; a connection has none before it is accepted and after its close.
` + exitStatuses,
		Example: `  fivetuple ports triple --at 1ms
  fivetuple ports reuseport --at 50ms --host server --json`,
		Args: exactly(1, "one scenario: a name from `fivetuple list`, or a path to a .star file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.run(cmd, args[0], func(hosts []*sim.Host) error {
				var out []table.HostPorts
				for _, h := range hosts {
					out = append(out, table.HostPorts{Host: h.Name(), Ports: h.Stack().Ports()})
				}
				if v.json {
					return table.PortsJSON(cmd.OutOrStdout(), out)
				}
				return table.Ports(cmd.OutOrStdout(), out)
			})
		},
	}
	v.flags(cmd)
	v.jsonFlag(cmd)
	return cmd
}
