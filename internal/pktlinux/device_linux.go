package pktlinux

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"fivetuple/scenarios/packetdrill"
	"fivetuple/tun"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// deviceName is what scripts call the device.
const deviceName = "tun0"

// device is the namespace, the TUN device in it, and what is captured there.
type device struct {
	netns   *os.File // of the thread
	tun     *os.File
	tunFD   int
	sniffer int // a packet socket on the device, or -1
	buf     []byte
	oob     []byte
}

// enter moves the calling thread to a new network namespace.
func (t *Target) enter() error {
	t.sniffer, t.wake = -1, -1
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a network namespace: %w: run as root (CAP_SYS_ADMIN)", err)
	}
	first()
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	t.netns = f
	if t.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	return tun.LoopbackUp()
}

// openDevice makes the device, with packetdrill's addresses: the host's on a
// network of 16 or 64 bits, the script's behind a gateway in it.
func (t *Target) openDevice(set *packetdrill.Settings) error {
	f, err := tun.OpenFile(deviceName, nil)
	if err != nil {
		return err
	}
	t.tun = f
	if t.tunFD, err = offload(f); err != nil {
		return err
	}
	bits, gateway := 16, netip.MustParseAddr("192.168.0.2")
	if set.LocalIP.Is6() {
		bits, gateway = 64, netip.MustParseAddr("fd3d:fa7b:d17d:8888::2")
	}
	for _, name := range []string{"net/ipv6/conf/tun0/accept_dad", "net/ipv6/conf/tun0/router_solicitations"} {
		_ = writeSysctl(name, "0") // without IPv6 in the kernel there is none
	}
	own := netip.PrefixFrom(set.LocalIP, bits)
	if err := tun.Configure(deviceName, []netip.Prefix{own}, nil, set.MTU); err != nil {
		return err
	}
	if err := t.plainQueue(); err != nil {
		return err
	}
	if gateway == set.LocalIP || !own.Contains(gateway) {
		gateway = own.Masked().Addr().Next().Next().Next()
	}
	if !own.Contains(set.RemoteIP) {
		if err := t.route(set.RemoteIP, gateway); err != nil {
			return err
		}
	}
	return t.capture()
}

// offload lets the device take what the stack would have a card segment, so
// that a packet is one that the stack has sent: TUNSETOFFLOAD, tun(4).
//
// It returns the descriptor, which does not wait.
func offload(f *os.File) (fd int, err error) {
	const all = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	c, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var bad error
	err = c.Control(func(p uintptr) {
		fd = int(p)
		bad = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, all)
	})
	return fd, errors.Join(err, bad)
}

// link is the device, for netlink.
func link() (netlink.Link, error) { return netlink.LinkByName(deviceName) }

// route sends what is for the script to the device.
func (t *Target) route(to, gateway netip.Addr) error {
	l, err := link()
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: netlink.NewIPNet(to.AsSlice()), Gw: gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
	if err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, gateway, err)
	}
	return nil
}

// plainQueue makes sure that the device's queue does not pace, whatever
// net.core.default_qdisc says: tc-pfifo(8).
func (t *Target) plainQueue() error {
	return t.queue("pfifo", -1)
}

func (t *Target) closeDevice() {
	for _, fd := range []int{t.sniffer, t.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	closeFile(t.tun)
	closeFile(t.netns)
}
