package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"

	"fivetuple/sim"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

func lookupCommand() *cobra.Command {
	var v view
	cmd := &cobra.Command{
		Use:   "lookup NAME|FILE.star PROTO SRC DST",
		Short: "show which socket a packet would reach, and why, at any instant of a run",
		Long: `Show which socket a packet would reach, and why, at any instant of a run.

PROTO is tcp or udp, SRC and DST are addresses with ports. The packet is not
sent: the demultiplexer of the host that has DST is asked. The most specific
match wins: all five things, then the local address, then the port alone. The
other sockets at the port follow, each with why it does not get the packet.
` + exitStatuses,
		Example: `  fivetuple lookup demultiplex tcp 10.0.0.1:5000 10.0.0.2:80 --at 500ms
  fivetuple lookup demultiplex udp 10.0.0.1:5000 10.0.0.3:123 --at 500ms
  fivetuple lookup triple tcp 127.0.0.1:5000 127.0.0.1:7 --at 1ms --host alpha`,
		Args: exactly(4, "a scenario, tcp or udp, and two addresses with ports"),
		RunE: func(cmd *cobra.Command, args []string) error {
			proto := args[1]
			if proto != "tcp" && proto != "udp" {
				return usagef("protocol %q: it is tcp or udp", proto)
			}
			src, err := addressArg("SRC", args[2])
			if err != nil {
				return err
			}
			dst, err := addressArg("DST", args[3])
			if err != nil {
				return err
			}
			if src.Addr().Is4() != dst.Addr().Is4() {
				return usagef("SRC %s and DST %s are of two address families", src, dst)
			}
			return v.run(cmd, args[0], func(hosts []*sim.Host) error {
				h, err := v.holder(hosts, dst.Addr())
				if err != nil {
					return err
				}
				return writeLookup(cmd.OutOrStdout(), h, trace.FiveTuple{Proto: proto, Local: dst, Remote: src})
			})
		},
	}
	v.flags(cmd)
	return cmd
}

func addressArg(what, arg string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(arg)
	if err != nil {
		return a, usagef("%s %q: an address is written 10.0.0.2:80 or [2001:db8::2]:80", what, arg)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// holder is the host whose demultiplexer is asked: the one with the address, or
// that of --host.
func (v *view) holder(hosts []*sim.Host, dst netip.Addr) (*sim.Host, error) {
	if v.host != "" {
		return hosts[0], nil
	}
	addrs := ""
	for _, h := range hosts {
		for _, a := range h.Stack().Addrs() {
			switch {
			case a.Addr().IsLoopback():
				continue
			case a.Addr() == dst:
				return h, nil
			}
			if addrs != "" {
				addrs += ", "
			}
			addrs += fmt.Sprintf("%s (%s)", a.Addr(), h.Name())
		}
	}
	return nil, usagef("DST %s: no host has this address: name one with --host, or choose from %s", dst, addrs)
}

// because says in words how a packet matched.
var because = map[stack.Match]string{
	stack.MatchExact:    "exact match: protocol, both addresses and both ports",
	stack.MatchAddress:  "address match: protocol, local address and port; any peer",
	stack.MatchWildcard: "wildcard match: protocol and port; any local address, any peer",
}

func writeLookup(w io.Writer, h *sim.Host, ft trace.FiveTuple) error {
	x := h.Stack().Explain(ft.Proto, ft.Remote, ft.Local)
	fmt.Fprintf(w, "%s at %s: %s %s > %s\n\n", h.Name(), instant(h), ft.Proto, ft.Remote, ft.Local)
	var why []string
	var socks []trace.Socket
	if x.Match == stack.MatchNone {
		fmt.Fprintln(w, "no socket gets it: "+nobody(h, ft, x.Answer))
	} else {
		socks, why = append(socks, x.Socket), append(why, because[x.Match])
	}
	for _, c := range x.Others {
		socks, why = append(socks, c.Socket), append(why, c.Why)
	}
	lines, err := socketLines(socks)
	if err != nil {
		return err
	}
	for i, line := range lines {
		mark := "  "
		if i == 0 && x.Match != stack.MatchNone {
			mark = "> "
		} else if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s%s\n      %s\n", mark, line, why[i])
	}
	return nil
}

// nobody says what happens to a packet that no socket gets.
func nobody(h *sim.Host, ft trace.FiveTuple, answer string) string {
	if answer == "" {
		return fmt.Sprintf("%s is not an address of %s", ft.Local.Addr(), h.Name())
	}
	return "the host answers with " + answer
}

// socketLines are sockets as ss -p shows them, aligned.
func socketLines(socks []trace.Socket) ([]string, error) {
	if len(socks) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	if err := table.View(&out, socks, table.ViewOptions{Netid: true, State: true, Processes: true}); err != nil {
		return nil, err
	}
	var lines []string
	for line := range bytes.Lines(out.Bytes()) {
		lines = append(lines, string(bytes.TrimRight(line, "\n")))
	}
	return lines, nil
}
