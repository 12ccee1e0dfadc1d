package sockapi

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// AddrInfo is struct addrinfo: what to look up, as hints, and what was found.
type AddrInfo struct {
	Flags    int // AI_PASSIVE...; of hints
	Family   int // AF_INET, AF_INET6; AF_UNSPEC in hints is both
	SockType int // SOCK_STREAM...; 0 in hints is any
	Protocol int
	// Addr and CanonName are results; the name is set on the first one, if
	// AI_CANONNAME asks for it.
	Addr      netip.AddrPort
	CanonName string
}

// Netdb is the world's hosts and services files.
func (ps *Process) Netdb() *Netdb { return ps.kernel.Netdb() }

// Getaddrinfo translates a host and a service, each by name or by number and
// one of them possibly empty, into addresses to connect or bind to:
// getaddrinfo(3). It looks into the world's own tables; nothing is sent.
// Addresses of a family that the host has come first, of these IPv6 (RFC 6724,
// rules 1 and 6). Errors are EAI.
func (p *Proc) Getaddrinfo(node, service string, hints AddrInfo) ([]AddrInfo, error) {
	c := p.begin("getaddrinfo", noFD, fmt.Sprintf("%q, %q", node, service))
	out, eai := p.getaddrinfo(node, service, hints)
	if eai != 0 {
		return nil, c.retLookup("", eai)
	}
	var found []string
	for _, a := range out {
		if s := a.Addr.String(); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return out, c.retLookup("0 ["+strings.Join(found, " ")+"]", 0)
}

// retLookup leaves a call that is no system call: its errors are EAI.
func (c *call) retLookup(result string, eai EAI) error {
	if eai == 0 {
		return c.ret(result, 0)
	}
	c.ret(fmt.Sprintf("%s (%s)", eai.Name(), eai.Error()), 0)
	return &LookupError{Call: c.name, Args: c.args(), Code: eai}
}

// socketKinds are what a hint's 0 stands for, in glibc's order.
var socketKinds = []struct {
	typ, proto int
	name       string
}{{SOCK_STREAM, IPPROTO_TCP, "tcp"}, {SOCK_DGRAM, IPPROTO_UDP, "udp"}, {SOCK_RAW, 0, ""}}

func (p *Proc) getaddrinfo(node, service string, hints AddrInfo) ([]AddrInfo, EAI) {
	const known = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_NUMERICSERV
	switch {
	case node == "" && service == "":
		return nil, EAI_NONAME
	case hints.Flags&^known != 0, hints.Flags&AI_CANONNAME != 0 && node == "":
		return nil, EAI_BADFLAGS
	case hints.Family != AF_UNSPEC && hints.Family != AF_INET && hints.Family != AF_INET6:
		return nil, EAI_FAMILY
	}
	addrs, eai := p.hostAddrs(node, hints)
	if eai != 0 {
		return nil, eai
	}
	var out []AddrInfo
	kindFound := false
	for _, a := range addrs {
		family := AF_INET
		if a.Is6() {
			family = AF_INET6
		}
		for _, k := range socketKinds {
			if hints.SockType != 0 && hints.SockType != k.typ || hints.Protocol != 0 && hints.Protocol != k.proto && k.typ != SOCK_RAW {
				continue
			}
			kindFound = true
			port, ok := p.servicePort(service, k.name, hints.Flags)
			if !ok {
				continue
			}
			out = append(out, AddrInfo{Family: family, SockType: k.typ, Protocol: k.proto, Addr: netip.AddrPortFrom(a, port)})
		}
	}
	switch {
	case !kindFound:
		return nil, EAI_SOCKTYPE
	case len(out) == 0 && hints.Flags&AI_NUMERICSERV != 0:
		return nil, EAI_NONAME
	case len(out) == 0:
		return nil, EAI_SERVICE
	}
	if hints.Flags&AI_CANONNAME != 0 {
		out[0].CanonName = node
	}
	return out, 0
}

// hostAddrs looks a host up, and sorts what it finds.
func (p *Proc) hostAddrs(node string, hints AddrInfo) ([]netip.Addr, EAI) {
	var addrs []netip.Addr
	numeric, err := netip.ParseAddr(node)
	switch {
	case node == "" && hints.Flags&AI_PASSIVE != 0:
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} // glibc's order
	case node == "":
		addrs = []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}
	case err == nil:
		addrs = []netip.Addr{numeric}
	case hints.Flags&AI_NUMERICHOST != 0:
	default:
		addrs = p.sorted(p.kernel.Netdb().Lookup(node))
	}
	var out []netip.Addr
	for _, a := range addrs {
		switch {
		case hints.Family == AF_INET && !a.Is4(), hints.Family == AF_INET6 && !a.Is6():
		case hints.Flags&AI_ADDRCONFIG != 0 && err != nil && !p.hasFamily(a):
		default:
			out = append(out, a)
		}
	}
	if hints.Family == AF_INET6 && hints.Flags&AI_V4MAPPED != 0 && (len(out) == 0 || hints.Flags&AI_ALL != 0) {
		for _, a := range addrs {
			if a.Is4() {
				out = append(out, netip.AddrFrom16(a.As16()))
			}
		}
	}
	switch {
	case len(out) == 0 && err == nil:
		return nil, EAI_FAMILY // a number of the other family
	case len(out) == 0:
		return nil, EAI_NONAME
	}
	return out, 0
}

