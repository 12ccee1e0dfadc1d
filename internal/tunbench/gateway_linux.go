package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// A gateway is measured from the namespace that it serves. The server that the
// client talks to is in another one, and there the gateway's own sockets are:
// the client's connections end in the gateway, and go on to the kernel's TCP.

// gateways are the ways out of a namespace that can be measured: each is a
// command that is given the number of a process in it, and how a packet gets to
// its device.
var gateways = map[string]struct {
	args   func(o *options, pid, n int) []string
	device string
	via    string // the device's own gateway; "": packets need none
}{
	"gateway": {device: "ft-gate", args: func(o *options, pid, n int) []string {
		return []string{o.binary, "up", "-q", "--gateway", "--netns", strconv.Itoa(pid), "--tun", "ft-gate",
			"--addr", fmt.Sprintf("10.89.%d.2/24", n), "--host-addr", fmt.Sprintf("10.89.%d.1/24", n), "--congestion", "reno"}
	}},
	"slirp4netns": {device: "slirp0", via: "10.0.2.2", args: func(_ *options, pid, _ int) []string {
		return []string{"slirp4netns", "--configure", "--mtu=65520", strconv.Itoa(pid), "slirp0"}
	}},
}

// launchGateway starts the server and the gateway, in a namespace of their own.
func (s *server) launchGateway(o *options, n int) error {
	g := gateways[s.name]
	args := g.args(o, os.Getpid(), n)
	if _, err := exec.LookPath(args[0]); err != nil {
		return err
	}
	s.cmd = again("gateway " + strings.Join(append([]string{net.IP(s.addr[:]).String()}, args...), " "))
	s.cmd.Stdout = nil
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("it did not come up: %w", err)
	}
	if s.measured, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return err
	}
	return s.routeBy(g.device, g.via)
}

// comeUp is how long a gateway may take to make its device.
const comeUp = 10 * time.Second

// routeBy sends what is for the server through one device, and nothing else: the
// default route that a gateway makes would be everybody's.
func (s *server) routeBy(device, via string) (err error) {
	for start := time.Now(); time.Since(start) < comeUp; time.Sleep(10 * time.Millisecond) {
		if err = s.tryRoute(device, via); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s has not come up: %w", device, err)
}

func (s *server) tryRoute(device, via string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	to := &net.IPNet{IP: s.addr[:], Mask: net.CIDRMask(32, 32)}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Scope: netlink.SCOPE_LINK}
	if via != "" {
		route.Scope, route.Gw = netlink.SCOPE_UNIVERSE, net.ParseIP(via)
	}
	if err := netlink.RouteDel(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Scope: route.Scope}); err != nil {
		return err // it is made last
	}
	return netlink.RouteReplace(route)
}

// serveGateway is the server, and starts the gateway beside it.
func serveGateway(addr string, args []string) error {
	if err := giveAddress("lo", addr+"/32"); err != nil {
		return err
	}
	if err := useReno(); err != nil {
		return err
	}
	return serveAll(func() error { return startGateway(args) })
}

// startGateway starts the gateway, and says its number.
func startGateway(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(cmd.Process.Pid)
	go func() {
		fmt.Fprintf(os.Stderr, "tunbench: %s: %v\n", args[0], cmd.Wait())
	}()
	return nil
}
