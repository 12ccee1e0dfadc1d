package tun

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Open makes the TUN or TAP device that cfg describes, down and without addresses; see [Configure].
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
	persistent, err := existing(cfg.Name, cfg.Ethernet)
	if err != nil {
		return nil, err
	}
	if cfg.Mode == Raw || cfg.Mode == Water {
		return openMode(cfg, cfg.Mode, persistent)
	}
	if cfg.Mode == Vnet {
		d, err := openMode(cfg, Vnet, persistent)
		if errors.Is(err, errMode) {
			err = &Error{Problem: fmt.Sprintf("open device %s: %v", cfg.Name, err), Remedy: "use another mode", Err: err}
		}
		return d, err
	}
	for _, mode := range []Mode{Vnet, Raw} {
		d, err := openMode(cfg, mode, persistent)
		if err == nil || !errors.Is(err, errMode) {
			return d, err
		}
		if cfg.Notice != nil {
			cfg.Notice(fmt.Sprintf("no device mode %s: %v", mode, err))
		}
	}
	return openMode(cfg, Water, persistent)
}

// openMode opens the device in one mode.
func openMode(cfg Config, mode Mode, persistent bool) (Device, error) {
	if hasMode != nil && !hasMode(mode) {
		return nil, fmt.Errorf("%w (%s)", errMode, mode)
	}
	if mode != Water {
		return openFast(cfg, mode == Vnet)
	}
	name, f, err := newWater(cfg.Name, cfg.Ethernet, persistent)
	if err != nil {
		return nil, openError(cfg.Name, err)
	}
	if err := ensureMTU(name, cfg.MTU); err != nil {
		f.Close() // the first error is the one to report
		return nil, err
	}
	return &waterDevice{file: file{
		name: name, mtu: cfg.MTU, ethernet: cfg.Ethernet, file: f,
		closeFile: sync.OnceValue(func() error { return deviceError("close", name, f.Close()) }),
	}}, nil
}

// hasMode is set by tests, for kernels that this machine has not.
var hasMode func(Mode) bool

// existing says whether a device of that name is there to attach to, which only a persistent one is. A
// nonpersistent one exists exactly as long as somebody holds it, so it is busy.
func existing(name string, ethernet bool) (persistent bool, err error) {
	if name == "" {
		return false, nil
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return false, nil // not there, or not to be seen: the kernel decides
	}
	mode, kind := netlink.TuntapMode(netlink.TUNTAP_MODE_TUN), "TUN"
	if ethernet {
		mode, kind = netlink.TUNTAP_MODE_TAP, "TAP"
	}
	device, ok := link.(*netlink.Tuntap)
	if !ok || device.Mode != mode {
		return false, &Error{
			Problem: fmt.Sprintf("device %s exists and is not a %s device", name, kind),
			Remedy:  remedyName,
			Err:     unix.EEXIST,
		}
	}
	if device.Flags&netlink.TUNTAP_MULTI_QUEUE != 0 { // the kernel's EINVAL would not say that
		return false, &Error{
			Problem: fmt.Sprintf("device %s has several queues", name),
			Remedy:  "make it without multi_queue, or choose another name",
			Err:     unix.EINVAL,
		}
	}
	if device.NonPersist {
		return false, openError(name, unix.EBUSY)
	}
	return true, nil
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
