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
	Remedy  string // what the user can do: "choose another --tun name"; may be empty
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
func checkRead(name string, mtu int, p []byte) error {
	if len(p) >= mtu {
		return nil
	}
	return &Error{
		Problem: fmt.Sprintf("read %s: a buffer of %d bytes is shorter than the MTU of %d", name, len(p), mtu),
		Err:     io.ErrShortBuffer,
	}
}

// checkWrite refuses what a device cannot carry.
func checkWrite(name string, mtu int, p []byte) error {
	switch {
	case len(p) == 0:
		return &Error{Problem: fmt.Sprintf("write %s: an empty packet is not an IP packet", name), Err: ErrNotIP}
	case p[0]>>4 != 4 && p[0]>>4 != 6:
		return &Error{
			Problem: fmt.Sprintf("write %s: a packet of IP version %d is neither IPv4 nor IPv6", name, p[0]>>4),
			Err:     ErrNotIP,
		}
	case len(p) > mtu:
		return &Error{
			Problem: fmt.Sprintf("write %s: a packet of %d bytes is longer than the MTU of %d", name, len(p), mtu),
			Err:     ErrTooLong,
		}
	}
	return nil
}
