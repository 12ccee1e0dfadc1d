package tun

import (
	"fmt"
	"os"

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

// OpenFile makes a TUN device in the network namespace of the calling thread,
// and returns its descriptor: each read and each write is one IP packet. It is
// what one process opens for another, to which the descriptor is passed; the
// device lives as long as one is open. The error is an [*Error].
func OpenFile(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(name, err)
	}
	f := os.NewFile(uintptr(fd), "/dev/net/tun")
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		f.Close() // the first error is the one to report
		return nil, openError(name, fmt.Errorf("TUNSETIFF: %w", err))
	}
	return f, nil
}
