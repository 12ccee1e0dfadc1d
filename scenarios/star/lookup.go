package star

import (
	"fmt"

	"fivetuple/stack"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// lookup(proto, src, dst) says which of the host's sockets a packet would
// reach, and why.
func (v *hostValue) lookup(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var proto string
	var src, dst addrPort
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "proto", &proto, "src", &src, "dst", &dst); err != nil {
		return nil, err
	}
	if proto != "tcp" && proto != "udp" {
		return nil, fmt.Errorf(`lookup: protocol %q: it is "tcp" or "udp"`, proto)
	}
	d := v.h.Stack().Lookup(proto, src.a, dst.a)
	var sock starlark.Value = starlark.None
	if d.Match != stack.MatchNone {
		sock = socketStruct(d.Socket)
	}
	return starlarkstruct.FromStringDict(starlark.String("decision"), starlark.StringDict{
		"match": starlark.String(d.Match), "socket": sock, "answer": starlark.String(d.Answer),
	}), nil
}
