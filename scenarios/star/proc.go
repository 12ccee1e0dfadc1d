package star

import (
	"errors"
	"fmt"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"go.starlark.net/starlark"
)

// spawn(name, fn, *args, at, daemon) starts a process on the host.
func (v *hostValue) spawn(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at duration
	daemon := false
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "at?", &at, "daemon?", &daemon); err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, errors.New(`spawn: write host.spawn("name", function, arguments...)`)
	}
	name, ok := starlark.AsString(args[0])
	if !ok || name == "" {
		return nil, errors.New("spawn: the first argument is the process's name")
	}
	fn, ok := args[1].(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("spawn %s: %s is not a function", name, args[1])
	}
	ps := v.h.SpawnConfig(sim.SpawnConfig{Name: name, At: at.d, Daemon: daemon}, v.r.body(fn, args[2:]))
	return starlark.MakeInt(ps.PID), nil
}

// body makes a process's code of a script function.
func (r *runner) body(fn starlark.Callable, args starlark.Tuple) func(*sockapi.Proc) error {
	return func(p *sockapi.Proc) error {
		pv := r.procValue(p)
		_, err := starlark.Call(r.newThread(p.Name), fn, append(starlark.Tuple{pv}, args...), nil)
		return inProcess(p, err)
	}
}

// procValue is the p that a process function is given.
type procValue struct {
	object
	r *runner
	p *sockapi.Proc
}

func (r *runner) procValue(p *sockapi.Proc) *procValue {
	v := &procValue{r: r, p: p}
	v.typ, v.name = "process", p.Name
	v.methods = map[string]builtin{
		"socket": v.socket, "bind": v.bind, "listen": v.listen, "accept": v.accept, "connect": v.connect,
		"send": v.send, "sendto": v.sendto, "write": v.write, "recv": v.recv, "recvfrom": v.recvfrom, "read": v.read,
		"sendall": v.send, "recvall": v.recvall,
		"shutdown": v.shutdown, "close": v.close, "dup": v.dup, "fork": v.fork, "thread": v.thread,
		"getsockname": v.getsockname, "getpeername": v.getpeername,
		"setsockopt": v.setsockopt, "getsockopt": v.getsockopt, "fcntl": v.fcntl, "poll": v.poll,
		"select": v.selectFn, "epoll_create": v.epollCreate, "epoll_ctl": v.epollCtl, "epoll_wait": v.epollWait,
		"dup2": v.dup2, "ioctl": v.ioctl, "readv": v.readv, "writev": v.writev,
		"accept4": v.accept4, "sendmsg": v.sendmsg, "recvmsg": v.recvmsg,
		"socketpair": v.socketpair, "memfd_create": v.memfdCreate, "lseek": v.lseek, "sendfile": v.sendfile,
		"signal": v.signal, "closesocket": v.closesocket, "execve": v.exec,
		"getaddrinfo": v.getaddrinfo, "getnameinfo": v.getnameinfo,
		"getservbyname": v.getservbyname, "getservbyport": v.getservbyport,
		"sleep": v.sleep, "now": r.now, "fds": v.fds, "mark": v.markFn,
	}
	v.fields = map[string]func() starlark.Value{
		"name": stringField(p.Name), "host": stringField(p.Host()),
		"pid": func() starlark.Value { return starlark.MakeInt(p.PID) },
	}
	return v
}

type (
	kw  = []starlark.Tuple
	th  = starlark.Thread
	blt = starlark.Builtin
)

func num(n int, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(n), nil
}

func none(err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return starlark.None, nil
}

func (v *procValue) socket(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	family, typ, proto := sockapi.AF_INET, sockapi.SOCK_STREAM, 0
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "family?", &family, "type?", &typ, "proto?", &proto); err != nil {
		return nil, err
	}
	return num(v.p.Socket(family, typ, proto))
}

func (v *procValue) bind(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	var a sockAddr
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "addr", &a); err != nil {
		return nil, err
	}
	if err := a.resolve(v.p); err != nil {
		return nil, err
	}
	if a.iface != "" {
		return none(v.p.BindLink(fd, a.link))
	}
	return none(v.p.Bind(fd, a.ip.a))
}

func (v *procValue) listen(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, backlog := 0, 128
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "backlog?", &backlog); err != nil {
		return nil, err
	}
	return none(v.p.Listen(fd, backlog))
}

// accept returns (fd, (ip, port)).
func (v *procValue) accept(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd); err != nil {
		return nil, err
	}
	n, peer, err := v.p.Accept(fd)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{starlark.MakeInt(n), address(peer)}, nil
}

func (v *procValue) connect(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	var a addrPort
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "addr", &a); err != nil {
		return nil, err
	}
	return none(v.p.Connect(fd, a.a))
}

func (v *procValue) send(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, flags int
	var d data
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "data", &d, "flags?", &flags); err != nil {
		return nil, err
	}
	return num(v.p.Send(fd, d, flags))
}

func (v *procValue) write(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd int
	var d data
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "data", &d); err != nil {
		return nil, err
	}
	return num(v.p.Write(fd, d))
}