// hasFamily reports whether the host has an address of a's family besides the
// loopback ones.
func (p *Proc) hasFamily(a netip.Addr) bool {
	return slices.ContainsFunc(p.kernel.Stack().Addrs(), func(own netip.Prefix) bool {
		return !own.Addr().IsLoopback() && own.Addr().Is4() == a.Is4()
	})
}

func (p *Proc) sorted(addrs []netip.Addr) []netip.Addr {
	rank := func(a netip.Addr) int {
		switch usable := p.hasFamily(a) || a.IsLoopback(); {
		case !usable:
			return 2
		case a.Is6():
			return 0
		}
		return 1
	}
	out := slices.Clone(addrs)
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return rank(a) - rank(b) })
	return out
}

func (p *Proc) servicePort(service, proto string, flags int) (uint16, bool) {
	if service == "" {
		return 0, true
	}
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		return uint16(n), true
	}
	if flags&AI_NUMERICSERV != 0 || proto == "" {
		return 0, false
	}
	s, ok := p.kernel.Netdb().ServiceByName(service, proto)
	return uint16(s.Port), ok
}

// Getnameinfo is the reverse of Getaddrinfo: getnameinfo(3). What has no name
// is given as a number.
func (p *Proc) Getnameinfo(addr netip.AddrPort, flags int) (host, service string, err error) {
	c := p.begin("getnameinfo", noFD, addr.String())
	if !addr.IsValid() {
		return "", "", c.retLookup("", EAI_FAMILY)
	}
	if flags&NI_NUMERICHOST == 0 {
		host = p.kernel.Netdb().Reverse(addr.Addr())
	}
	if host == "" {
		if flags&NI_NAMEREQD != 0 {
			return "", "", c.retLookup("", EAI_NONAME)
		}
		host = addr.Addr().String()
	}
	proto := "tcp"
	if flags&NI_DGRAM != 0 {
		proto = "udp"
	}
	service = itoa(int(addr.Port()))
	if s, ok := p.kernel.Netdb().ServiceByPort(int(addr.Port()), proto); ok && flags&NI_NUMERICSERV == 0 {
		service = s.Name
	}
	return host, service, c.retLookup(fmt.Sprintf("0 [%s %s]", host, service), 0)
}

// Getservbyname is the port of a service: getservbyname(3). An empty protocol
// is any. A service that is not in the world's table gives EAI_SERVICE; C
// returns NULL.
func (p *Proc) Getservbyname(name, proto string) (Service, error) {
	c := p.begin("getservbyname", noFD, fmt.Sprintf("%q, %q", name, proto))
	s, ok := p.kernel.Netdb().ServiceByName(name, proto)
	if !ok {
		return s, c.retLookup("", EAI_SERVICE)
	}
	return s, c.retLookup(fmt.Sprintf("%d/%s", s.Port, s.Proto), 0)
}

// Getservbyport is the service of a port: getservbyport(3).
func (p *Proc) Getservbyport(port int, proto string) (Service, error) {
	c := p.begin("getservbyport", noFD, fmt.Sprintf("%d, %q", port, proto))
	s, ok := p.kernel.Netdb().ServiceByPort(port, proto)
	if !ok {
		return s, c.retLookup("", EAI_SERVICE)
	}
	return s, c.retLookup(s.Name, 0)
}
