package star

import (
	"go.starlark.net/starlark"
)

// socketpair(family = AF_UNIX, type = SOCK_STREAM, proto = 0) returns (fd, fd).
func (v *procValue) socketpair(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	family, typ, proto := 1, 1, 0
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "family?", &family, "type?", &typ, "proto?", &proto); err != nil {
		return nil, err
	}
	fds, err := v.p.Socketpair(family, typ, proto)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{starlark.MakeInt(fds[0]), starlark.MakeInt(fds[1])}, nil
}

func (v *procValue) memfdCreate(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var name string
	var flags int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "flags?", &flags); err != nil {
		return nil, err
	}
	return num(v.p.MemfdCreate(name, flags))
}

func (v *procValue) lseek(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, offset, whence int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "offset", &offset, "whence?", &whence); err != nil {
		return nil, err
	}
	return num(v.p.Lseek(fd, offset, whence))
}

// sendfile(out, in_, offset, count): an offset of None is the file's own.
func (v *procValue) sendfile(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var out, in, count int
	var at starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "out", &out, "in_", &in, "offset", &at, "count", &count); err != nil {
		return nil, err
	}
	offset := -1
	if at != starlark.None {
		var err error
		if offset, err = starlark.AsInt32(at); err != nil {
			return nil, err
		}
	}
	return num(v.p.Sendfile(out, in, offset, count))
}

func (v *procValue) signal(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var sig, action int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "sig", &sig, "action", &action); err != nil {
		return nil, err
	}
	return num(v.p.Signal(sig, action))
}

func (v *procValue) closesocket(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, err := v.fdOnly(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return none(v.p.Closesocket(fd))
}

// execve(name, function, *arguments) makes the process another program.
func (v *procValue) exec(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	name := ""
	if len(args) > 0 {
		name, _ = starlark.AsString(args[0])
		args = args[1:]
	}
	fn, err := callable(b, args, kwargs)
	if err != nil || name == "" {
		return nil, errExec
	}
	v.p.Exec(name, v.r.body(fn, args[1:]))
	return starlark.None, nil
}
