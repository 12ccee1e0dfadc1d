package sockapi

import (
	"net/netip"
	"strconv"
	"time"

	"fivetuple/stack"
	"fivetuple/trace"
)

// noFD stands for "this call is not about a descriptor".
const noFD = -1

func itoa(n int) string { return strconv.Itoa(n) }

// call is a call in progress. Its first consequence in the trace is its own
// entry, which is the cause of what it sends; its last is its return.
type call struct {
	p       *Proc
	name    string
	said    arguments
	peer    string
	num     uint64
	fd      int
	entered time.Duration
	blocked bool
	enter   trace.ID
	sock    *socket
	open    *open  // what file has looked up: the call keeps it open
	all     bool   // the call may have changed other sockets too
	after   func() // runs when the call's packets are on their way
}

// begin enters a call. Every call returns through ret.
func (p *Proc) begin(name string, fd int, args string) *call {
	return p.beginWith(name, fd, arguments{text: args})
}

// beginWith is begin for the calls that are made most: what their arguments look
// like is told to those who ask.
func (p *Proc) beginWith(name string, fd int, args arguments) *call {
	c := &p.current
	*c = call{p: p, name: name, said: args, fd: fd, num: p.kernel.NextCall()}
	if bus := p.kernel.Bus(); bus.Enabled() {
		c.entered = p.Now()
		c.enter = c.emit(&trace.Call{What: trace.Enter})
		bus.SetCause(c.enter)
	}
	return c
}

// arguments are what a call was given: as text, or as what the text is made of.
type arguments struct {
	text string

	io       bool // n bytes, with flags, to an address if it is valid, or to link
	n, flags int
	to       netip.AddrPort
	link     LinkAddr
	polled   []PollFD // within timeout
	timeout  time.Duration
}

// args is the call's arguments as the trace has them, "3, 100".
func (c *call) args() string {
	a := &c.said
	switch {
	case a.polled != nil:
		return pollArgs(a.polled, a.timeout)
	case !a.io:
		return a.text
	}
	s := itoa(c.fd) + ", " + itoa(a.n)
	if a.flags != 0 || a.to.IsValid() || a.link != (LinkAddr{}) {
		s += ", " + flagString(a.flags, msgFlags)
	}
	switch {
	case a.link != (LinkAddr{}):
		s += ", " + a.link.String()
	case a.to.IsValid():
		s += ", " + a.to.String()
	}
	return s
}

func (c *call) emit(body *trace.Call) trace.ID {
	body.Num, body.Name, body.Args = c.num, c.name, c.args()
	o := c.p.origin()
	if c.fd != noFD {
		o.FD, o.HasFD = c.fd, true
	}
	return c.p.kernel.Bus().Emit(o, body)
}

// blocks notes that the call has to wait. What it did so far takes effect now.
func (c *call) blocks() {
	c.flush()
	c.p.waiting = c
	if !c.blocked {
		c.blocked = true
		if !c.p.kernel.Bus().Enabled() {
			return
		}
		c.emit(&trace.Call{What: trace.Block})
	}
}

// flush lets what the call did so far take effect.
func (c *call) flush() {
	var ep stack.Endpoint
	if c.sock != nil {
		ep = c.sock.ep
	}
	c.p.kernel.AfterCall(ep, c.all)
}

// file looks up the descriptor the call is about: a socket.
func (c *call) file() (*open, Errno) {
	o, errno := c.anyFile()
	if errno == 0 && o.sock == nil {
		return nil, ENOTSOCK
	}
	return o, errno
}

// anyFile looks up the descriptor the call is about. The call keeps the
// description open until it returns, whoever closes the descriptor meanwhile,
// as Linux does (fdget).
func (c *call) anyFile() (*open, Errno) {
	o, errno := c.p.table.get(c.fd)
	if errno == 0 {
		c.sock, c.open = o.sock, o
		o.calls++
	}
	return o, errno
}

// ret leaves a call: result for a success, errno for a failure.
func (c *call) ret(result string, errno Errno) error {
	if o := c.open; o != nil {
		c.open = nil
		c.p.letGo(o)
	}
	c.flush()
	c.p.waiting = nil
	if c.after != nil {
		c.after()
	}
	if bus := c.p.kernel.Bus(); bus.Enabled() {
		body := &trace.Call{What: trace.Return, Result: result, Peer: c.peer, Blocked: c.blocked}
		if errno != 0 {
			body.Result, body.Errno, body.Error = "-1", errno.Name(), errno.Error()
		}
		if c.blocked {
			body.Waited = c.p.Now() - c.entered
		}
		bus.SetCause(c.emit(body))
	}
	if errno != 0 {
		return &Error{Call: c.name, Args: c.args(), Errno: errno}
	}
	return nil
}

// warn tells the user something that the errno alone does not.
func (c *call) warn(text string) {
	c.p.kernel.Bus().Emit(c.p.origin(), &trace.Warning{Text: c.name + "(" + c.args() + "): " + text})
}
