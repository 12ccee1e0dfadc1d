package packetdrill

import (
	"net/netip"
	"time"

	"fivetuple/sockapi"
)

// This file has what only a target with [NativeSockets] can do.

// native reports whether the host has the whole socket API of Linux.
func (r *runner) native() bool { return !r.tgt.Lacks("pipes") }

func (a *callArgs) needPipes() {
	if !a.r.native() {
		panic(unsupported(a.line, a.c.Name, "sockapi has no pipes"))
	}
}

// callPipe is pipe([5, 6]).
func callPipe(a *callArgs) func(p Sockets) outcome {
	a.needPipes()
	list := a.arg(0)
	if list.Kind != List || len(list.List) != 2 {
		a.bad("%s: need two descriptors", list)
	}
	in, out := a.number(list.List[0]), a.number(list.List[1])
	return func(p Sockets) outcome {
		r, w, err := p.(NativeSockets).Pipe()
		return outcome{err: err, after: func() { a.r.fds[in], a.r.fds[out] = r, w }}
	}
}

// callSplice is splice without offsets.
func callSplice(a *callArgs) func(p Sockets) outcome {
	a.needPipes()
	for _, i := range []int{1, 3} {
		if e := a.arg(i); e.Kind != Ellipsis && e.Text != "NULL" {
			panic(unsupported(a.line, "splice", "an offset: %s", e))
		}
	}
	in, out, n, flags := a.fd(0), a.fd(2), a.size(a.arg(4)), int(a.int(5))
	return func(p Sockets) outcome { return returned(p.(NativeSockets).Splice(in, out, n, flags)) }
}

// nullCall makes the call with its data at the address 0.
func (a *callArgs) nullCall(fd, n, flags int, to netip.AddrPort) func(p Sockets) outcome {
	name := a.c.Name
	return func(p Sockets) outcome { return returned(p.(NativeSockets).Null(name, fd, n, flags, to)) }
}

// nativeValue is an option's value as the kernel takes it: a text has the
// length that the call says.
func (a *callArgs) nativeValue(v any) any {
	text, ok := v.(string)
	if !ok || a.arg(4).Kind == Ellipsis {
		return v
	}
	b := make([]byte, a.size(a.arg(4)))
	copy(b, text)
	return b
}

// nativeInfo is a field of tcp_info as the kernel gives it; all of one look are
// of one sample.
func (r *runner) nativeInfo(name string, line int, info *Info) (value, bool) {
	if *info == nil {
		r.needDescriptor(line)
		fd := r.cur.fd
		r.tgt.Do(func(p Sockets) {
			if v, err := p.Getsockopt(fd, sockapi.IPPROTO_TCP, sockapi.TCP_INFO); err == nil {
				*info, _ = v.(Info)
			}
		}, false, func(time.Duration) {})
		if *info == nil {
			r.diverge("getsockopt(TCP_INFO) fails on the connection under test")
		}
	}
	v, ok := (*info)[name]
	if !ok {
		panic(unsupported(line, "tcpi_"+name, "this kernel has no such field in struct tcp_info"))
	}
	return v, true
}

func (r *runner) needDescriptor(line int) {
	if r.cur == nil || r.cur.fd < 0 {
		panic(problem(Invalid, line, "the connection under test has no descriptor yet: tcp_info cannot be read"))
	}
}
