package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Configure makes the device called name usable by this machine: it sets the MTU, brings the
// device up, gives the machine hostAddrs on it and routes routes into it. An mtu of 0 leaves the MTU
// alone; otherwise it should be the one of the open [Device], whose MTU method does not follow.
//
// Configure changes all or nothing: on an error, what was done is undone. Closing the device drops
// addresses and routes with it, so there is no counterpart.
//
// A host address that the machine already has is an error, unless the device itself has it, with the same prefix length: a
// persistent device that was made ready before needs no privilege then. IPv6 addresses are added
// without duplicate address detection and are usable when Configure returns. A route to the network of a host
// address is there already, and accepted. Configure acts on the network namespace of the calling thread
// and needs CAP_NET_ADMIN in it. The returned error is an [*Error], or several joined if undoing failed.
func Configure(name string, hostAddrs, routes []netip.Prefix, mtu int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return lookupError(name, err)
	}
	if mtu == 0 {
		mtu = link.Attrs().MTU
	}
	if err := checkSetup(hostAddrs, routes, mtu); err != nil {
		return err
	}
	s := setup{name: name, link: link}
	err = s.apply(hostAddrs, routes, mtu)
	if err == nil {
		return nil
	}
	if undoErr := s.rollback(); undoErr != nil {
		return errors.Join(err, undoErr)
	}
	return err
}

// checkSetup refuses what can be seen to be wrong without asking the kernel.
func checkSetup(hostAddrs, routes []netip.Prefix, mtu int) error {
	if err := checkMTU(mtu); err != nil {
		return err
	}
	for i, addr := range hostAddrs {
		if err := checkPrefix("address", addr, mtu); err != nil {
			return err
		}
		if slices.Contains(hostAddrs[:i], addr) {
			return &Error{Problem: fmt.Sprintf("address %s is given twice", addr), Remedy: "leave one out"}
		}
	}
	for _, dst := range routes {
		if err := checkPrefix("route", dst, mtu); err != nil {
			return err
		}
		if dst != dst.Masked() {
			return &Error{
				Problem: fmt.Sprintf("route %s has bits set beyond its prefix length", dst),
				Remedy:  fmt.Sprintf("write %s", dst.Masked()),
			}
		}
	}
	return nil
}

func checkPrefix(kind string, p netip.Prefix, mtu int) error {
	switch {
	case !p.IsValid() || p.Addr().Is4In6() || p.Addr().Zone() != "":
		return &Error{
			Problem: fmt.Sprintf("%s %s is not valid", kind, p),
			Remedy:  "write it like 10.77.0.1/24 or fd77::1/64",
		}
	case p.Addr().Is6() && mtu < 1280: // RFC 8200 section 5; Linux then turns IPv6 off on the device
		return &Error{
			Problem: fmt.Sprintf("%s %s needs an MTU of at least 1280, not %d", kind, p, mtu),
			Remedy:  "raise the MTU, or leave IPv6 out",
		}
	}
	return nil
}

// setup is one run of Configure: the device, and how to undo what was done to it so far.
type setup struct {
	name string
	link netlink.Link
	undo []func() error
}

// apply makes all changes, or stops at the first that fails. The device comes up before it gets addresses:
// the kernel starts over with an IPv6 address when its device comes up.
func (s *setup) apply(hostAddrs, routes []netip.Prefix, mtu int) error {
	if err := s.setMTU(mtu); err != nil {
		return err
	}
	if err := s.setUp(); err != nil {
		return err
	}
	for _, addr := range hostAddrs {
		if err := s.addAddr(addr); err != nil {
			return err
		}
	}
	for _, dst := range routes {
		if err := s.addRoute(dst, hostAddrs); err != nil {
			return err
		}
	}
	return nil
}

// do runs a change and, if that succeeds, remembers its opposite.
func (s *setup) do(change, opposite func() error) error {
	err := change()
	if err == nil {
		s.undo = append(s.undo, opposite)
	}
	return err
}

// rollback undoes everything, the latest change first. It tries all even if one fails.
func (s *setup) rollback() error {
	var errs []error
	for i := len(s.undo) - 1; i >= 0; i-- {
		errs = append(errs, s.undo[i]())
	}
	return configError("undo the configuration of "+s.name, errors.Join(errs...))
}

func (s *setup) setMTU(mtu int) error {
	old := s.link.Attrs().MTU
	if old == mtu {
		return nil
	}
	err := s.do(
		func() error { return netlink.LinkSetMTU(s.link, mtu) },
		func() error { return netlink.LinkSetMTU(s.link, old) },
	)
	return configError(fmt.Sprintf("change the MTU of %s from %d to %d", s.name, old, mtu), err)
}

func (s *setup) setUp() error {
	if s.link.Attrs().Flags&net.FlagUp != 0 {
		return nil
	}
	err := s.do(
		func() error { return netlink.LinkSetUp(s.link) },
		func() error { return netlink.LinkSetDown(s.link) },
	)
	return configError("bring up "+s.name, err)
}

