package tun

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// How this file uses water (version of 2020-03-17, the last one):
//
//   - water opens /dev/net/tun with O_NONBLOCK, attaches the descriptor to the device and then calls
//     os.NewFile, which puts a nonblocking descriptor into Go's poller. So a blocked Read parks its
//     goroutine, Close unblocks it, and Close returns only once the descriptor is closed.
//   - water does not set O_CLOEXEC: a child process would keep the device alive. newWater does.
//   - water sets or clears the persist flag of whatever it attaches to: see existing.
//   - water does not close the descriptor when the kernel refuses it (busy name, no privilege).

// Open makes the TUN device that cfg describes, down and without addresses; see [Configure].
//
// The device is gone when Close returns. The exception is a device that was made persistent before
// (ip tuntap add ft0 mode tun user alice): Open attaches to it, which needs no privilege if it belongs
// to the user and has the right MTU, and Close leaves it in place.
//
// The returned error is an [*Error]. For want of privilege, errors.Is(err, [os.ErrPermission]) holds.
func Open(cfg Config) (Device, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	persistent, err := existing(cfg.Name)
	if err != nil {
		return nil, err
	}
	name, file, err := newWater(cfg.Name, persistent)
	if err != nil {
		return nil, openError(cfg.Name, err)
	}
	if err := ensureMTU(name, cfg.MTU); err != nil {
		file.Close() // the first error is the one to report
		return nil, err
	}
	return &waterDevice{
		name: name, mtu: cfg.MTU, file: file,
		closeFile: sync.OnceValue(func() error { return deviceError("close", name, file.Close()) }),
	}, nil
}

// existing says whether a device of that name is there to attach to, which only a persistent one is. A
// nonpersistent one exists exactly as long as somebody holds it, so it is busy.
func existing(name string) (persistent bool, err error) {
	if name == "" {
		return false, nil
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return false, nil // not there, or not to be seen: the kernel decides
	}
	device, ok := link.(*netlink.Tuntap)
	if !ok || device.Mode != netlink.TUNTAP_MODE_TUN {
		return false, &Error{
			Problem: fmt.Sprintf("device %s exists and is not a TUN device", name),
			Remedy:  "choose another --tun name",
			Err:     unix.EEXIST,
		}
	}
	if device.NonPersist {
		return false, openError(name, unix.EBUSY)
	}
	return true, nil
}

// newWater opens the device with a descriptor that children do not inherit, and returns its actual name.
func newWater(name string, persistent bool) (string, *os.File, error) {
	syscall.ForkLock.RLock() // no fork between open and FD_CLOEXEC
	defer syscall.ForkLock.RUnlock()
	ifce, err := water.New(water.Config{
		DeviceType:             water.TUN,
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

// ensureMTU makes the kernel agree with Config.MTU, so that no packet is longer than Read's buffer.
func ensureMTU(name string, mtu int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return lookupError(name, err)
	}
	if link.Attrs().MTU == mtu {
		return nil
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return configError(fmt.Sprintf("change the MTU of %s from %d to %d", name, link.Attrs().MTU, mtu), err)
	}
	return nil
}

// waterDevice is a Device over water. It needs no lock: os.File allows every call at any time.
type waterDevice struct {
	name      string
	mtu       int
	file      *os.File
	closed    atomic.Bool // set ahead of closing the file, so that Close wins over a bad argument
	closeFile func() error
}

func (d *waterDevice) Name() string { return d.name }

func (d *waterDevice) MTU() int { return d.mtu }

func (d *waterDevice) Read(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	if err := checkRead(d.name, d.mtu, p); err != nil {
		return 0, err
	}
	n, err := d.file.Read(p)
	if err != nil {
		return 0, d.ioError(opRead, err)
	}
	// The kernel cuts a packet that is longer than the buffer and does not say so, but the packet does.
	if want := packetLen(p[:n]); n == len(p) && want > n {
		return 0, &Error{
			Problem: fmt.Sprintf("read %s: a packet of %d bytes does not fit a buffer of %d", d.name, want, len(p)),
			Remedy:  fmt.Sprintf("set the MTU of %s back to %d", d.name, d.mtu),
			Err:     ErrTooLong,
		}
	}
	return n, nil
}

func (d *waterDevice) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opWrite, d.name)
	}
	if err := checkWrite(d.name, d.mtu, p); err != nil {
		return 0, err
	}
	n, err := d.file.Write(p)
	if err != nil {
		return 0, d.ioError(opWrite, err)
	}
	return n, nil
}

func (d *waterDevice) Close() error {
	d.closed.Store(true)
	return d.closeFile()
}
