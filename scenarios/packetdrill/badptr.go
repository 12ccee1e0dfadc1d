package packetdrill

import "fivetuple/sockapi"

// This file plays EFAULT: what calls return for a pointer to nowhere, which a
// call of a Go program cannot pass.

// nowhere reports whether an argument is a bad pointer: NULL, or a number.
func nowhere(e Expr) bool {
	return e.Kind == Number || e.Kind == Word && e.Text == "NULL"
}

// fault makes a call whose argument is a bad pointer. What Linux looks at first
// is looked at: try is nil, or a call that fails in the same ways and changes
// nothing; stop reports results that end it before the pointer is used.
func (a *callArgs) fault(fd int, try func(p *sockapi.Proc) (stop bool, n int, err error)) func(p *sockapi.Proc) outcome {
	a.r.note("EFAULT of " + a.c.Name + ": played by the runner, not by netstack")
	return func(p *sockapi.Proc) outcome {
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
func (a *callArgs) faultReading(fd, flags int) func(p *sockapi.Proc) outcome {
	return a.fault(fd, func(p *sockapi.Proc) (bool, int, error) {
		b, err := p.Recv(fd, 1, flags|sockapi.MSG_PEEK)
		return len(b) == 0, 0, err
	})
}

// faultWriting is the fault of a call that sends: the socket must be able to.
func (a *callArgs) faultWriting(fd, flags int) func(p *sockapi.Proc) outcome {
	if a.r.emulated(fd) == nil {
		return a.fault(fd, nil) // an empty datagram would be sent
	}
	return a.fault(fd, func(p *sockapi.Proc) (bool, int, error) {
		_, err := p.Send(fd, nil, flags)
		return false, 0, err
	})
}
