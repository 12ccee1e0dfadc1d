package tun

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"
)

// How this file uses water (version of 2020-03-17, the last one):
//
//   - water opens /dev/net/tun with O_NONBLOCK, attaches the descriptor to the device and then calls
//     os.NewFile, which puts a nonblocking descriptor into Go's poller. So a blocked Read parks its
//     goroutine, Close unblocks it, and Close returns only once the descriptor is closed.
//   - water does not set O_CLOEXEC: a child process would keep the device alive. newWater does.
//   - water sets or clears the persist flag of whatever it attaches to: see Open.
//   - water does not close the descriptor when the kernel refuses it (busy name, no privilege).

// newWater opens the device with a descriptor that children do not inherit, and returns its actual name.
func newWater(name string, ethernet, persistent bool) (string, *os.File, error) {
	syscall.ForkLock.RLock() // no fork between open and FD_CLOEXEC
	defer syscall.ForkLock.RUnlock()
	kind := water.DeviceType(water.TUN)
	if ethernet {
		kind = water.TAP
	}
	ifce, err := water.New(water.Config{
		DeviceType:             kind,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, Persist: persistent},
	})
	if err != nil {
		return "", nil, err
	}
	file, ok := ifce.ReadWriteCloser.(*os.File)
	if !ok {
		panic(fmt.Sprintf("tun: water holds a %T, want an *os.File", ifce.ReadWriteCloser))
	}
	conn, err := file.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { unix.CloseOnExec(int(fd)) })
	}
	if err != nil {
		file.Close() // the first error is the one to report
		return "", nil, err
	}
	return ifce.Name(), file, nil
}

// waterDevice is a Device over water. It needs no lock: os.File allows every call at any time.
type waterDevice struct {
	file
	woken atomic.Bool // the deadline may have passed because of Wake
}

func (d *waterDevice) Offloads() bool { return false }

func (d *waterDevice) OffloadsUDP() bool { return false }

func (d *waterDevice) Read(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	if err := checkRead(d, p); err != nil {
		return 0, err
	}
	n, err := d.read(p)
	for errors.Is(err, os.ErrDeadlineExceeded) { // of a ReadBatch before, or of a Wake for the next one
		if err := d.file.file.SetReadDeadline(time.Time{}); err != nil {
			return 0, d.ioError(opRead, err)
		}
		n, err = d.read(p)
	}
	return n, err
}

// read is Read of a buffer that is long enough.
func (d *waterDevice) read(p []byte) (int, error) {
	n, err := d.file.file.Read(p)
	if err != nil {
		return 0, d.ioError(opRead, err)
	}
	// The kernel cuts a packet that is longer than the buffer and does not say so, but the packet does.
	if want := d.statedLen(p[:n]); n == len(p) && want > n {
		return 0, d.tooLong(want, len(p))
	}
	return n, nil
}

func (d *waterDevice) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opWrite, d.name)
	}
	if err := checkWrite(d, p); err != nil {
		return 0, err
	}
	n, err := d.file.file.Write(p)
	if err != nil {
		return 0, d.ioError(opWrite, err)
	}
	return n, nil
}

// ReadBatch reads one packet at most: os.File's deadline is what ends its wait.
func (d *waterDevice) ReadBatch(ps []Packet, timeout time.Duration) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	if err := checkReadBatch(d.name, d.Most(), ps); err != nil || len(ps) == 0 {
		return 0, err
	}
	limit := time.Time{}
	if timeout > 0 {
		limit = time.Now().Add(timeout)
	}
	// Ahead of woken: a Wake in between ends the read that follows.
	if err := d.file.file.SetReadDeadline(limit); err != nil {
		return 0, d.ioError(opRead, err)
	}
	if d.woken.Swap(false) && timeout != 0 {
		return 0, nil
	}
	buf := make([]byte, d.Most())
	n, err := d.readWithin(buf, timeout)
	if err != nil || n == 0 {
		return 0, err
	}
	ps[0].Offload = Offload{}
	ps[0].scatter(buf[:n])
	return 1, nil
}

// readWithin reads a packet; 0 bytes mean that there is none yet.
func (d *waterDevice) readWithin(buf []byte, timeout time.Duration) (n int, err error) {
	if timeout == 0 {
		raw, rerr := d.file.file.SyscallConn()
		if rerr == nil {
			rerr = raw.Read(func(fd uintptr) bool {
				n, err = unix.Read(int(fd), buf)
				return true
			})
		}
		if errors.Is(err, unix.EAGAIN) {
			return 0, nil
		}
		if err = errors.Join(rerr, err); err != nil {
			return 0, d.ioError(opRead, err)
		}
		return n, nil
	}
	if n, err = d.read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
		d.woken.Store(false)
		return 0, nil
	}
	return n, err
}

func (d *waterDevice) Wake() {
	d.woken.Store(true)
	_ = d.file.file.SetReadDeadline(time.Unix(1, 0))
}

func (d *waterDevice) WriteBatch(ps []Packet) (lost int, err error) {
	for i := range ps {
		werr := checkWriteBatch(d, &ps[i])
		if d.closed.Load() {
			werr = errClosed(opWrite, d.name)
		}
		if werr == nil {
			_, werr = d.Write(ps[i].flat())
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
