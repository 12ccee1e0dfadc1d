package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"text/tabwriter"

	"fivetuple/gateway"
	"fivetuple/sim"

	"github.com/spf13/cobra"
)

// gatewayView is what can be seen of a gateway: [gateway.Gateway].
type gatewayView interface {
	Counts() gateway.Counts
	Flows() []gateway.Flow
	publisher
}

// serveGateway makes a gateway of the host: a process there, and the world's
// source.
func serveGateway(w *sim.World, h *sim.Host, g *gateway.Gateway) error {
	for _, i := range h.Stack().Interfaces() {
		if i.Name() == "lo" {
			continue
		}
		if err := g.Attach(i); err != nil {
			return err
		}
	}
	w.Attend(g)
	for _, p := range g.Config().Publish {
		if err := g.Publish(p); err != nil {
			return usagef("--publish %s: %w", p, err)
		}
	}
	w.HandleCommands(func(text []byte) error { return carryOutBeside(w, g, text) })
	h.SpawnConfig(sim.SpawnConfig{Name: "gateway", Daemon: true}, g.Serve)
	return nil
}

// gatewayCounts is a gateway's line of `stats` and of the summary.
func gatewayCounts(g gatewayView) string {
	c := g.Counts()
	text := fmt.Sprintf("gateway: %d flows open; %d tcp, %d udp, %d echo so far; %d refused, %d expired, %d beyond the limit; %d bytes out, %d in",
		len(g.Flows()), c.TCP, c.UDP, c.Echo, c.Refused, c.Expired, c.Overflowed, c.Sent, c.Received)
	if c.Published > 0 {
		text += fmt.Sprintf("; %d flows through published ports", c.Published)
	}
	return text
}

func gatewayCommand() *cobra.Command {
	return onSession(&cobra.Command{
		Use:   "gateway @NAME",
		Short: "list the flows of a live session's gateway: the five-tuple before, and the one after",
		Long: `List the flows of a live session's gateway: each has a five-tuple inside, which
netstack has, and one outside, which the machine has. FD is the inside socket's
descriptor, as in ss and fds; HOSTFD is that of the fivetuple process. An arrow
shows who has opened the connection: "<-" came in through a published port.`,
		Example: `  fivetuple gateway @ft0`,
	}, func(s *liveSession, cmd *cobra.Command, _ []string) error {
		if s.gate == nil {
			return usagef("gateway: this session has none; `fivetuple up --gateway` has one")
		}
		var flows []gateway.Flow
		err := s.do(cmd.Context(), func() error { flows = s.gate.Flows(); return nil })
		if err != nil {
			return err
		}
		return writeFlows(cmd.OutOrStdout(), flows) // who does not read holds up nobody
	})
}

func writeFlows(w io.Writer, flows []gateway.Flow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Netid\tState\tInside\t\tFD\tOutside\t\tHostFD\tSent\tReceived")
	for _, f := range flows {
		arrow := "->"
		if f.Inbound {
			arrow = "<-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t%s\t%s\t%s %s\t%s\t%d\t%d\n", f.Proto, f.State, f.Client, arrow, end(f.Target),
			number(f.FD), orDash(f.Local), arrow, end(f.Remote), number(f.HostFD), f.Sent, f.Received)
	}
	return t.Flush()
}

// end is the far end of a flow: that of a ping has no port.
func end(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

func orDash(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func number(fd int) string {
	if fd < 0 {
		return "-"
	}
	return strconv.Itoa(fd)
}
