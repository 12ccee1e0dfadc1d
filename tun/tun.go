// Package tun moves IP packets between this program and the operating system through TUN devices, and
// Ethernet frames through TAP devices.
//
//   - [Device] is the seam: one IP packet a call, or all that are there, with what is left to do to
//     them ([Packet]). Everything above it knows no other type.
//   - [Open] makes a real device (Linux); [Configure] gives it addresses, routes and its link state.
//   - [Pipe] makes a pair of devices in memory, for tests and for programs without privileges.
//   - [Error] is what every function here fails with: the problem, the remedy and the cause.
//
// The package sits beside the simulator: it knows neither worlds nor sockets, so real devices work
// without them. Package tuntest holds the contract of [Device] as a test; each implementation passes it.
//
// Sharp edges:
//
//   - A device is down until [Configure] has run. While it is down, writes fail and nothing is read.
//   - An interface that comes up with IPv6 enabled talks on its own: router solicitations and
//     multicast listener reports arrive from the kernel before any packet of yours. Expect them.
//   - The kernel drops packets when nobody reads: its queue holds 500 by default (txqueuelen).
//   - The kernel does not verify what is written beyond the IP version; checksums are the writer's job.
//   - Children inherit no descriptor of a device, so a device is gone when its Close returns.
//   - With offloads on, a device carries super-packets: read it with ReadBatch.
//   - A failed [Open] of mode [Water] may cost one file descriptor until the process ends: the library below does not
//     close it after a refusal by the kernel. What can be checked beforehand is, so this is rare.
package tun

import (
	"errors"
	"time"
)

// Device is one end of a network interface that carries bare IP packets, without a link header; or, if
// Ethernet says so, Ethernet frames (without their check sequence). "Packet" means either below.
//
// The contract, which every implementation keeps:
//
//   - A call of Read or Write moves one whole packet, never a part and never two.
//   - The caller owns p, and the memory of ps. The device uses it during the call only and keeps no
//     reference to it.
//   - Reads and writes may run concurrently with each other and with Close. Only one of Read and
//     ReadBatch may run at a time, and only one of Write and WriteBatch.
//   - After Close every call that reads or writes fails with an error for which
//     errors.Is(err, [os.ErrClosed]) holds, including those that were blocked when Close was called.
type Device interface {
	// Name is the interface's name, such as "ft0". It does not change and stays valid after Close.
	Name() string

	// MTU is the length in bytes of the largest IP packet. It does not change.
	MTU() int

	// Ethernet reports whether packets are Ethernet frames. Most is the length in bytes of the largest
	// packet that Read delivers and Write accepts: the MTU, and FrameHeader more for frames.
	Ethernet() bool
	Most() int

	// Read blocks until a packet arrives from the other side, copies it to p and returns its length.
	// p must hold at least Most bytes: with less, Read returns [io.ErrShortBuffer] at once and
	// takes no packet. A packet that does not fit p all the same (somebody raised the interface's MTU)
	// is lost and reported as [ErrTooLong]; it is never cut. The device can still be read after either.
	// Where a checksum was left open, Read completes it; with offloads on, super-packets are too long.
	Read(p []byte) (int, error)

	// Write hands the packet p to the other side and returns len(p). It may block while the other side
	// has no room. It refuses, returning 0, what is longer than Most with [ErrTooLong] and what does
	// not start like an IP packet with [ErrNotIP], or is too short for a frame with [ErrNotFrame]. The device can still be written after either.
	Write(p []byte) (int, error)

	// Offloads reports whether packets may have an [Offload] in either direction. Without, ReadBatch
	// delivers packets of at most Most bytes with nothing left to do.
	Offloads() bool

	// OffloadsUDP reports whether one of them is SegmentUDP.
	OffloadsUDP() bool

	// ReadBatch takes packets that are there, at most one for each element of ps and in order, and
	// returns how many. It waits for the first of them for at most timeout (less than 0: without
	// limit; 0: not at all) and for no other; 0 packets without an error mean that the time is over or
	// that Wake was called. It need not take all that are there.
	//
	// The Data of each element must have room for Most bytes, or with offloads for [MaxSuper], and
	// FrameHeader more for frames; with less, it returns [io.ErrShortBuffer] at once and takes nothing. A
	// packet that does not fit all the same is lost, and reported as [ErrTooLong] behind those that were
	// read before it.
	ReadBatch(ps []Packet, timeout time.Duration) (n int, err error)

	// Wake makes the ReadBatch that waits return, or else the next one that would. Any goroutine may
	// call it.
	Wake()

	// WriteBatch hands over packets, in order. Those that fail, for a reason that Write has too, are
	// lost: it goes on with the others and returns how many were lost, with the first error. What has
	// Segments may have up to [MaxSuper] bytes, and FrameHeader more for frames. Without offloads, it refuses an Offload with
	// [errors.ErrUnsupported].
	WriteBatch(ps []Packet) (lost int, err error)

	// Close ends the device and unblocks Read and Write. It may be called more than once and from any
	// goroutine; the later calls do nothing and return what the first returned.
	Close() error
}

// Causes of an [Error] that a caller may want to tell apart with [errors.Is].
var (
	// ErrTooLong means that a packet is longer than the MTU, or than the buffer of Read.
	ErrTooLong = errors.New("packet is too long")

	// ErrNotIP means that the bytes given to Write do not start with an IP version of 4 or 6.
	ErrNotIP = errors.New("not an IPv4 or IPv6 packet")

	// ErrNotFrame means that the bytes given to Write are fewer than an Ethernet header has.
	ErrNotFrame = errors.New("not an Ethernet frame")
)
