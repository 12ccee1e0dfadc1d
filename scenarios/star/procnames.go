package star

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"fivetuple/sockapi"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// This file is look-ups, interfaces' addresses and control messages.

// getaddrinfo(node, service = "", family, type, flags) returns the addresses in
// order, without repetition: [("10.0.0.2", 80), ...].
func (v *procValue) getaddrinfo(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var node, service string
	hints := sockapi.AddrInfo{SockType: sockapi.SOCK_STREAM}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "node", &node, "service?", &service,
		"family?", &hints.Family, "type?", &hints.SockType, "flags?", &hints.Flags); err != nil {
		return nil, err
	}
	found, err := v.p.Getaddrinfo(node, service, hints)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	seen := map[netip.AddrPort]bool{}
	for _, a := range found {
		if !seen[a.Addr] {
			out = append(out, address(a.Addr))
		}
		seen[a.Addr] = true
	}
	return starlark.NewList(out), nil
}

// getnameinfo(addr, flags = 0) returns (host, service).
func (v *procValue) getnameinfo(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var a addrPort
	var flags int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "addr", &a, "flags?", &flags); err != nil {
		return nil, err
	}
	host, service, err := v.p.Getnameinfo(a.a, flags)
	if err != nil {
		return nil, err
	}
	return starlark.Tuple{starlark.String(host), starlark.String(service)}, nil
}

func (v *procValue) getservbyname(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var name, proto string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "proto?", &proto); err != nil {
		return nil, err
	}
	s, err := v.p.Getservbyname(name, proto)
	return starlark.MakeInt(s.Port), err
}

func (v *procValue) getservbyport(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var port int
	var proto string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "port", &port, "proto?", &proto); err != nil {
		return nil, err
	}
	s, err := v.p.Getservbyport(port, proto)
	return starlark.String(s.Name), err
}

// addName(name, addr, ...) writes a line of the world's hosts file.
func (r *runner) addName(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	if len(args) < 2 || len(kwargs) > 0 {
		return nil, fmt.Errorf(`%s: write %s("www.example", "10.0.0.2")`, b.Name(), b.Name())
	}
	var words []string
	for _, a := range args {
		s, ok := starlark.AsString(a)
		if !ok {
			return nil, fmt.Errorf("%s: %s: want a string", b.Name(), a)
		}
		words = append(words, s)
	}
	for _, w := range words[1:] {
		a, err := netip.ParseAddr(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not an IP address", b.Name(), w)
		}
		r.world.Netdb().AddHost(words[0], a)
	}
	return starlark.None, nil
}

// addService(name, port, proto = "tcp") writes a line of the services file.
func (r *runner) addService(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	s := sockapi.Service{Proto: "tcp"}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &s.Name, "port", &s.Port, "proto?", &s.Proto); err != nil {
		return nil, err
	}
	return none(r.world.Netdb().AddService(s))
}

// sockAddr is an address of a socket of any family: ("10.0.0.2", 80), or, for
// AF_PACKET, ("eth0", ETH_P_IP) and ("eth0", ETH_P_IP, 0, "02:00:00:00:02:01").
type sockAddr struct {
	ip    addrPort
	iface string
	link  sockapi.LinkAddr
}

// Unpack implements [starlark.Unpacker].
func (a *sockAddr) Unpack(v starlark.Value) error {
	t, ok := v.(starlark.Tuple)
	if !ok || len(t) < 2 {
		return a.ip.Unpack(v)
	}
	name, ok := starlark.AsString(t[0])
	if _, err := netip.ParseAddr(name); !ok || name == "" || err == nil || len(t) == 3 || len(t) > 4 {
		return a.ip.Unpack(v)
	}
	proto, err := starlark.AsInt32(t[1])
	if err != nil || proto < 0 || proto > 0xffff {
		return fmt.Errorf("EtherType %s: must be between 0 and 0xffff", t[1])
	}
	a.iface, a.link.Protocol = name, proto
	if len(t) == 4 {
		text, _ := starlark.AsString(t[3])
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 {
			return fmt.Errorf(`%s: an Ethernet address is written "02:00:00:00:01:01"`, t[3])
		}
		a.link.Addr = [6]byte(mac)
	}
	return nil
}

// resolve finds the interface of a packet socket's address.
func (a *sockAddr) resolve(p *sockapi.Proc) error {
	if a.iface == "" {
		return nil
	}
	index, err := p.IfNametoindex(a.iface)
	if err != nil {
		return fmt.Errorf("%q is neither an IP address nor an interface of %s", a.iface, p.Host())
	}
	a.link.Ifindex = index
	return nil
}

// linkAddress is a sockaddr_ll as a script sees it:
// ("eth0", EtherType, PACKET_HOST, "02:00:00:00:01:01").
func (v *procValue) linkAddress(l sockapi.LinkAddr) starlark.Value {
	name, err := v.p.IfIndextoname(l.Ifindex)
	if err != nil {
		name = ""
	}
	mac := ""
	if l.Addr != [6]byte{} {
		mac = net.HardwareAddr(l.Addr[:]).String()
	}
	return starlark.Tuple{starlark.String(name), starlark.MakeInt(l.Protocol), starlark.MakeInt(l.PktType), starlark.String(mac)}
}

