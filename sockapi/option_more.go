package sockapi

import (
	"net/netip"
	"strings"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// This file makes the rows of options that concern interfaces, groups and
// control messages.

// Mreq is struct ip_mreqn and struct ipv6_mreq: a multicast group, and the
// interface to listen on by number or, in IPv4, by one of its addresses. If
// neither is given, the routing table chooses.
type Mreq struct {
	Group   netip.Addr
	Local   netip.Addr
	Ifindex int
}

// String reads "{224.1.1.1, if2}".
func (m Mreq) String() string {
	var parts []string
	for _, a := range []netip.Addr{m.Group, m.Local} {
		if a.IsValid() {
			parts = append(parts, a.String())
		}
	}
	if m.Ifindex != 0 {
		parts = append(parts, "if"+itoa(m.Ifindex))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// datagramOnly limits an option to sockets of IP that are no streams: UDP, ping
// and raw ones. Others say EPROTO: do_ip_setsockopt.
func datagramOnly(o Option) Option { return notOnStreams(o, EPROTO) }

// rawOnly limits an option to raw sockets.
func rawOnly(o Option) Option { o.on = 'r'; return o }

// notOnStreams makes setting an option fail on a stream socket.
func notOnStreams(o Option, wrong Errno) Option {
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if s.stream() {
			return wrong
		}
		return set(s, v)
	}
	if o.get != nil {
		get := o.get
		o.get = func(s *socket) (any, Errno) {
			if s.stream() {
				return o.Default, 0
			}
			return get(s)
		}
	}
	return o
}

// headerIncluded is IP_HDRINCL: all sockets read it, raw ones set it.
func headerIncluded() Option {
	o := flag((*tcpip.SocketOptions).GetHeaderIncluded, (*tcpip.SocketOptions).SetHeaderIncluded)
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if s.typ != SOCK_RAW {
			return ENOPROTOOPT
		}
		return set(s, v)
	}
	return o
}

// ipProtocol is IP_PROTOCOL, inet_num of Linux's struct inet_sock.
func ipProtocol() Option {
	return readOnly(func(s *socket) any {
		local, err := s.ep.GetLocalAddress()
		if s.typ == SOCK_RAW || err != nil {
			return s.proto
		}
		return int(local.Port)
	})
}

// zeroOrOne makes a bool option take these two numbers alone.
func zeroOrOne(o Option) Option {
	set := o.set
	o.Type = Int
	o.Default = boolInt(o.Default.(bool))
	get := o.get
	o.get = func(s *socket) (any, Errno) {
		v, errno := get(s)
		return boolInt(v.(bool)), errno
	}
	o.set = func(s *socket, v any) Errno {
		if n := v.(int); n != 0 && n != 1 {
			return EINVAL
		}
		return set(s, v == 1)
	}
	return o
}

func bindToDevice() Option {
	return Option{
		Status: Simulated, Type: String, Default: "",
		get: func(s *socket) (any, Errno) {
			for _, i := range s.st.Interfaces() {
				if int32(i.Index()) == s.ep.SocketOptions().GetBindToDevice() {
					return i.Name(), 0
				}
			}
			return "", 0
		},
		set: func(s *socket, v any) Errno {
			index := 0
			if name := v.(string); name != "" {
				i := s.st.InterfaceNamed(name)
				if i == nil {
					return ENODEV
				}
				index = i.Index()
			}
			return errnoOf(s.ep.SocketOptions().SetBindToDevice(int32(index)))
		},
	}
}

func bindToIfindex() Option {
	return Option{
		Status: Simulated, Type: Int, Default: 0,
		get: func(s *socket) (any, Errno) { return int(s.ep.SocketOptions().GetBindToDevice()), 0 },
		set: func(s *socket, v any) Errno {
			if v.(int) < 0 {
				return EINVAL
			}
			return errnoOf(s.ep.SocketOptions().SetBindToDevice(int32(v.(int))))
		},
	}
}

// timestamps is SO_TIMESTAMP or SO_TIMESTAMPNS: the last one set holds.
func timestamps(kind int) Option {
	return Option{
		Status: Simulated, Type: Bool, Default: false,
		get: func(s *socket) (any, Errno) { return s.timestamps == kind, 0 },
		set: func(s *socket, v any) Errno {
			if s.timestamps = 0; v.(bool) {
				s.timestamps = kind
			}
			return 0
		},
	}
}

func recvErrOption(field func(*socket) *bool) Option {
	return Option{
		Status: Simulated, Type: Bool, Default: false,
		get: func(s *socket) (any, Errno) { return *field(s), 0 },
		set: func(s *socket, v any) Errno { s.recvErr(field(s), v.(bool)); return 0 },
	}
}

// mtuOption is the MTU of the link that a connected socket sends by.
func mtuOption() Option {
	return Option{Status: Simulated, Type: Int, get: func(s *socket) (any, Errno) {
		remote, err := s.ep.GetRemoteAddress()
		if err != nil {
			return 0, ENOTCONN
		}
		to := stack.Addr(remote.Addr).Unmap()
		net, hdr := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber), header.IPv4MinimumSize
		if to.Is6() {
			net, hdr = header.IPv6ProtocolNumber, header.IPv6MinimumSize
		}
		r, err := s.st.Netstack().FindRoute(remote.NIC, tcpip.Address{}, stack.Address(to), net, false)
		if err != nil {
			return 0, errnoOf(err)
		}
		defer r.Release()
		return int(r.MTU()) + hdr, 0
	}}
}

