package star

import (
	"fmt"

	"fivetuple/sockapi"

	"go.starlark.net/starlark"
)

// epoll_create(flags = 0) returns a descriptor.
func (v *procValue) epollCreate(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	flags := 0
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "flags?", &flags); err != nil {
		return nil, err
	}
	return num(v.p.EpollCreate(flags))
}

// epoll_ctl(epfd, op, fd, events = 0). The event's data is the descriptor.
func (v *procValue) epollCtl(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var epfd, op, fd, events int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "epfd", &epfd, "op", &op, "fd", &fd, "events?", &events); err != nil {
		return nil, err
	}
	return none(v.p.EpollCtl(epfd, op, fd, sockapi.EpollEvent{Events: events, Data: fd}))
}

// epoll_wait(epfd, maxevents = 64, timeout = None) returns [(fd, events), ...].
func (v *procValue) epollWait(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	epfd, limit := 0, 64
	var timeout duration
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "epfd", &epfd, "maxevents?", &limit, "timeout?", &timeout); err != nil {
		return nil, err
	}
	if !timeout.set {
		timeout.d = -1
	}
	got, err := v.p.EpollWait(epfd, limit, timeout.d)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	for _, e := range got {
		out = append(out, starlark.Tuple{starlark.MakeInt(e.Data), starlark.MakeInt(e.Events)})
	}
	return starlark.NewList(out), nil
}

// select(read = [], write = [], except_ = [], timeout = None) returns three
// lists: the members that are ready.
func (v *procValue) selectFn(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var lists [3]*starlark.List
	var timeout duration
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "read?", &lists[0], "write?", &lists[1], "except_?", &lists[2], "timeout?", &timeout); err != nil {
		return nil, err
	}
	if !timeout.set {
		timeout.d = -1
	}
	var sets [3][]int
	for i, l := range lists {
		var err error
		if sets[i], err = intList(b, l); err != nil {
			return nil, err
		}
	}
	r, w, e, err := v.p.Select(sets[0], sets[1], sets[2], timeout.d)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{fromInts(r), fromInts(w), fromInts(e)}, nil
}

func intList(b *blt, l *starlark.List) ([]int, error) {
	if l == nil {
		return nil, nil
	}
	var out []int
	for i := range l.Len() {
		n, err := starlark.AsInt32(l.Index(i))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: want a descriptor", b.Name(), l.Index(i))
		}
		out = append(out, n)
	}
	return out, nil
}

func fromInts(ns []int) starlark.Value {
	out := make([]starlark.Value, len(ns))
	for i, n := range ns {
		out[i] = starlark.MakeInt(n)
	}
	return starlark.NewList(out)
}

func (v *procValue) dup2(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, newfd int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "newfd", &newfd); err != nil {
		return nil, err
	}
	return num(v.p.Dup2(fd, newfd))
}

func (v *procValue) ioctl(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, request int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "request", &request); err != nil {
		return nil, err
	}
	return num(v.p.Ioctl(fd, request))
}

// writev(fd, ["a", "b"]) gathers, readv(fd, [4, 100]) scatters.
func (v *procValue) writev(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	var list *starlark.List
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "parts", &list); err != nil {
		return nil, err
	}
	iov, err := dataList(b, list)
	if err != nil {
		return nil, err
	}
	return num(v.p.Writev(fd, iov))
}

func (v *procValue) readv(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	var list *starlark.List
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "sizes", &list); err != nil {
		return nil, err
	}
	iov, err := buffers(b, list)
	if err != nil {
		return nil, err
	}
	n, err := v.p.Readv(fd, iov)
	if err != nil {
		return nil, err
	}
	return filled(iov, n), nil
}
