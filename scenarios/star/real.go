package star

import (
	"fmt"
	"net/netip"
	"strings"

	"fivetuple/sim"

	"go.starlark.net/starlark"
)

// This file is hosts that are not simulated in a run: Config.Real names them.

// node is the host as a link sees it.
func (v *hostValue) node() sim.Node {
	if v.real != nil {
		return v.real
	}
	return v.h
}

func (v *hostValue) prefixes() []netip.Prefix {
	if v.real != nil {
		return v.real.Addrs()
	}
	return v.h.Addrs()
}

// realValue is a host whose network stack is not ours: what would look into it
// or start a process on it does not work in this run.
func (r *runner) realValue(h *sim.RealHost) *hostValue {
	v := &hostValue{r: r, real: h}
	v.typ, v.name = "host", h.Name()
	v.methods = map[string]builtin{"route": v.route}
	for _, name := range []string{"spawn", "sockets", "lookup", "fds", "ss", "ports"} {
		v.methods[name] = v.notSimulated
	}
	v.fields = map[string]func() starlark.Value{"name": stringField(h.Name()), "addr": v.addr, "addrs": v.addrs}
	r.hosts = append(r.hosts, v)
	return v
}

// notSimulated leaves out what a script spawns on a real host: a real program
// runs there instead.
func (v *hostValue) notSimulated(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if strings.HasSuffix(b.Name(), ".spawn") {
		r := v.r
		if name, ok := starlark.AsString(args.Index(0)); ok && r.cfg.Print != nil {
			r.cfg.Print(fmt.Sprintf("%s is a real host in this run: its process %s is left out", v.name, name))
		}
		return starlark.MakeInt(0), nil
	}
	return nil, fmt.Errorf("%s: %s is a real host in this run, and not ours to look into", b.Name(), v.name)
}