// multicastTTL is IP_MULTICAST_TTL and IPV6_MULTICAST_HOPS: 0 to 255, -1 is 1.
func multicastTTL() Option {
	o := ranged(intOption(tcpip.MulticastTTLOption, 1), -1, 255)
	set := o.set
	o.set = func(s *socket, v any) Errno {
		if v == -1 {
			v = 1
		}
		return set(s, v)
	}
	return o
}

func multicastLoop() Option {
	o := flag((*tcpip.SocketOptions).GetMulticastLoop, (*tcpip.SocketOptions).SetMulticastLoop)
	o.Default = true
	return o
}

func multicastInterface() Option {
	return Option{
		Status: Simulated, Type: MreqT, Default: Mreq{},
		get: func(s *socket) (any, Errno) {
			var o tcpip.MulticastInterfaceOption
			err := s.ep.GetSockOpt(&o)
			return Mreq{Local: stack.Addr(o.InterfaceAddr), Ifindex: int(o.NIC)}, errnoOf(err)
		},
		set: func(s *socket, v any) Errno {
			m := v.(Mreq)
			o := tcpip.MulticastInterfaceOption{NIC: tcpip.NICID(m.Ifindex)}
			if specified(m.Local) {
				o.InterfaceAddr = stack.Address(m.Local)
			}
			return errnoOf(s.ep.SetSockOpt(&o))
		},
	}
}

// membership joins or leaves a group.
func membership(join, v6 bool) Option {
	return Option{
		Status: Simulated, Type: MreqT,
		set: func(s *socket, v any) Errno {
			m := v.(Mreq)
			if !m.Group.IsValid() || m.Group.Is6() != v6 || !m.Group.IsMulticast() {
				return EINVAL
			}
			o := tcpip.MembershipOption{NIC: tcpip.NICID(m.Ifindex), MulticastAddr: stack.Address(m.Group)}
			if specified(m.Local) {
				o.InterfaceAddr = stack.Address(m.Local)
			}
			if join {
				a := tcpip.AddMembershipOption(o)
				return errnoOf(s.ep.SetSockOpt(&a)) // joined already: EADDRINUSE
			}
			r := tcpip.RemoveMembershipOption(o)
			return errnoOf(s.ep.SetSockOpt(&r)) // not joined: EADDRNOTAVAIL
		},
	}
}
