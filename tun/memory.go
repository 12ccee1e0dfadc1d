package tun

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Pipe returns the two ends of a link in memory: what is written to one is read from the other, in
// order and without loss. The ends are named name-a and name-b, and have the same MTU.
//
// Each direction holds depth packets; Write blocks while it is full (with depth 0, until the packet is
// read), unlike a kernel device, which drops. The ends close separately: when one is closed, the other
// still reads what was queued for it and then gets [io.EOF], and its writes fail with [io.ErrClosedPipe].
//
// Packets may have offloads: a pipe divides and completes nothing, and delivers the Offload as it was
// written.
//
// Pipe panics if mtu is less than 1 or depth is negative.
func Pipe(name string, mtu int, depth int) (a, b Device) {
	if mtu < 1 || depth < 0 {
		panic(fmt.Sprintf("tun.Pipe: mtu %d must be positive and depth %d must not be negative", mtu, depth))
	}
	toA, toB := make(chan piped, depth), make(chan piped, depth)
	aClosed, bClosed := make(chan struct{}), make(chan struct{})
	a = newPipeEnd(name+"-a", mtu, toA, toB, aClosed, bClosed)
	b = newPipeEnd(name+"-b", mtu, toB, toA, bClosed, aClosed)
	return a, b
}

// pipeEnd is one end of a Pipe. Its fields never change; the channels synchronise everything.
type pipeEnd struct {
	name       string
	mtu        int
	in         <-chan piped
	out        chan<- piped
	wake       chan struct{}
	closed     <-chan struct{}
	peerClosed <-chan struct{}
	close      func()
}

// piped is a packet under way: a copy, owned by the channel.
type piped struct {
	data []byte
	off  Offload
}

func newPipeEnd(name string, mtu int, in <-chan piped, out chan<- piped, closed chan struct{},
	peerClosed <-chan struct{},
) *pipeEnd {
	return &pipeEnd{
		name: name, mtu: mtu, in: in, out: out, wake: make(chan struct{}, 1), closed: closed, peerClosed: peerClosed,
		close: sync.OnceFunc(func() { close(closed) }),
	}
}

func (e *pipeEnd) Name() string { return e.name }

func (e *pipeEnd) MTU() int { return e.mtu }

func (e *pipeEnd) Ethernet() bool { return false }

func (e *pipeEnd) Most() int { return e.mtu }

func (e *pipeEnd) Read(p []byte) (int, error) {
	if e.isClosed() {
		return 0, errClosed(opRead, e.name)
	}
	if err := checkRead(e, p); err != nil {
		return 0, err
	}
	pkt, err := e.next(nil)
	if err != nil {
		return 0, err
	}
	if len(pkt.data) > len(p) {
		return 0, e.errTooLong(len(pkt.data), len(p))
	}
	pkt.off.Complete(pkt.data)
	return copy(p, pkt.data), nil
}

func (e *pipeEnd) errTooLong(n, size int) error {
	return &Error{Problem: fmt.Sprintf("read %s: a packet of %d bytes does not fit a buffer of %d", e.name, n, size), Err: ErrTooLong}
}

// next waits for a packet; one without data means that stop or wake came first.
func (e *pipeEnd) next(stop <-chan time.Time) (piped, error) {
	var wake chan struct{} // Read has none
	if stop != nil {
		wake = e.wake
	}
	select {
	case pkt := <-e.in:
		return pkt, nil
	case <-e.closed:
		return piped{}, errClosed(opRead, e.name)
	case <-stop:
		return piped{}, nil
	case <-wake:
		return piped{}, nil
	case <-e.peerClosed:
	}
	select { // the peer is gone, but select may have preferred that to a queued packet
	case pkt := <-e.in:
		return pkt, nil
	default:
		return piped{}, io.EOF
	}
}

func (e *pipeEnd) Offloads() bool { return true }

func (e *pipeEnd) OffloadsUDP() bool { return true }

func (e *pipeEnd) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // it will wake already
	}
}

func (e *pipeEnd) ReadBatch(ps []Packet, timeout time.Duration) (n int, err error) {
	if e.isClosed() {
		return 0, errClosed(opRead, e.name)
	}
	if err := checkReadBatch(e.name, MaxSuper, ps); err != nil {
		return 0, err
	}
	stop := make(<-chan time.Time) // without limit
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		stop = timer.C
	}
	for ; n < len(ps); n++ {
		var pkt piped
		select {
		case pkt = <-e.in:
		default:
			if n > 0 || timeout == 0 && !e.over() {
				return n, nil
			}
			if pkt, err = e.next(stop); err != nil || pkt.data == nil {
				return n, err
			}
		}
		if len(pkt.data) > ps[n].size() {
			return n, e.errTooLong(len(pkt.data), ps[n].size())
		}
		ps[n].Offload = pkt.off
		ps[n].scatter(pkt.data)
	}
	return n, nil
}

// over reports whether the other end is closed.
func (e *pipeEnd) over() bool {
	select {
	case <-e.peerClosed:
		return true
	default:
		return false
	}
}

func (e *pipeEnd) WriteBatch(ps []Packet) (lost int, err error) {
	for i := range ps {
		werr := error(nil)
		if e.isClosed() {
			werr = errClosed(opWrite, e.name)
		} else if werr = checkWriteBatch(e, &ps[i]); werr == nil {
			werr = e.send(piped{ps[i].flat(), ps[i].Offload})
		}
		if werr != nil {
			lost++
			if err == nil {
				err = werr
			}
		}
	}
	return lost, err
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	if e.isClosed() {
		return 0, errClosed(opWrite, e.name)
	}
	if err := checkWrite(e, p); err != nil {
		return 0, err
	}
	if err := e.send(piped{data: bytes.Clone(p)}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send puts a packet into the queue, when there is room.
func (e *pipeEnd) send(pkt piped) error {
	if e.over() { // ahead of the queue, which may have room
		return e.errPeerClosed()
	}
	select {
	case e.out <- pkt:
		return nil
	case <-e.closed:
		return errClosed(opWrite, e.name)
	case <-e.peerClosed:
		return e.errPeerClosed()
	}
}

func (e *pipeEnd) Close() error {
	e.close()
	return nil
}

func (e *pipeEnd) isClosed() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

func (e *pipeEnd) errPeerClosed() error {
	return &Error{Problem: fmt.Sprintf("write %s: the other end is closed", e.name), Err: io.ErrClosedPipe}
}
