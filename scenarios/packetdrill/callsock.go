package packetdrill

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fivetuple/sockapi"
)

// This file has the calls that make, name and end sockets, and options.

func callSocket(a *callArgs) func(p Sockets) outcome {
	family, typ, proto := a.domain(), int(a.int(1)), int(a.int(2))
	return func(p Sockets) outcome {
		fd, err := p.Socket(family, typ, proto)
		return outcome{n: int64(fd), err: err, after: func() {
			if typ&0xf == sockapi.SOCK_STREAM {
				a.r.opened(fd, nil)
			}
		}}
	}
}

func callBind(a *callArgs) func(p Sockets) outcome {
	if nowhere(a.arg(1)) {
		return a.faultOf(a.fd(0), a.sized(2))
	}
	fd, addr := a.fd(0), a.addr(1, a.r.set.LocalIP, a.r.set.BindPort)
	return func(p Sockets) outcome { return zero(p.Bind(fd, addr)) }
}

func callListen(a *callArgs) func(p Sockets) outcome {
	fd, n := a.fd(0), int(a.int(1))
	return func(p Sockets) outcome {
		return outcome{err: p.Listen(fd, n), after: func() { a.r.cur = nil }} // the next SYN is a new connection's
	}
}

func callAccept(a *callArgs) func(p Sockets) outcome {
	fd, flags := a.fd(0), 0
	if a.c.Name == "accept4" {
		flags = int(a.int(3))
	}
	return func(p Sockets) outcome {
		accept := p.Accept
		if a.c.Name == "accept4" {
			accept = func(fd int) (int, netip.AddrPort, error) { return p.Accept4(fd, flags) }
		}
		n, peer, err := accept(fd)
		return outcome{n: int64(n), err: err, after: func() {
			a.r.accepted(n, peer.Port())
			a.r.opened(n, a.r.emulated(fd))
		}}
	}
}

// accepted notes which connection has got a descriptor: it is under test now.
func (r *runner) accepted(fd int, remote uint16) {
	for _, c := range r.conns {
		if c.remote == remote && c.passive {
			c.fd = fd
			r.cur = c
		}
	}
}

// connects notes that a call may open a connection. If it is of a socket that
// has none, that connection is under test from then on: what others send does
// not matter.
func (r *runner) connects(fd int) {
	r.connecting = fd
	if r.cur == nil || r.cur.udp || fd == noSuchFD {
		return
	}
	for _, c := range r.conns {
		if c.fd == fd {
			return
		}
	}
	r.cur, r.fresh = nil, true
}

// closed forgets a descriptor: its number may come again.
func (r *runner) closed(script int64, fd int) {
	delete(r.fds, script)
	delete(r.emu, fd)
	for _, c := range r.conns {
		if c.fd == fd {
			c.fd = goneFD
		}
	}
}

// goneFD is the descriptor of a connection that has been closed.
const goneFD = noSuchFD

func callConnect(a *callArgs) func(p Sockets) outcome {
	if nowhere(a.arg(1)) {
		return a.faultOf(a.fd(0), a.sized(2))
	}
	fd, addr := a.fd(0), a.addr(1, a.r.set.RemoteIP, a.r.set.ConnectPort)
	a.r.connects(fd)
	return func(p Sockets) outcome { return zero(p.Connect(fd, addr)) }
}

func callClose(a *callArgs) func(p Sockets) outcome {
	fd, script := a.fd(0), a.int(0)
	return func(p Sockets) outcome {
		return outcome{err: p.Close(fd), after: func() { a.r.closed(script, fd) }}
	}
}

func callShutdown(a *callArgs) func(p Sockets) outcome {
	fd, how := a.fd(0), int(a.int(1))
	return func(p Sockets) outcome { return zero(p.Shutdown(fd, how)) }
}

func callFcntl(a *callArgs) func(p Sockets) outcome {
	fd, cmd, arg := a.fd(0), int(a.int(1)), 0
	if len(a.c.Args) > 2 {
		arg = int(a.int(2))
	}
	return func(p Sockets) outcome { return returned(p.Fcntl(fd, cmd, arg)) }
}

func callIoctl(a *callArgs) func(p Sockets) outcome {
	fd, request := a.fd(0), int(a.int(1))
	want, asked := int64(0), len(a.c.Args) > 2 && a.arg(2).Kind != Ellipsis
	if asked {
		want = a.int(2)
	}
	return func(p Sockets) outcome {
		n, err := p.Ioctl(fd, request)
		return outcome{err: err, check: func() string {
			if asked && int64(n) != want {
				return fmt.Sprintf("expected [%d], got [%d]", want, n)
			}
			return ""
		}}
	}
}

func callSetsockopt(a *callArgs) func(p Sockets) outcome {
	fd, level, num := a.fd(0), int(a.int(1)), int(a.int(2))
	if e := a.arg(3); e.Kind == Word && nowhere(e) {
		return a.faultOption(fd, level, num)
	}
	v := a.optionValue(a.arg(3))
	if o, ok := optionOf(level, num); ok && o.Type == sockapi.Timeval {
		e := a.arg(3)
		v = time.Duration(a.intField(e, "tv_sec", 0))*time.Second + time.Duration(a.intField(e, "tv_usec", 1))*time.Microsecond
	}
	if a.r.native() {
		v = a.nativeValue(v)
	}
	return func(p Sockets) outcome {
		if a.r.setINQ(fd, level, num, v) {
			return outcome{}
		}
		if played, err := a.r.setEmulated(fd, level, num, v); played {
			a.r.note(a.c.Args[2].String() + ": played by the runner, not by netstack")
			return zero(err)
		}
		return zero(p.Setsockopt(fd, level, num, v))
	}
}

