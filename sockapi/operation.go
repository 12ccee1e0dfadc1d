package sockapi

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// operation is what one method of a Net, of its listeners or of its connections
// asks of the world. It is data and no closure: a goroutine outside of the world
// can post it, a recording can hold it, and a replay makes the same calls again.
// Its exported fields and data are what a recording has of it; conn is a number,
// that of the connection among those that the Net has made.
type operation struct {
	Op      string           `json:"op"`
	Conn    uint64           `json:"conn,omitempty"`
	Network string           `json:"network,omitempty"` // of opDial and opListen
	Addrs   []netip.AddrPort `json:"addrs,omitempty"`   // to connect to, to bind, to send to
	Size    int              `json:"size,omitempty"`    // of the buffer, in bytes
	Time    time.Duration    `json:"time,omitempty"`    // opDial: it may take so long; opDeadline: the world's time
	Sides   int              `json:"sides,omitempty"`   // opDeadline: readSide, writeSide
	Options []setting        `json:"options,omitempty"` // opSet
	Linger  *Linger          `json:"linger,omitempty"`  // opSet: SO_LINGER
	How     int              `json:"how,omitempty"`     // opShutdown
	Dial    uint64           `json:"dial,omitempty"`    // opCancel: which one, from 1

	n       *Net
	c       *conn
	data    []byte     // what is written; what is read into
	instant time.Time  // opDeadline: of Net.Now, until Time is known
	dial    *operation // opCancel

	limit limit // opDial: ends it

	// The result, once it is done.
	got  int
	from netip.AddrPort
	made *conn
	err  error
	done chan struct{} // closed then; nil: nobody waits
}

// setting is an option of socket(7) and its value.
type setting struct {
	Level int `json:"level"`
	Num   int `json:"num"`
	Value int `json:"value"`
}

// What operations do. The words are those of recordings.
const (
	opDial     = "dial"
	opListen   = "listen"
	opAccept   = "accept"
	opRead     = "read"
	opReadFrom = "recvfrom"
	opWrite    = "write"
	opWriteTo  = "sendto"
	opClose    = "close"
	opShutdown = "shutdown"
	opSet      = "setsockopt"
	opDeadline = "deadline"
	opCancel   = "cancel"
)

// The directions of opDeadline.
const (
	readSide  = 1
	writeSide = 2
)

// make carries the operation out on a thread of the process, also when it is
// replayed.
func (o *operation) make(p *Proc) {
	switch o.Op {
	case opDial:
		o.made, o.err = o.connect(p)
	case opListen:
		var nw network
		if nw, o.err = parseNetwork(o.Network); o.err == nil {
			o.made, o.err = o.n.passive(p, nw, o.Addrs[0])
		}
	case opAccept, opRead, opReadFrom:
		o.got, o.err = o.c.within(p, &o.c.in, o.receive)
	case opWrite, opWriteTo:
		o.got, o.err = o.c.within(p, &o.c.out, o.send)
	case opClose:
		o.err = o.c.end(p)
	default:
		o.err = net.ErrClosed
		if !o.c.closed {
			o.err = o.adjust(p)
		}
	}
}

// connect is opDial: it tries the addresses one after the other.
func (o *operation) connect(p *Proc) (c *conn, err error) {
	nw, err := parseNetwork(o.Network)
	if err != nil {
		return nil, err
	}
	if o.Time > 0 {
		o.limit.at = p.after(o.Time)
	}
	o.limit.enter(p)
	defer o.limit.leave(p)
	for i, a := range o.Addrs {
		c, e := o.n.connect(p, nw, a)
		if e == nil {
			return c, nil
		}
		if i == 0 {
			err = e
		}
		if o.limit.passed(p.Now()) {
			break
		}
	}
	return nil, err
}

