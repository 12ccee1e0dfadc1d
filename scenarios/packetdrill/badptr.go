package packetdrill

import (
	"net/netip"

	"fivetuple/sockapi"
)

// This file plays EFAULT: what calls return for a pointer to nowhere, which a
// call of a Go program cannot pass.

// nowhere reports whether an argument is a bad pointer: NULL, or a number.
func nowhere(e Expr) bool {
	return e.Kind == Number || e.Kind == Word && e.Text == "NULL"
}

// faultOf is the fault of a call with an address or a message, of n bytes, which
// changes nothing.
func (a *callArgs) faultOf(fd int, n int64) func(p Sockets) outcome {
	if a.r.native() {
		return a.nullCall(fd, int(n), 0, netip.AddrPort{})
	}
	return a.fault(fd, nil)
}

// faultOption is the fault of getsockopt and setsockopt.
func (a *callArgs) faultOption(fd, level, num int) func(p Sockets) outcome {
	if a.r.native() {
		name := a.c.Name
		return func(p Sockets) outcome { return zero(p.(NativeSockets).NullOption(name, fd, level, num)) }
	}
	return a.fault(fd, nil)
}

// fault makes a call whose argument is a bad pointer. What Linux looks at first
// is looked at: try is nil, or a call that fails in the same ways and changes
// nothing; stop reports results that end it before the pointer is used.
func (a *callArgs) fault(fd int, try func(p Sockets) (stop bool, n int, err error)) func(p Sockets) outcome {
	a.r.note("EFAULT of " + a.c.Name + ": played by the runner, not by netstack")
	return func(p Sockets) outcome {
		if _, err := p.Fcntl(fd, sockapi.F_GETFD, 0); err != nil {
			return zero(err)
		}
		if try != nil {
			if stop, n, err := try(p); stop || err != nil {
				return returned(n, err)
			}
		}
		return zero(errnoError(sockapi.EFAULT))
	}
}

// faultReading is the fault of a call that receives: there must be something to
// copy, which then stays where it is.
func (a *callArgs) faultReading(fd, n, flags int) func(p Sockets) outcome {
	if a.r.native() {
		return a.nullCall(fd, n, flags, netip.AddrPort{})
	}
	return a.fault(fd, func(p Sockets) (bool, int, error) {
		b, err := p.Recv(fd, 1, flags|sockapi.MSG_PEEK)
		return len(b) == 0, 0, err
	})
}

// faultWriting is the fault of a call that sends: the socket must be able to.
func (a *callArgs) faultWriting(fd, n, flags int, to netip.AddrPort) func(p Sockets) outcome {
	if a.r.native() {
		return a.nullCall(fd, n, flags, to)
	}
	if a.r.emulated(fd) == nil {
		return a.fault(fd, nil) // an empty datagram would be sent
	}
	return a.fault(fd, func(p Sockets) (bool, int, error) {
		_, err := p.Send(fd, nil, flags)
		return false, 0, err
	})
}