// from is the address that a message came from.
func (v *procValue) from(m *sockapi.Msg) starlark.Value {
	if m.Link != (sockapi.LinkAddr{}) {
		return v.linkAddress(m.Link)
	}
	return address(m.Name)
}

// mreq reads a group and an interface: ("224.1.1.1", "eth0"), or with one of
// the interface's addresses; a string alone is a group, or an interface.
func (v *procValue) mreq(x starlark.Value) (m sockapi.Mreq, err error) {
	parts := starlark.Tuple{x}
	if t, ok := x.(starlark.Tuple); ok && len(t) == 2 {
		parts = t
	}
	for _, part := range parts {
		text, ok := starlark.AsString(part)
		a, bad := netip.ParseAddr(text)
		switch {
		case !ok:
			return m, fmt.Errorf(`%s: a group is written "224.1.1.1" or ("224.1.1.1", "eth0")`, x)
		case bad == nil && a.IsMulticast():
			m.Group = a
		case bad == nil:
			m.Local = a
		default:
			if m.Ifindex, err = v.p.IfNametoindex(text); err != nil {
				return m, fmt.Errorf("%q is neither an IP address nor an interface of %s", text, v.p.Host())
			}
		}
	}
	return m, nil
}

// isGroup reports whether an option's value is a struct ip_mreq.
func isGroup(level, opt int) bool {
	switch {
	case level == sockapi.IPPROTO_IP:
		return opt == sockapi.IP_ADD_MEMBERSHIP || opt == sockapi.IP_DROP_MEMBERSHIP || opt == sockapi.IP_MULTICAST_IF
	case level == sockapi.IPPROTO_IPV6:
		return opt == sockapi.IPV6_ADD_MEMBERSHIP || opt == sockapi.IPV6_DROP_MEMBERSHIP
	}
	return false
}

// controlOf reads sendmsg's control messages: [(level, type, value), ...]. The
// value of IP_PKTINFO and IPV6_PKTINFO is (interface, source).
func (v *procValue) controlOf(l *starlark.List) ([]sockapi.Cmsg, error) {
	var out []sockapi.Cmsg
	for i := range l.Len() {
		t, ok := l.Index(i).(starlark.Tuple)
		if !ok || len(t) != 3 {
			return nil, fmt.Errorf("sendmsg: %s: a control message is (level, type, value)", l.Index(i))
		}
		level, err1 := starlark.AsInt32(t[0])
		typ, err2 := starlark.AsInt32(t[1])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("sendmsg: %s: a control message is (level, type, value)", t)
		}
		if n, err := starlark.AsInt32(t[2]); err == nil {
			out = append(out, sockapi.Cmsg{Level: level, Type: typ, Value: n})
			continue
		}
		m, err := v.mreq(t[2])
		if err != nil {
			return nil, fmt.Errorf("sendmsg: %w", err)
		}
		out = append(out, sockapi.Cmsg{Level: level, Type: typ, Value: sockapi.PktInfo{Ifindex: m.Ifindex, SpecDst: m.Local, Addr: m.Local}})
	}
	return out, nil
}

// control lists what recvmsg has received: [(level, type, value), ...].
func (v *procValue) control(list []sockapi.Cmsg) starlark.Value {
	var out []starlark.Value
	for _, m := range list {
		out = append(out, starlark.Tuple{starlark.MakeInt(m.Level), starlark.MakeInt(m.Type), v.controlValue(m.Value)})
	}
	return starlark.NewList(out)
}

func (v *procValue) controlValue(x any) starlark.Value {
	ip := func(a netip.Addr) starlark.Value {
		if !a.IsValid() {
			return starlark.None
		}
		return starlark.String(a.String())
	}
	switch x := x.(type) {
	case int:
		return starlark.MakeInt(x)
	case netip.AddrPort:
		return address(x)
	case time.Time:
		return startime.Duration(x.Sub(v.r.world.Epoch()))
	case sockapi.PktInfo:
		name, _ := v.p.IfIndextoname(x.Ifindex) // "" for an interface that is gone
		return starlarkstruct.FromStringDict(starlark.String("pktinfo"), starlark.StringDict{
			"ifname": starlark.String(name), "spec_dst": ip(x.SpecDst), "addr": ip(x.Addr)})
	case sockapi.ExtendedErr:
		return starlarkstruct.FromStringDict(starlark.String("error"), starlark.StringDict{
			"errno": starlark.String(x.Errno.Name()), "type": starlark.MakeInt(x.Type), "code": starlark.MakeInt(x.Code),
			"info": starlark.MakeInt(x.Info), "offender": ip(x.Offender)})
	}
	return starlark.None
}
