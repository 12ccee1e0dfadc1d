package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"fivetuple/internal/tunbench/services"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace, and the holder with which it ends. A nil
// one is the lab's own.
type namespace struct {
	holder  *process
	answers *bufio.Scanner
	orders  io.Writer
	fd      int // of the namespace
	home    int // of the lab's
}

// newHolder starts a holder, in a new network namespace or in the lab's.
func newHolder(name string, own bool) (*namespace, error) {
	flags := uintptr(0)
	if own {
		flags = unix.CLONE_NEWNET
	}
	cmd := again("holder", flags)
	cmd.Stderr = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	n := &namespace{answers: bufio.NewScanner(out), orders: in}
	if n.holder, err = startProcess(name, cmd); err != nil {
		return nil, err
	}
	if err := n.hears("ready"); err != nil {
		return nil, err
	}
	n.fd, err = unix.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n.home, err = unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return n, err
}

func (n *namespace) pid() int { return n.holder.cmd.Process.Pid }

// file is the namespace as a file, for programs that have given up the
// right to look into the folder of a process.
func (n *namespace) file() (string, error) {
	name := filepath.Join(scratch, fmt.Sprintf("netns-%d", n.pid()))
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return "", err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/%d/ns/net", n.pid()), name, "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("mount a network namespace: %w", err)
	}
	return name, nil
}

// hears waits for a line of the holder.
func (n *namespace) hears(line string) error {
	if n.answers.Scan() && n.answers.Text() == line {
		return nil
	}
	return n.holder.failure()
}

// serve makes the holder listen, and returns when it does.
func (n *namespace) serve() error {
	if _, err := fmt.Fprintln(n.orders, "serve"); err != nil {
		return n.holder.failure()
	}
	return n.hears("serving")
}

// do runs f in a thread that is in the namespace; what f starts is there too.
func (n *namespace) do(f func() error) error {
	if n == nil {
		return f()
	}
	runtime.LockOSThread()
	if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	err := f()
	if back := unix.Setns(n.home, unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leave a network namespace: %w", back)) // locked: the thread ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

func (n *namespace) close() {
	if n == nil {
		return
	}
	n.holder.stop()
	_ = unix.Close(n.fd)
	_ = unix.Close(n.home)
}

// hold is a holder's main: it serves once it is told to, and ends with its
// standard input.
func hold() error {
	if err := setUpNamespace(); err != nil {
		return err
	}
	fmt.Println("ready")
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		err := services.Start(func(port uint16) (net.Listener, error) { return net.Listen("tcp", fmt.Sprintf(":%d", port)) })
		if err != nil {
			return err
		}
		fmt.Println("serving")
	}
	return orders.Err()
}

// setUpNamespace gives the network namespace what every end of a measured
// connection has.
func setUpNamespace() error {
	for name, value := range map[string]string{
		"ipv4/tcp_congestion_control":  "reno", // the machine's may pace its sending
		"ipv4/ip_local_port_range":     "1024 65535",
		"ipv4/tcp_tw_reuse":            "1", // proxies leave many TIME-WAITs
		"ipv6/conf/all/accept_dad":     "0", // or an address is not used for a second
		"ipv6/conf/default/accept_dad": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	return configureLink("lo")
}

// configureLink brings an interface up and gives it addresses.
func configureLink(name string, addrs ...netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range addrs {
		a, err := netlink.ParseAddr(p.String())
		if err != nil {
			return err
		}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			return fmt.Errorf("%s on %s: %w", p, name, err)
		}
	}
	return netlink.LinkSetUp(link)
}

// defaultRoute sends everything through an interface, by a gateway if it has
// one.
func defaultRoute(name string, gateway netip.Addr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Scope: netlink.SCOPE_LINK}
	if gateway.IsValid() {
		r.Gw, r.Scope = gateway.AsSlice(), netlink.SCOPE_UNIVERSE
	}
	return netlink.RouteAdd(r)
}