// optionValue is the Go value of an option that is set.
func (a *callArgs) optionValue(e Expr) any {
	switch {
	case e.Kind == Struct:
		return sockapi.Linger{On: a.intField(e, "onoff", 0) != 0, Seconds: int(a.intField(e, "linger", 1))}
	case e.Kind == String:
		return strings.TrimRight(e.Text, "\x00")
	case e.Kind == Concat:
		var b strings.Builder
		for _, x := range e.List {
			b.WriteString(x.Text)
		}
		return b.String()
	case e.Kind == List && len(e.List) == 1 && e.List[0].Kind == Struct:
		return a.optionValue(e.List[0])
	case e.Kind == Ellipsis:
		return 0
	}
	return int(a.number(e))
}

func callGetsockopt(a *callArgs) func(p Sockets) outcome {
	fd, level, num, e := a.fd(0), int(a.int(1)), int(a.int(2)), a.arg(3)
	var want any
	if e.Kind == Word && nowhere(e) {
		return a.faultOption(fd, level, num)
	}
	if e.Kind != Ellipsis {
		want = a.optionValue(e)
	}
	return func(p Sockets) outcome {
		v, played := a.r.getEmulated(fd, level, num)
		var err error
		if !played {
			v, err = p.Getsockopt(fd, level, num)
		}
		return outcome{err: err, check: func() string {
			if b, ok := v.(bool); ok {
				v = 0
				if b {
					v = 1
				}
			}
			if n, ok := v.(int); ok && a.r.native() {
				if w, ok := want.(int); ok && uint32(n) == uint32(w) {
					return "" // a script may write a number of 32 bits either way
				}
			}
			if want != nil && v != want {
				return fmt.Sprintf("value: expected %v, got %v", want, v)
			}
			return ""
		}}
	}
}

func callPoll(a *callArgs) func(p Sockets) outcome {
	list := a.arg(0)
	if list.Kind != List {
		a.bad("%s is not a list of descriptors", list)
	}
	var fds []sockapi.PollFD
	var want []int
	for _, e := range list.List {
		fds = append(fds, sockapi.PollFD{FD: a.r.fd(a.intField(e, "fd", 0)), Events: int(a.intField(e, "events", 1))})
		want = append(want, int(a.intField(e, "revents", 2)))
	}
	timeout := time.Duration(a.int(2)) * time.Millisecond
	return func(p Sockets) outcome {
		n, err := p.Poll(fds, timeout)
		return outcome{n: int64(n), err: err, check: func() string {
			for i, f := range fds {
				if f.Revents != want[i] {
					return fmt.Sprintf("revents: expected %s, got %s", sockapi.PollString(want[i]), sockapi.PollString(f.Revents))
				}
			}
			return ""
		}}
	}
}

func callEpollCreate(a *callArgs) func(p Sockets) outcome {
	return func(p Sockets) outcome { return returned(p.EpollCreate(0)) }
}

// epollEvent is {events=EPOLLIN, fd=4}; the number that comes back is the
// script's own.
func (a *callArgs) epollEvent(e Expr) sockapi.EpollEvent {
	ev := sockapi.EpollEvent{Events: int(a.intField(e, "events", 0))}
	for _, name := range []string{"fd", "ptr", "u32", "u64"} {
		for _, f := range e.Fields {
			if f.Name == name {
				ev.Data = int(a.number(f.Value))
			}
		}
	}
	return ev
}

func callEpollCtl(a *callArgs) func(p Sockets) outcome {
	ep, op, fd := a.fd(0), int(a.int(1)), a.fd(2)
	var ev sockapi.EpollEvent
	if a.arg(3).Kind == Struct {
		ev = a.epollEvent(a.arg(3))
	}
	return func(p Sockets) outcome { return zero(p.EpollCtl(ep, op, fd, ev)) }
}

func callEpollWait(a *callArgs) func(p Sockets) outcome {
	ep, most, timeout := a.fd(0), int(a.int(2)), time.Duration(a.int(3))*time.Millisecond
	list := []Expr{a.arg(1)}
	if list[0].Kind == List {
		list = list[0].List
	}
	var want []sockapi.EpollEvent
	for _, e := range list {
		if e.Kind == Struct {
			want = append(want, a.epollEvent(e))
		}
	}
	return func(p Sockets) outcome {
		got, err := p.EpollWait(ep, most, timeout)
		return outcome{n: int64(len(got)), err: err, check: func() string {
			for i, g := range got {
				if i < len(want) && g != want[i] {
					return fmt.Sprintf("event %d: expected %s of %d, got %s of %d", i+1, sockapi.PollString(want[i].Events), want[i].Data,
						sockapi.PollString(g.Events), g.Data)
				}
			}
			return ""
		}}
	}
}
