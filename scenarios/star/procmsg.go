package star

import (
	"fmt"

	"fivetuple/sockapi"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// accept4(fd, flags = 0) is accept with flags for the new descriptor.
func (v *procValue) accept4(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, flags int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "flags?", &flags); err != nil {
		return nil, err
	}
	n, peer, err := v.p.Accept4(fd, flags)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{starlark.MakeInt(n), address(peer)}, nil
}

// sendmsg(fd, ["a", "b"], addr = None, flags = 0, control = []) gathers its parts.
func (v *procValue) sendmsg(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, flags int
	var list *starlark.List
	var a sockAddr
	control := starlark.NewList(nil)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "parts", &list, "addr?", &a, "flags?", &flags, "control?", &control); err != nil {
		return nil, err
	}
	if err := a.resolve(v.p); err != nil {
		return nil, err
	}
	cmsgs, err := v.controlOf(control)
	if err != nil {
		return nil, err
	}
	iov, err := dataList(b, list)
	if err != nil {
		return nil, err
	}
	return num(v.p.Sendmsg(fd, &sockapi.Msg{Name: a.ip.a, Link: a.link, Iov: iov, Control: cmsgs}, flags))
}

// recvmsg(fd, [4, 100], flags = 0) scatters, and returns what struct msghdr
// holds afterwards: parts, addr, control and flags; len is what the call returned.
func (v *procValue) recvmsg(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, flags int
	var list *starlark.List
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "sizes", &list, "flags?", &flags); err != nil {
		return nil, err
	}
	iov, err := buffers(b, list)
	if err != nil {
		return nil, err
	}
	m := sockapi.Msg{Iov: iov}
	n, err := v.p.Recvmsg(fd, &m, flags)
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlark.String("message"), starlark.StringDict{
		"parts": filled(iov, n), "addr": v.from(&m), "control": v.control(m.Control), "flags": starlark.MakeInt(m.Flags), "len": starlark.MakeInt(n),
	}), nil
}

// dataList reads the parts of a message.
func dataList(b *blt, l *starlark.List) ([][]byte, error) {
	iov := make([][]byte, l.Len())
	for i := range iov {
		var d data
		if err := d.Unpack(l.Index(i)); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		iov[i] = d
	}
	return iov, nil
}

// buffers makes buffers of the sizes that a script names.
func buffers(b *blt, l *starlark.List) ([][]byte, error) {
	iov := make([][]byte, l.Len())
	for i := range iov {
		n, err := starlark.AsInt32(l.Index(i))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s: %s: want the size of a buffer", b.Name(), l.Index(i))
		}
		iov[i] = make([]byte, n)
	}
	return iov, nil
}

// filled are the n bytes that were received into buffers.
func filled(iov [][]byte, n int) *starlark.List {
	var out []starlark.Value
	for _, part := range iov {
		m := min(n, len(part))
		out = append(out, starlark.String(part[:m]))
		n -= m
	}
	return starlark.NewList(out)
}

// sendto(fd, data, addr), or sendto(fd, data, flags, addr) as in C.
func (v *procValue) sendto(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, flags int
	var d data
	var a sockAddr
	names := []any{"fd", &fd, "data", &d, "addr", &a}
	if len(args) == 4 {
		names = []any{"fd", &fd, "data", &d, "flags", &flags, "addr", &a}
	}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, names...); err != nil {
		return nil, err
	}
	if err := a.resolve(v.p); err != nil {
		return nil, err
	}
	if a.iface != "" {
		return num(v.p.SendtoLink(fd, d, flags, a.link))
	}
	return num(v.p.Sendto(fd, d, flags, a.ip.a))
}

func (v *procValue) recvfrom(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, n, flags, err := recvArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return num(0, fmt.Errorf("recvfrom: %d: a size is not negative", n))
	}
	m := sockapi.Msg{Iov: [][]byte{make([]byte, n)}}
	got, err := v.p.RecvfromMsg(fd, &m, flags)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{starlark.String(m.Iov[0][:min(got, n)]), v.from(&m)}, nil
}
