package tun

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// Pipe returns the two ends of a link in memory: what is written to one is read from the other, in
// order and without loss. The ends are named name-a and name-b, and have the same MTU.
//
// Each direction holds depth packets; Write blocks while it is full (with depth 0, until the packet is
// read), unlike a kernel device, which drops. The ends close separately: when one is closed, the other
// still reads what was queued for it and then gets [io.EOF], and its writes fail with [io.ErrClosedPipe].
//
// Pipe panics if mtu is less than 1 or depth is negative.
func Pipe(name string, mtu int, depth int) (a, b Device) {
	if mtu < 1 || depth < 0 {
		panic(fmt.Sprintf("tun.Pipe: mtu %d must be positive and depth %d must not be negative", mtu, depth))
	}
	toA, toB := make(chan []byte, depth), make(chan []byte, depth)
	aClosed, bClosed := make(chan struct{}), make(chan struct{})
	a = newPipeEnd(name+"-a", mtu, toA, toB, aClosed, bClosed)
	b = newPipeEnd(name+"-b", mtu, toB, toA, bClosed, aClosed)
	return a, b
}

// pipeEnd is one end of a Pipe. Its fields never change; the channels synchronise everything.
type pipeEnd struct {
	name       string
	mtu        int
	in         <-chan []byte // packets are copies, owned by the channel
	out        chan<- []byte
	closed     <-chan struct{}
	peerClosed <-chan struct{}
	close      func()
}

func newPipeEnd(name string, mtu int, in <-chan []byte, out chan<- []byte, closed chan struct{},
	peerClosed <-chan struct{},
) *pipeEnd {
	return &pipeEnd{
		name: name, mtu: mtu, in: in, out: out, closed: closed, peerClosed: peerClosed,
		close: sync.OnceFunc(func() { close(closed) }),
	}
}

func (e *pipeEnd) Name() string { return e.name }

func (e *pipeEnd) MTU() int { return e.mtu }

func (e *pipeEnd) Read(p []byte) (int, error) {
	if e.isClosed() {
		return 0, errClosed(opRead, e.name)
	}
	if err := checkRead(e.name, e.mtu, p); err != nil {
		return 0, err
	}
	select {
	case pkt := <-e.in:
		return copy(p, pkt), nil
	case <-e.closed:
		return 0, errClosed(opRead, e.name)
	case <-e.peerClosed:
	}
	select { // the peer is gone, but select may have preferred that to a queued packet
	case pkt := <-e.in:
		return copy(p, pkt), nil
	default:
		return 0, io.EOF
	}
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	if e.isClosed() {
		return 0, errClosed(opWrite, e.name)
	}
	if err := checkWrite(e.name, e.mtu, p); err != nil {
		return 0, err
	}
	select {
	case <-e.peerClosed: // ahead of the queue, which may have room
		return 0, e.errPeerClosed()
	default:
	}
	select {
	case e.out <- bytes.Clone(p):
		return len(p), nil
	case <-e.closed:
		return 0, errClosed(opWrite, e.name)
	case <-e.peerClosed:
		return 0, e.errPeerClosed()
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