// receive is opAccept, opRead and opReadFrom.
func (o *operation) receive(p *Proc) (int, error) {
	c := o.c
	if o.Op == opAccept {
		fd, peer, err := p.Accept(c.fd)
		if err != nil {
			return 0, err
		}
		if o.made, err = c.n.newConn(p, c.network, fd, peer); err != nil {
			_ = p.Close(fd)
		}
		return 0, err
	}
	r, err := p.recvInto(o.Op, c.fd, o.data, 0)
	o.from = r.from
	switch {
	case err != nil:
		return 0, err
	case o.Op == opRead && r.got == 0 && len(o.data) > 0 && c.network.typ == SOCK_STREAM:
		return 0, io.EOF
	}
	return r.got, nil
}

// send is opWrite and opWriteTo.
func (o *operation) send(p *Proc) (int, error) {
	c := o.c
	if o.Op == opWriteTo {
		n, err := p.Sendto(c.fd, o.data, 0, o.Addrs[0])
		return max(n, 0), err
	}
	for sent := 0; ; {
		n, err := p.Write(c.fd, o.data[sent:])
		sent += max(n, 0)
		if err != nil || sent >= len(o.data) {
			return sent, err
		}
		if err := c.check(p, &c.out); err != nil {
			return sent, err
		}
	}
}

// adjust is opShutdown and opSet, which do not wait.
func (o *operation) adjust(p *Proc) error {
	switch {
	case o.Op == opShutdown:
		return p.Shutdown(o.c.fd, o.How)
	case o.Linger != nil:
		return p.Setsockopt(o.c.fd, SOL_SOCKET, SO_LINGER, *o.Linger)
	}
	var errs []error
	for _, v := range o.Options {
		errs = append(errs, p.Setsockopt(o.c.fd, v.Level, v.Num, v.Value))
	}
	return errors.Join(errs...)
}

// move is opDeadline and opCancel, which need no thread: they move limits.
func (o *operation) move() {
	switch {
	case o.Op == opCancel:
		if o.dial != nil { // else it has ended
			o.dial.limit.set(0)
		}
	case o.c.closed: // its directions have ended
	default:
		if o.Sides&readSide != 0 {
			o.c.in.set(o.Time)
		}
		if o.Sides&writeSide != 0 {
			o.c.out.set(o.Time)
		}
	}
}

// moves reports whether the operation needs no thread.
func (o *operation) moves() bool { return o.Op == opDeadline || o.Op == opCancel }

// within makes fn's calls, limited by one direction's deadline.
func (c *conn) within(p *Proc, d *direction, fn func(*Proc) (int, error)) (n int, err error) {
	d.enter(p)
	defer func() {
		d.leave(p)
		if c.closer != nil {
			c.closer.parker.Wake()
		}
	}()
	if d == &c.out {
		if err := c.lock(p); err != nil {
			return 0, err
		}
		defer c.unlock()
	}
	if err := c.check(p, d); err != nil {
		return 0, err
	}
	n, err = fn(p)
	if errors.Is(err, EAGAIN) {
		if e := c.check(p, d); e != nil {
			return n, e
		}
	}
	return n, err
}

// check says why an operation may not begin, or was ended.
func (c *conn) check(p *Proc, d *direction) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case d.passed(p.Now()):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// lock waits until no other thread writes.
func (c *conn) lock(p *Proc) error {
	d := &c.out
	for d.busy {
		if err := c.check(p, d); err != nil {
			return err
		}
		d.queue = append(d.queue, p)
		p.waiting = &call{name: "futex", said: arguments{text: "write lock of " + itoa(c.fd)}}
		p.parker.Park(d.before(NoDeadline))
		p.waiting = nil
		for i, o := range d.queue {
			if o == p {
				d.queue = append(d.queue[:i], d.queue[i+1:]...)
				break
			}
		}
	}
	d.busy = true
	return nil
}

func (c *conn) unlock() {
	d := &c.out
	if d.busy = false; len(d.queue) > 0 {
		d.queue[0].parker.Wake()
	}
}

// end is opClose: the operations in progress end first.
func (c *conn) end(p *Proc) error {
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.in.set(0)
	c.out.set(0)
	for c.closer = p; len(c.in.users)+len(c.out.users) > 0; {
		p.parker.Park(NoDeadline)
	}
	c.closer = nil
	c.n.forget(c)
	return p.Close(c.fd)
}
