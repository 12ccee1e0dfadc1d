package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"fivetuple/gateway"
	"fivetuple/sim"

	"github.com/spf13/cobra"
)

// publications reads what --publish, or the command publish, was given. hostAddrs
// are the addresses inside, own those of the stack.
func publications(texts []string, hostAddrs, own []netip.Prefix) (out []gateway.Publication, err error) {
	for _, text := range texts {
		p, err := gateway.ParsePublication(text)
		if err == nil {
			err = completePublication(&p, text, hostAddrs, own)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// completePublication fills in the address inside, and refuses one that no
// connection reaches.
func completePublication(p *gateway.Publication, text string, hostAddrs, own []netip.Prefix) error {
	to := p.Inside.Addr()
	like := to
	if !to.IsValid() {
		like = p.Host.Addr()
	}
	i := slices.IndexFunc(hostAddrs, func(a netip.Prefix) bool { return a.Addr().Is4() == like.Is4() })
	switch {
	case i < 0 && to.IsValid():
		return fmt.Errorf("%q: the inside has no %s address, so nothing reaches %s: choose one of %s, or add a --host-addr and an --addr", text, version(like), to, strings.Trim(fmt.Sprint(hostAddrs), "[]"))
	case i < 0:
		return fmt.Errorf("%q: the inside has no %s address: write which one is meant, as %s", text, version(like), example(*p, hostAddrs[0].Addr()))
	case !to.IsValid():
		p.Inside = netip.AddrPortFrom(hostAddrs[i].Addr(), p.Inside.Port())
	case to.IsLoopback() || to.IsUnspecified():
		return fmt.Errorf("%q: %s is not reached from outside of the namespace: let the program listen at %s or at all addresses, and write %s", text, to, hostAddrs[i].Addr(), example(*p, hostAddrs[i].Addr()))
	case slices.ContainsFunc(own, func(a netip.Prefix) bool { return a.Addr() == to }):
		return fmt.Errorf("%q: %s is the stack's own address; that of the inside is %s", text, to, hostAddrs[i].Addr())
	}
	return nil
}

// example is a publication with another address inside.
func example(p gateway.Publication, a netip.Addr) gateway.Publication {
	p.Inside = netip.AddrPortFrom(a, p.Inside.Port())
	return p
}

func version(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// publisher is what lets connections in: [gateway.Gateway].
type publisher interface {
	Publish(gateway.Publication) error
	Unpublish(gateway.Publication) bool
	Published() []gateway.Published
}

func publishCommand() *cobra.Command {
	return onSession(&cobra.Command{
		Use:   "publish @NAME [list | add SPEC... | del SPEC...]",
		Short: "list or change the ports that a live session's gateway lets connections in through",
		Long: `List or change the ports that a live session's gateway lets connections in through.

SPEC is that of --publish: [HOST-ADDR:]PORT[-PORT]:[ADDR:]PORT[/udp]. To del one,
the machine's side is enough: [HOST-ADDR:]PORT[-PORT][/udp]. TCP connections that
have come in by then go on.`,
		Example: `  fivetuple publish @ft0
  fivetuple publish @ft0 add 8080:80 0.0.0.0:5353:53/udp
  fivetuple publish @ft0 del 8080`,
	}, func(s *liveSession, cmd *cobra.Command, args []string) error {
		if s.gate == nil {
			return usagef("publish: this session has no gateway; `fivetuple up --gateway` has one")
		}
		if len(args) > 0 {
			if err := s.publish(cmd.Context(), args[0], args[1:]); err != nil {
				return err
			}
		}
		var text bytes.Buffer
		err := s.do(cmd.Context(), func() error { return writePublished(&text, s.gate.Published()) })
		return tell(cmd, err, &text)
	})
}

// publish carries out add or del.
func (s *liveSession) publish(ctx context.Context, verb string, specs []string) error {
	switch {
	case verb == "list" && len(specs) == 0:
		return nil
	case verb != "add" && verb != "del":
		return usagef("publish %s: there are list, add and del", verb)
	case len(specs) == 0:
		return usagef("publish %s: which ports? As in 8080:80", verb)
	case verb == "del":
		return s.command(ctx, append([]string{"publish", "del"}, specs...))
	}
	list, err := s.publications(specs)
	if err != nil {
		return usagef("publish add %w", err)
	}
	args := []string{"publish", "add"}
	for _, p := range list {
		args = append(args, p.String())
	}
	return s.command(ctx, args)
}

// publishAll publishes all of the list, or nothing.
func publishAll(g publisher, list []gateway.Publication) error {
	for i, p := range list {
		if err := g.Publish(p); err != nil {
			for _, p := range list[:i] {
				g.Unpublish(p)
			}
			return usagef("publish add %s: %w", p, err)
		}
	}
	return nil
}

// carryOutBeside is carryOut for the world of a gateway.
func carryOutBeside(w *sim.World, g publisher, text []byte) error {
	var args []string
	if err := json.Unmarshal(text, &args); err != nil || len(args) < 3 || args[0] != "publish" {
		return carryOut(w, text)
	}
	if args[1] == "del" {
		return unpublish(g, args[2:])
	}
	var list []gateway.Publication
	for _, a := range args[2:] {
		p, err := gateway.ParsePublication(a)
		if err != nil {
			return usagef("publish %w", err)
		}
		list = append(list, p)
	}
	return publishAll(g, list)
}

// unpublish ends all of the publications that are named, or none.
func unpublish(g publisher, specs []string) error {
	var list []gateway.Publication
	for _, text := range specs {
		p, err := publishedAs(g.Published(), text)
		if err == nil && slices.Contains(list, p) {
			err = fmt.Errorf("%s is named twice", text)
		}
		if err != nil {
			return usagef("publish del %w", err)
		}
		list = append(list, p)
	}
	for _, p := range list {
		g.Unpublish(p)
	}
	return nil
}

// publishedAs finds a publication by its machine's side, or by all of it.
func publishedAs(list []gateway.Published, text string) (gateway.Publication, error) {
	p, err := gateway.ParsePublication(text)
	whole := err == nil
	if !whole {
		side, proto, named := strings.Cut(text, "/")
		if side += ":1"; named {
			side += "/" + proto
		}
		var sideErr error
		if p, sideErr = gateway.ParsePublication(side); sideErr != nil {
			return p, err
		}
	}
	i := slices.IndexFunc(list, func(o gateway.Published) bool { return o.SameHost(p) })
	if i < 0 {
		return p, fmt.Errorf("%s: %s %s is not published; `fivetuple publish @NAME` lists what is", text, p.Proto, p.Ends(p.Host))
	}
	to := list[i].Inside
	if whole && (p.Inside.Port() != to.Port() || p.Inside.Addr().IsValid() && p.Inside.Addr() != to.Addr()) {
		return p, fmt.Errorf("%s: %s %s leads to %s; to del it, the machine's side is enough", text, p.Proto, p.Ends(p.Host), list[i].Ends(to))
	}
	return list[i].Publication, nil
}

func writePublished(w io.Writer, list []gateway.Published) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Netid\tMachine\tInside\tOpened")
	for _, p := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", p.Proto, p.Ends(p.Host), p.Ends(p.Inside), p.Opened)
	}
	return t.Flush()
}
