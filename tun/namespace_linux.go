package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LoopbackUp brings up "lo" in the network namespace of the calling thread: in
// a new one it is down.
func LoopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

// OpenFile makes a TUN device in the network namespace of the calling thread, or
// with a mac a TAP device that has this address, and returns its descriptor: each
// read and each write is one IP packet, or one Ethernet frame. It is what one
// process opens for another, to which the descriptor is passed; the device lives
// as long as one is open. The error is an [*Error].
func OpenFile(name string, mac net.HardwareAddr) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(name, err)
	}
	f := os.NewFile(uintptr(fd), "/dev/net/tun")
	req, err := unix.NewIfreq(name)
	if err == nil {
		kind := uint16(unix.IFF_TUN)
		if mac != nil {
			kind = unix.IFF_TAP
		}
		req.SetUint16(kind | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		f.Close() // the first error is the one to report
		return nil, openError(name, fmt.Errorf("TUNSETIFF: %w", err))
	}
	if mac != nil {
		if err := setMAC(name, mac); err != nil {
			f.Close()
			return nil, configError(fmt.Sprintf("give %s the address %s", name, mac), err)
		}
	}
	return f, nil
}

// setMAC gives an interface that is down its Ethernet address.
func setMAC(name string, mac net.HardwareAddr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetHardwareAddr(link, mac)
}

// RouteVia sends what is for dst to the router via, which is on the network of an
// Ethernet device. It acts on the network namespace of the calling thread; the
// device's end removes it. The error is an [*Error].
func RouteVia(device string, dst netip.Prefix, via netip.Addr) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return lookupError(device, err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(dst), Gw: via.AsSlice()}
	return configError(fmt.Sprintf("add route %s through the router %s on %s", dst, via, device), netlink.RouteAdd(route))
}

// NamespacePath is the file of a network namespace that a person names: one of
// ip-netns(8)'s by its name, one of a process's by its number, or any by its
// path.
func NamespacePath(name string) string {
	switch {
	case strings.Contains(name, "/"):
		return name
	case strings.Trim(name, "0123456789") == "":
		return "/proc/" + name + "/ns/net"
	}
	return "/run/netns/" + name
}

// InNamespace calls f on a thread that is in the network namespace of the file
// path, and ends with the call: what f opens there stays there. It needs
// CAP_SYS_ADMIN. The error is f's, or an [*Error].
func InNamespace(path string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		err := enterNamespace(path)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func enterNamespace(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setns(fd, unix.CLONE_NEWNET)
		unix.Close(fd)
	}
	if err == nil {
		return nil
	}
	remedy := "make it with: ip netns add NAME"
	switch {
	case strings.HasPrefix(path, "/proc/") && errors.Is(err, unix.ENOENT):
		remedy = "name a process that runs"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		remedy = "run as root"
	case errors.Is(err, unix.EINVAL):
		remedy = "name a network namespace: /run/netns/NAME or /proc/PID/ns/net"
	}
	return &Error{Problem: fmt.Sprintf("enter the network namespace %s: %v", path, err), Remedy: remedy, Err: err}
}
