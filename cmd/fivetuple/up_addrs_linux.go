package main

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// parsePrefixes reads addresses with their prefix lengths.
func parsePrefixes(flag string, args []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, a := range args {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, usagef("%s %q: an address with its prefix length is written 10.77.0.2/24 or fd77::2/64", flag, a)
		}
		ip := p.Addr()
		if ip.IsMulticast() || ip.IsLoopback() || ip.IsUnspecified() || ip.Is4In6() {
			return nil, usagef("%s %s: is not an address that a host can have; 10.77.0.2/24 would be one", flag, a)
		}
		if ip.Is4() && p.Bits() < 31 && (p.Masked().Addr() == ip || lastOf(p) == ip) { // RFC 3021
			return nil, usagef("%s %s: the first and the last address of a network are no host's: %s would be one", flag, a, neighbor(p))
		}
		if slices.ContainsFunc(out, func(o netip.Prefix) bool { return o.Addr() == ip }) {
			return nil, usagef("%s %s: the address is given twice", flag, a)
		}
		out = append(out, p)
	}
	return out, nil
}

// lastOf is the last address of an IPv4 network: its broadcast address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | uint32(1<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// checkName reads --host, which has to be another's than those of the devices' other
// ends: the trace tells hosts apart by it.
func (c *upConfig) checkName() error {
	if c.name == "" {
		return usagef("--host: a host needs a name")
	}
	peers := []string{"linux"} // of the first device, unless there are more
	if len(c.also) > 0 {
		peers[0] = peerName(c.netns)
	}
	for _, d := range c.also {
		peers = append(peers, peerName(d.netns))
	}
	if slices.Contains(peers, c.name) {
		return usagef("--host %s: that is the name of who is at the device's other end: choose another", c.name)
	}
	return nil
}

// checkAddrs refuses addresses between which no packet would find its way.
func (c *upConfig) checkAddrs() error {
	switch {
	case len(c.addrs) == 0 && len(c.hostAddrs) == 0:
		return usagef("up needs the addresses of both ends: --addr 10.77.0.2/24 for the stack, --host-addr 10.77.0.1/24 for Linux")
	case len(c.addrs) == 0:
		return usagef("--host-addr needs --addr, the stack's address, in the network of --host-addr %s: --addr %s", c.hostAddrs[0], neighbor(c.hostAddrs[0]))
	case len(c.hostAddrs) == 0:
		return usagef("--addr needs --host-addr, Linux's address on the device, in the network of --addr %s: --host-addr %s", c.addrs[0], neighbor(c.addrs[0]))
	}
	for _, a := range c.addrs {
		found := false
		for _, h := range c.hostAddrs {
			if a.Addr() == h.Addr() {
				return usagef("--addr and --host-addr are both %s: each end of the device needs its own", a.Addr())
			}
			found = found || h.Contains(a.Addr())
		}
		if !found {
			return usagef("--addr %s is in the network of no --host-addr, so Linux would not find it: add --host-addr %s", a, neighbor(a))
		}
	}
	return nil
}

// neighbor is another address of the same network, as an example.
func neighbor(p netip.Prefix) netip.Prefix {
	for _, a := range []netip.Addr{p.Masked().Addr().Next(), p.Addr().Next(), p.Addr().Prev()} {
		if a != p.Addr() && p.Contains(a) {
			return netip.PrefixFrom(a, p.Bits())
		}
	}
	return netip.PrefixFrom(p.Addr().Next(), p.Bits()) // a network of one: no example is right
}