// hasAddr reports whether the device has this very address, with its prefix length.
func (s *setup) hasAddr(p netip.Prefix) bool {
	list, err := netlink.AddrList(s.link, netlink.FAMILY_ALL)
	return err == nil && slices.ContainsFunc(list, func(a netlink.Addr) bool {
		ones, _ := a.Mask.Size()
		ip, ok := netip.AddrFromSlice(a.IP)
		return ok && ip.Unmap() == p.Addr() && ones == p.Bits()
	})
}

func (s *setup) addAddr(p netip.Prefix) error {
	owner, err := addrOwner(p.Addr())
	if err != nil {
		return configError("list the addresses of this machine", err)
	}
	if owner == s.name && s.hasAddr(p) {
		return nil // somebody has made the device ready, for those who may not
	}
	if owner != "" {
		return &Error{
			Problem: fmt.Sprintf("address %s is already assigned to %s", p, owner),
			Remedy:  "choose another host address",
			Err:     unix.EEXIST,
		}
	}
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	err = s.do(
		func() error { return netlink.AddrAdd(s.link, addr) },
		func() error { return netlink.AddrDel(s.link, addr) },
	)
	if p.Addr().Is6() && errors.Is(err, unix.EACCES) { // net/ipv6/addrconf.c: addrconf_add_dev
		return &Error{
			Problem: fmt.Sprintf("add address %s: IPv6 is disabled on %s", p, s.name),
			Remedy:  fmt.Sprintf("sysctl net.ipv6.conf.%s.disable_ipv6=0", s.name),
			Err:     err,
		}
	}
	if err != nil {
		return configError(fmt.Sprintf("add address %s to %s", p, s.name), err)
	}
	return awaitUsable(p)
}

// The kernel finishes a new IPv6 address in a worker of its own: until that has run, and it is a matter of
// microseconds, the address has no local route and what is sent to it gets lost, even without duplicate
// address detection (net/ipv6/addrconf.c: addrconf_dad_work). It announces the address before it makes the
// route, so listening for the announcement would not do.
const (
	usablePoll  = time.Millisecond
	usableBound = 10 * time.Second
)

// awaitUsable returns when the kernel delivers packets for the address of p to itself.
func awaitUsable(p netip.Prefix) error {
	poll, bound := time.NewTicker(usablePoll), time.NewTimer(usableBound)
	defer poll.Stop()
	defer bound.Stop()
	for {
		routes, err := netlink.RouteGet(p.Addr().AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		select {
		case <-poll.C:
		case <-bound.C:
			return &Error{
				Problem: fmt.Sprintf("address %s is not usable %v after it was added", p, usableBound),
				Remedy:  "check that nothing else manages the device",
				Err:     errors.Join(unix.EADDRNOTAVAIL, err),
			}
		}
	}
}

// addrOwner returns the name of the interface that has the address, or "".
func addrOwner(a netip.Addr) (string, error) {
	family := netlink.FAMILY_V4
	if a.Is6() {
		family = netlink.FAMILY_V6
	}
	addrs, err := netlink.AddrList(nil, family)
	for err != nil {
		if !errors.Is(err, netlink.ErrDumpInterrupted) { // somebody changed addresses meanwhile: ask again
			return "", err
		}
		addrs, err = netlink.AddrList(nil, family)
	}
	for _, have := range addrs {
		if !have.IP.Equal(a.AsSlice()) {
			continue
		}
		link, err := netlink.LinkByIndex(have.LinkIndex)
		if err != nil {
			return fmt.Sprintf("interface %d", have.LinkIndex), nil
		}
		return link.Attrs().Name, nil
	}
	return "", nil
}

func (s *setup) addRoute(dst netip.Prefix, hostAddrs []netip.Prefix) error {
	for _, addr := range hostAddrs {
		if addr.Masked() == dst && !dst.IsSingleIP() {
			return nil // the kernel made this one when it got the address
		}
	}
	route := &netlink.Route{LinkIndex: s.link.Attrs().Index, Dst: ipNet(dst)}
	if dst.Addr().Is4() {
		route.Scope = netlink.SCOPE_LINK // no gateway: the destination is on the link
	}
	err := s.do(
		func() error { return netlink.RouteAdd(route) },
		func() error { return netlink.RouteDel(route) },
	)
	if errors.Is(err, unix.EEXIST) {
		return &Error{
			Problem: fmt.Sprintf("route %s already exists", dst),
			Remedy:  fmt.Sprintf("choose another network, or remove it: ip route del %s", dst),
			Err:     unix.EEXIST,
		}
	}
	return configError(fmt.Sprintf("add route %s through %s", dst, s.name), err)
}

// ipNet converts p, keeping the host bits, as netlink wants addresses.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
