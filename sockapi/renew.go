package sockapi

import (
	"maps"
	"slices"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// newEndpoint makes a netstack end point for s.
func (s *socket) newEndpoint() (tcpip.Endpoint, Errno) {
	net := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
	if s.family == AF_INET6 {
		net = ipv6.ProtocolNumber
	}
	var ep tcpip.Endpoint
	var err tcpip.Error
	if s.typ == SOCK_RAW {
		// IPPROTO_RAW only sends, whole packets: raw(7).
		ep, err = s.st.Netstack().NewRawEndpoint(s.trans, net, s.wq, s.proto != IPPROTO_RAW)
	} else {
		ep, err = s.st.Netstack().NewEndpoint(s.trans, net, s.wq)
	}
	return ep, errnoOf(err)
}

// renew makes s a socket that has never been connected, with the options and
// the address that the program has given it. In Linux that is what a failed
// connect and connect(AF_UNSPEC) leave behind (tcp_disconnect); a netstack end
// point that has failed cannot be used again.
func (s *socket) renew() Errno {
	ep, errno := s.newEndpoint()
	if errno != 0 {
		return errno
	}
	old, fresh := *s, *s
	fresh.ep = ep
	for i := range optionTable {
		if o := &optionTable[i]; o.appliesTo(s) {
			o.copy(&old, &fresh)
		}
	}
	s.handshakeOver()
	s.st.Own(s.ep, nil)
	s.ep.Close()
	s.ep, s.opened, s.shut, s.err, s.backlog = ep, false, 0, 0, 0
	s.st.Own(ep, s)
	s.st.Touch()
	if s.bound.Port == 0 && s.bound.Addr == (tcpip.Address{}) {
		return 0
	}
	return errnoOf(ep.Bind(s.bound))
}

// copy gives to the value that from has for the option.
func (o *Option) copy(from, to *socket) {
	negotiated := o.Level == IPPROTO_TCP && o.Num == TCP_MAXSEG && from.opened
	if o.Status != Simulated || o.set == nil || o.get == nil || negotiated {
		return
	}
	was, e1 := o.get(from)
	is, e2 := o.get(to)
	if e1 != 0 || e2 != 0 || was == is {
		return
	}
	if o.Level == SOL_SOCKET && (o.Num == SO_RCVBUF || o.Num == SO_SNDBUF) {
		was = was.(int) / 2 // it doubles what it is given
	}
	o.set(to, was)
}

// inherit gives an accepted socket the options that were set on its listener,
// as Linux does (sk_clone_lock).
func (s *socket) inherit(listener *socket) {
	for _, o := range listener.changed {
		o.copy(listener, s)
	}
	s.changed, s.stored = slices.Clone(listener.changed), maps.Clone(listener.stored)
}

// disconnect is connect(2) with AF_UNSPEC.
func (s *socket) disconnect() Errno {
	if !s.stream() {
		return errnoOf(s.ep.Disconnect())
	}
	linger := s.ep.SocketOptions().GetLinger()
	errno := Errno(0)
	if s.opened || s.listening() {
		// Close answers with a reset instead of a FIN: tcp_disconnect.
		s.ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
		errno = s.renew()
		s.ep.SocketOptions().SetLinger(linger)
	}
	return errno
}

// taken reports whether a listener holds the port of local already. netstack
// lets two sockets with SO_REUSEADDR share a port even if one of them listens,
// as long as their addresses differ; Linux does not (inet_csk_bind_conflict).
func (s *socket) taken(local tcpip.FullAddress) bool {
	if !s.stream() || local.Port == 0 || !s.ep.SocketOptions().GetReuseAddress() || s.ep.SocketOptions().GetReusePort() {
		return false
	}
	mine := stack.Addr(local.Addr).Unmap()
	for _, l := range s.st.Listeners() {
		theirs := l.Local.Addr()
		if l.Local.Port() != local.Port {
			continue
		}
		switch {
		case mine == theirs:
			return true
		case !mine.IsValid():
			return s.family == AF_INET6 && !s.ep.SocketOptions().GetV6Only() || theirs.Is4() == (s.family == AF_INET) || l.V6 && !l.V6Only && theirs.IsUnspecified()
		case theirs.IsUnspecified():
			return theirs.Is4() == mine.Is4() || !l.V6Only && l.V6
		}
	}
	return false
}
