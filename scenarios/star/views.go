package star

import (
	"fmt"
	"strings"

	"fivetuple/internal/ss"
	"fivetuple/sim"
	"fivetuple/trace"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// choose lists the sockets that a filter of ss lets pass; without one, those
// that netstack's demultiplexer knows.
func (f *socketFilter) choose(h *sim.Host) []trace.Socket {
	if f.expr == "" {
		return h.Sockets()
	}
	var out []trace.Socket
	for _, k := range h.Stack().AllSockets() {
		if f.parsed.Match(&k) {
			out = append(out, k)
		}
	}
	return out
}

// ss(args) is what ss prints on the host: ss("-tan state established").
func (v *hostValue) ss(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var line string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "args?", &line); err != nil {
		return nil, err
	}
	q, err := ss.Parse(line)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	if err := q.Write(&out, v.h.Stack().AllSockets(), v.r.world.HostWith); err != nil {
		return nil, fmt.Errorf("ss: %w", err)
	}
	return starlark.String(out.String()), nil
}

// ports() is the host's port table.
func (v *hostValue) ports(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	var out []starlark.Value
	for _, p := range v.h.Stack().Ports() {
		var procs []string
		for _, o := range p.Owners {
			procs = append(procs, o.Proc)
		}
		out = append(out, starlarkstruct.FromStringDict(starlark.String("port"), starlark.StringDict{
			"proto": starlark.String(p.Proto), "local": address(p.Local), "use": starlark.String(p.Use),
			"sockets": starlark.MakeInt(p.Sockets), "wildcard": starlark.Bool(p.Wildcard()), "v6": starlark.Bool(p.V6),
			"v6only": starlark.Bool(p.V6Only), "reuseaddr": starlark.MakeInt(p.ReuseAddr), "reuseport": starlark.MakeInt(p.ReusePort),
			"processes": list(procs),
		}))
	}
	return starlark.NewList(out), nil
}
