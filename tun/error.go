package tun

import (
	"fmt"
	"io"
	"os"
)

// Error is a failure of this package: one sentence on what went wrong and, where the user can do
// something about it, one on what to do.
type Error struct {
	Problem string // names the device, address or route: "device ft0 is in use by another process"
	Remedy  string // what the user can do: "choose another name"; may be empty
	Err     error  // the cause, for errors.Is: an errno, os.ErrClosed, ErrTooLong and so on; may be nil
}

// Error returns "problem: remedy".
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Problem
	}
	return e.Problem + ": " + e.Remedy
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The operations that a Device's errors name.
const (
	opRead  = "read"
	opWrite = "write"
)

// errClosed is what Read and Write return after Close.
func errClosed(op, name string) error {
	return &Error{Problem: fmt.Sprintf("%s %s: the device is closed", op, name), Err: os.ErrClosed}
}

// checkRead refuses a buffer that could not hold every packet the device may deliver.
func checkRead(d Device, p []byte) error {
	if len(p) >= d.Most() {
		return nil
	}
	return &Error{
		Problem: fmt.Sprintf("read %s: a buffer of %d bytes is shorter than %s", d.Name(), len(p), mostWords(d)),
		Err:     io.ErrShortBuffer,
	}
}

// mostWords says what the longest packet is.
func mostWords(d Device) string {
	if d.Ethernet() {
		return fmt.Sprintf("the MTU of %d and %d for the frame's header", d.MTU(), FrameHeader)
	}
	return fmt.Sprintf("the MTU of %d", d.MTU())
}

// checkWrite refuses what a device cannot carry.
func checkWrite(d Device, p []byte) error {
	first := byte(0)
	if len(p) > 0 {
		first = p[0]
	}
	if err := checkPacket(d, len(p), first); err != nil {
		return err
	}
	if len(p) > d.Most() {
		return &Error{
			Problem: fmt.Sprintf("write %s: a packet of %d bytes is longer than %s", d.Name(), len(p), mostWords(d)),
			Err:     ErrTooLong,
		}
	}
	return nil
}

// etherHeader is the length in bytes of an Ethernet header.
const etherHeader = 14

// checkPacket refuses what is no packet, of n bytes that begin with first.
func checkPacket(d Device, n int, first byte) error {
	switch {
	case d.Ethernet() && n < etherHeader:
		return &Error{Problem: fmt.Sprintf("write %s: %d bytes are no Ethernet frame", d.Name(), n), Err: ErrNotFrame}
	case d.Ethernet():
	case n == 0:
		return &Error{Problem: fmt.Sprintf("write %s: an empty packet is not an IP packet", d.Name()), Err: ErrNotIP}
	case first>>4 != 4 && first>>4 != 6:
		return &Error{
			Problem: fmt.Sprintf("write %s: a packet of IP version %d is neither IPv4 nor IPv6", d.Name(), first>>4),
			Err:     ErrNotIP,
		}
	}
	return nil
}
