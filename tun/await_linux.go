package tun

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Await waits until one of the devices has a packet, or Wake was called for one of them, for at most timeout (less
// than 0: without limit). It need not be exact: ReadBatch with a timeout of 0 says what there is.
//
// Devices of mode [Water] cannot be waited for together: errors.Is(err, [errors.ErrUnsupported]) holds.
func Await(devs []Device, timeout time.Duration) error {
	if len(devs) == 0 {
		return nil
	}
	fast := make([]*fastDevice, len(devs))
	for i, d := range devs {
		f, ok := d.(*fastDevice)
		if !ok {
			return &Error{Problem: fmt.Sprintf("device %s cannot be waited for beside others", d.Name()),
				Remedy: "use a device of mode offload or raw", Err: errors.ErrUnsupported}
		}
		if f.closed.Load() {
			return errClosed(opRead, f.name)
		}
		fast[i] = f
	}
	busy := &fast[0].busy
	for _, d := range fast[1:] {
		if d.busy.received.After(busy.received) {
			busy.received = d.busy.received
		}
	}
	return awaitFast(fast, make([]unix.PollFd, 0, perDevice*len(fast)), timeout, busy)
}

// perDevice is how many descriptors a device is waited for with: its own, its eventfd, and that of AlsoAwait.
const perDevice = 3

// awaitFast takes hold of the descriptors of one device after the other, and then waits. fds has those that it holds.
func awaitFast(devs []*fastDevice, fds []unix.PollFd, timeout time.Duration, busy *busyPoll) (err error) {
	if len(devs) == 0 {
		return poll(fds, timeout, busy)
	}
	var inner error
	err = devs[0].raw.Control(func(fd uintptr) {
		err := devs[0].rawWake.Control(func(wake uintptr) {
			inner = awaitFast(devs[1:], devs[0].appendPolled(fds, fd, wake), timeout, busy)
		})
		inner = errors.Join(err, inner)
	})
	return errors.Join(err, inner)
}

// appendPolled appends what the device is waited for with.
func (d *fastDevice) appendPolled(fds []unix.PollFd, fd, wake uintptr) []unix.PollFd {
	also := int32(-1) // which ppoll passes over
	if d.also > 0 {
		also = int32(d.also)
	}
	for _, n := range [perDevice]int32{int32(fd), int32(wake), also} {
		fds = append(fds, unix.PollFd{Fd: n, Events: unix.POLLIN})
	}
	return fds
}

// poll waits, and takes what was written to the eventfds.
func poll(fds []unix.PollFd, timeout time.Duration, busy *busyPoll) error {
	// With one processor, others who can run would wait until the scheduler sees that this call takes long.
	runtime.Gosched()
	if busy.ask(fds, timeout) {
		timeout = 0
	} else if busy.awake != nil {
		timeout = busy.awake.limit(time.Now(), timeout)
	}
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	_, err := unix.Ppoll(fds, ts, nil)
	if errors.Is(err, unix.EINTR) {
		err = nil // nothing yet: the caller comes back
	}
	for i := 1; i < len(fds); i += perDevice {
		if fds[i].Revents != 0 {
			var count [8]byte
			_, _ = unix.Read(int(fds[i].Fd), count[:])
		}
	}
	return err
}
