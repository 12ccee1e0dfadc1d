package tun

import (
	"fmt"
	"os"
	"sync/atomic"
)

// file is what the implementations over a descriptor share.
type file struct {
	name      string
	mtu       int
	ethernet  bool
	file      *os.File
	closed    atomic.Bool // set ahead of closing the file, so that Close wins over a bad argument
	closeFile func() error
}

func (d *file) Name() string { return d.name }

func (d *file) MTU() int { return d.mtu }

func (d *file) Ethernet() bool { return d.ethernet }

func (d *file) Most() int { return mostOf(d.mtu, d.ethernet) }

func (d *file) Close() error {
	d.closed.Store(true)
	return d.closeFile()
}

// tooLong is the error for a packet that was cut.
func (d *file) tooLong(want, size int) error {
	return &Error{
		Problem: fmt.Sprintf("read %s: a packet of %d bytes does not fit a buffer of %d", d.name, want, size),
		Remedy:  fmt.Sprintf("set the MTU of %s back to %d", d.name, d.mtu),
		Err:     ErrTooLong,
	}
}

// statedLen is the length that the headers of a packet state, 0 if they are unknown.
func (d *file) statedLen(p []byte) int {
	if !d.ethernet {
		return packetLen(p)
	}
	if n := packetLen(p[min(len(p), etherHeader):]); n > 0 && len(p) >= etherHeader && (p[12] == 0x08 || p[12] == 0x86) {
		return n + etherHeader
	}
	return 0
}
