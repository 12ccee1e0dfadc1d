package sockapi

import (
	"fmt"

	"fivetuple/trace"
)

// SIGPIPE is sent to a process that writes to a stream which it has shut down,
// or which is gone, unless the call has MSG_NOSIGNAL: signal(7).
const SIGPIPE = 13

// What a process does about a signal: signal(2).
const (
	SIG_DFL = 0 // the default: SIGPIPE ends the process
	SIG_IGN = 1 // nothing; the call returns EPIPE
)

// Exited unwinds a thread whose process has ended, or has become another
// program: the world recovers it. Err is what the process's function returned.
type Exited struct{ Err error }

// Signal says what the process does about SIGPIPE, and returns what it did
// before: signal(2). A process starts with SIG_IGN, as those of Go and Python
// do; in C, and on Linux, the default is SIG_DFL. A forked child inherits it.
func (p *Proc) Signal(sig, action int) (int, error) {
	names := map[int]string{SIG_DFL: "SIG_DFL", SIG_IGN: "SIG_IGN"}
	name, ok := names[action]
	who := "SIGPIPE"
	if sig != SIGPIPE {
		who = itoa(sig)
	}
	c := p.begin("signal", noFD, who+", "+name)
	if sig != SIGPIPE || !ok {
		return -1, c.ret("", EINVAL)
	}
	old := SIG_IGN
	if p.dieOnPipe {
		old = SIG_DFL
	}
	p.dieOnPipe = action == SIG_DFL
	return old, c.ret(names[old], 0)
}

// deliver sends the process a signal. It does not return if that ends it.
func (p *Proc) deliver(sig int) {
	name := "SIGPIPE"
	if !p.dieOnPipe {
		name += " (ignored)"
	}
	p.kernel.Bus().Emit(p.origin(), &trace.Process{What: "signal", Name: p.Name, Signal: name})
	if p.dieOnPipe {
		p.leave()
		panic(Exited{})
	}
}

// leave ends the other threads of the process, and this one's call.
func (p *Proc) leave() {
	p.kernel.EndOthers(p)
	p.Abandon()
}

// Abandon ends the call that a thread is in, which never returns: the world
// calls it for a thread that it ends.
func (p *Proc) Abandon() {
	if o := p.current.open; o != nil {
		p.current.open = nil
		p.letGo(o)
	}
	p.waiting = nil
}

// Exec makes the process another program, name, which runs fn: execve(2).
// Descriptors with FD_CLOEXEC are closed, the others stay; other threads end.
// It does not return.
func (p *Proc) Exec(name string, fn func(*Proc) error) {
	c := p.begin("execve", noFD, fmt.Sprintf("%q", name))
	p.kernel.EndOthers(p)
	for fd, s := range p.table.slots {
		if s.open != nil && s.cloexec {
			p.closeFD(fd)
		}
	}
	parent := p.Name
	p.Name = name
	p.kernel.Bus().Emit(p.origin(), &trace.Process{What: "exec", Name: name, Parent: parent})
	c.ret("", 0)
	panic(Exited{fn(p)})
}

// Closesocket is Close by its name on Windows: it gives ENOTSOCK for what is
// no socket.
func (p *Proc) Closesocket(fd int) error {
	c := p.begin("closesocket", fd, itoa(fd))
	o, errno := p.table.get(fd)
	if errno == 0 && o.sock == nil {
		errno = ENOTSOCK
	}
	if errno != 0 {
		return c.ret("", errno)
	}
	return p.close(c, fd)
}
