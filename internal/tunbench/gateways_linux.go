package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
)

// A gateway's client is in a namespace of its own, whose default route is the
// gateway's device. The gateway's sockets are in the lab's namespace, beside
// the server.

// launchGateway starts `fivetuple up --gateway`, which makes the device in the
// client's namespace.
func (l *lab) launchGateway(s *server, v variant) error {
	return s.run(exec.Command(l.binary, "up", "-q", "--gateway", "--netns", strconv.Itoa(s.client.pid()), "--tun", s.device(),
		"--mtu", strconv.Itoa(v.mtu), "--congestion", "reno", "--addr", s.there[0].String(), "--host-addr", s.here[0].String()))
}

// launchTun2socks starts tun2socks, and moves its device to the client.
func (l *lab) launchTun2socks(s *server, v variant) error {
	up := filepath.Join(scratch, s.device()+".up")
	err := s.run(exec.Command(filepath.Join(l.peers, "tun2socks"), "-device", "tun://"+s.device(), "-mtu", strconv.Itoa(v.mtu),
		"-proxy", "direct://", "-loglevel", "error", "-tun-post-up", "touch "+up))
	if err != nil {
		return err
	}
	if err := s.awaitFile(up); err != nil { // it would not find its device again
		return err
	}
	link, err := netlink.LinkByName(s.device())
	if err != nil {
		return err
	}
	if err := netlink.LinkSetNsPid(link, s.client.pid()); err != nil {
		return fmt.Errorf("move %s to the client: %w", s.device(), err)
	}
	return s.client.do(func() error {
		if err := configureLink(s.device(), s.here[0]); err != nil {
			return err
		}
		return defaultRoute(s.device(), netip.Addr{})
	})
}

// The network of gvproxy, and the Ethernet address that it leases tapAddr to.
var (
	tapAddr    = netip.MustParsePrefix("192.168.127.2/24")
	tapGateway = netip.MustParseAddr("192.168.127.1")
)

const tapMAC = "5a:94:ef:e4:0c:ee"

// launchTapVsock starts gvproxy in the lab and gvforwarder at the client, which
// carries the frames of a TAP device to it through a Unix socket.
func (l *lab) launchTapVsock(s *server, v variant) error {
	socket := "unix://" + filepath.Join(scratch, s.device()+".sock")
	mtu := strconv.Itoa(v.mtu)
	ssh := strconv.Itoa(2222 + s.number) // it forwards a port whether it is wanted or not: each its own
	if err := s.run(exec.Command(filepath.Join(l.peers, "gvproxy"), "-listen", socket, "-mtu", mtu, "-ssh-port", ssh)); err != nil {
		return err
	}
	if err := s.awaitFile(filepath.Join(scratch, s.device()+".sock")); err != nil {
		return err
	}
	return s.client.do(func() error {
		if err := addTap(s.device(), v.mtu); err != nil {
			return err
		}
		return s.run(exec.Command(filepath.Join(l.peers, "vm"), "-url", socket, "-iface", s.device(), "-preexisting", "-mtu", mtu, "-stop-if-exist", ""))
	})
}

// addTap makes the TAP device that gvforwarder uses, as DHCP would have
// configured it.
func addTap(name string, mtu int) error {
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI}
	if err := netlink.LinkAdd(tap); err != nil {
		return fmt.Errorf("add the TAP device %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(tapMAC)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return err
	}
	if err := configureLink(name, tapAddr); err != nil {
		return err
	}
	return defaultRoute(name, tapGateway)
}

// launchSlirp starts slirp4netns, which configures its TAP device itself.
func (l *lab) launchSlirp(s *server, v variant) error {
	return s.run(exec.Command("slirp4netns", "--configure", "--mtu="+strconv.Itoa(v.mtu), strconv.Itoa(s.client.pid()), s.device()))
}

// launchPasta starts pasta, which configures its TAP device itself.
func (l *lab) launchPasta(s *server, v variant) error {
	netns, err := s.client.file()
	if err != nil {
		return err
	}
	return s.run(exec.Command("pasta", "--foreground", "--quiet", "--ipv4-only", "--config-net", "--mtu", strconv.Itoa(v.mtu),
		"--ns-ifname", s.device(), "--interface", besideLink, "--address", s.there[0].Addr().String(), "--netmask", "24",
		"--gateway", s.here[0].Addr().String(), "--no-map-gw", "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
		"--runas", "0", "--netns-only", "--netns", netns))
}