// recvArgs reads (fd, n, flags).
func recvArgs(b *blt, args starlark.Tuple, kwargs kw) (fd, n, flags int, err error) {
	n = 65536
	err = starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "n?", &n, "flags?", &flags)
	return fd, n, flags, err
}

func (v *procValue) recv(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, n, flags, err := recvArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	got, err := v.p.Recv(fd, n, flags)
	return starlark.String(got), err
}

func (v *procValue) read(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, n, _, err := recvArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	got, err := v.p.Read(fd, n)
	return starlark.String(got), err
}

// recvall receives until the end of the stream and returns how many bytes
// came; they are not kept, so that a bulk transfer costs no memory.
func (v *procValue) recvall(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, n, _, err := recvArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, fmt.Errorf("recvall: %d: the size of one recv is at least 1", n)
	}
	buf := make([]byte, n)
	for total := 0; ; {
		got, err := v.p.RecvInto(fd, buf, 0)
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return starlark.MakeInt(total), nil
		}
		total += got
	}
}

func (v *procValue) shutdown(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, how int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "how", &how); err != nil {
		return nil, err
	}
	return none(v.p.Shutdown(fd, how))
}

func (v *procValue) fdOnly(b *blt, args starlark.Tuple, kwargs kw) (fd int, err error) {
	err = starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd)
	return fd, err
}

func (v *procValue) close(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, err := v.fdOnly(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return none(v.p.Close(fd))
}

func (v *procValue) dup(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, err := v.fdOnly(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return num(v.p.Dup(fd))
}

func (v *procValue) getsockname(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, err := v.fdOnly(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	a, err := v.p.Getsockname(fd)
	return address(a), err
}

func (v *procValue) getpeername(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fd, err := v.fdOnly(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	a, err := v.p.Getpeername(fd)
	return address(a), err
}

func (v *procValue) setsockopt(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, level, opt int
	var value starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "level", &level, "option", &opt, "value", &value); err != nil {
		return nil, err
	}
	var x any
	var err error
	if isGroup(level, opt) {
		x, err = v.mreq(value)
	} else {
		x, err = optionValue(value)
	}
	if err != nil {
		return nil, err
	}
	return none(v.p.Setsockopt(fd, level, opt, x))
}

func (v *procValue) getsockopt(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, level, opt int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "level", &level, "option", &opt); err != nil {
		return nil, err
	}
	x, err := v.p.Getsockopt(fd, level, opt)
	return fromOption(x), err
}

func (v *procValue) fcntl(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var fd, cmd, arg int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fd", &fd, "cmd", &cmd, "arg?", &arg); err != nil {
		return nil, err
	}
	return num(v.p.Fcntl(fd, cmd, arg))
}

// poll([(fd, events), ...], timeout = None) returns [(fd, revents), ...] of
// those that are ready.
func (v *procValue) poll(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var list *starlark.List
	var timeout duration
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "fds", &list, "timeout?", &timeout); err != nil {
		return nil, err
	}
	fds := make([]sockapi.PollFD, list.Len())
	for i := range fds {
		t, ok := list.Index(i).(starlark.Tuple)
		if !ok || len(t) != 2 {
			return nil, fmt.Errorf("poll: %s: each entry is (fd, events)", list.Index(i))
		}
		fd, err1 := starlark.AsInt32(t[0])
		events, err2 := starlark.AsInt32(t[1])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("poll: %s: each entry is (fd, events)", t)
		}
		fds[i] = sockapi.PollFD{FD: fd, Events: events}
	}
	if !timeout.set {
		timeout.d = -1
	}
	if _, err := v.p.Poll(fds, timeout.d); err != nil {
		return nil, err
	}
	var ready []starlark.Value
	for _, f := range fds {
		if f.Revents != 0 {
			ready = append(ready, starlark.Tuple{starlark.MakeInt(f.FD), starlark.MakeInt(f.Revents)})
		}
	}
	return starlark.NewList(ready), nil
}

func (v *procValue) sleep(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var d duration
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "time", &d); err != nil {
		return nil, err
	}
	v.p.Sleep(d.d)
	return starlark.None, nil
}

func (v *procValue) markFn(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text", &text); err != nil {
		return nil, err
	}
	v.p.Mark(text)
	return starlark.None, nil
}

// thread(fn, *args) starts a thread of this process, fork(fn, *args) a child.
func (v *procValue) thread(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fn, err := callable(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	v.p.Go(v.r.body(fn, args[1:]))
	return starlark.None, nil
}

func (v *procValue) fork(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	fn, err := callable(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(v.p.Fork(v.r.body(fn, args[1:]))), nil
}

func callable(b *blt, args starlark.Tuple, kwargs kw) (starlark.Callable, error) {
	if len(args) == 0 || len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: write %s(function, arguments...)", b.Name(), b.Name())
	}
	fn, ok := args[0].(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("%s: %s is not a function", b.Name(), args[0])
	}
	return fn, nil
}

// fds lists the process's descriptors.
func (v *procValue) fds(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return fdList(v.p.FDs()), nil
}
