package star

import (
	"fmt"
	"net/netip"
	"strings"

	"fivetuple/internal/spell"
	"fivetuple/internal/ss"
	"fivetuple/trace"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// sockets(state, proto, local, remote, process, filter) lists the host's sockets
// as ss -a does, those that match all that is given.
func (v *hostValue) sockets(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var f socketFilter
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "state?", &f.state, "proto?", &f.proto,
		"local?", &f.local, "remote?", &f.remote, "process?", &f.process, "filter?", &f.expr); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	var out []starlark.Value
	for _, s := range f.choose(v.h) {
		if f.matches(s) {
			out = append(out, socketStruct(s))
		}
	}
	return starlark.NewList(out), nil
}

// fds(process) lists the descriptors of the host's processes of that name.
func (v *hostValue) fds(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "process", &name); err != nil {
		return nil, err
	}
	var fds []trace.FD
	for _, ps := range v.h.Processes() {
		if ps.Name == name {
			fds = append(fds, ps.FDs()...)
		}
	}
	return fdList(fds), nil
}

type socketFilter struct {
	state, proto, local, remote, process, expr string
	parsed                                     *ss.Filter
}

// check refuses a state that no socket can have: it would never match.
func (f *socketFilter) check() error {
	var err error
	if f.parsed, err = ss.ParseFilter(f.expr); err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	f.state = strings.ToUpper(f.state)
	if f.state == "" {
		return nil
	}
	if err := checkState(f.state); err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	return nil
}

// checkState refuses what is no name of a state, in ss's spelling or in RFC 9293's.
func checkState(name string) error {
	var short, all []string
	for _, s := range trace.States() {
		if name == string(s) || name == s.SS() {
			return nil
		}
		short, all = append(short, s.SS()), append(all, string(s), s.SS())
	}
	return fmt.Errorf("no state is called %q%s; there are %s", name, spell.Hint(name, all), strings.Join(short, ", "))
}

func (f *socketFilter) matches(s trace.Socket) bool {
	if f.state != "" && f.state != string(s.State) && f.state != s.State.SS() {
		return false
	}
	if f.proto != "" && f.proto != s.Proto {
		return false
	}
	if !matchAddr(f.local, s.Local) || !matchAddr(f.remote, s.Remote) {
		return false
	}
	if f.process == "" {
		return true
	}
	for _, h := range s.Holders {
		if h.Proc == f.process {
			return true
		}
	}
	return false
}

// matchAddr compares with "10.0.0.1:80", "10.0.0.1" or ":80".
func matchAddr(want string, a netip.AddrPort) bool {
	return want == "" || want == a.String() || want == a.Addr().String() || want == fmt.Sprintf(":%d", a.Port())
}

func socketStruct(s trace.Socket) starlark.Value {
	var procs []string
	for _, h := range s.Holders {
		procs = append(procs, h.Proc)
	}
	return starlarkstruct.FromStringDict(starlark.String("socket"), starlark.StringDict{
		"proto": starlark.String(s.Proto), "state": starlark.String(s.State.SS()),
		"local": address(s.Local), "remote": address(s.Remote),
		"recv_q": starlark.MakeInt(s.RecvQ), "send_q": starlark.MakeInt(s.SendQ), "processes": list(procs),
	})
}

func fdList(fds []trace.FD) starlark.Value {
	var out []starlark.Value
	for _, f := range fds {
		out = append(out, starlarkstruct.FromStringDict(starlark.String("fd"), starlark.StringDict{
			"num": starlark.MakeInt(f.Num), "proto": starlark.String(f.Proto), "state": starlark.String(f.State.SS()),
			"local": address(f.Local), "remote": address(f.Remote), "refs": starlark.MakeInt(f.Refs),
			"nonblock": starlark.Bool(f.NonBlock),
		}))
	}
	return starlark.NewList(out)
}
