package sockapi

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Shutdown closes one direction or both: shutdown(2).
func (p *Proc) Shutdown(fd, how int) error {
	c := p.begin("shutdown", fd, itoa(fd)+", "+howName(how))
	o, errno := c.file()
	if errno != 0 {
		return c.ret("", errno)
	}
	if how < SHUT_RD || how > SHUT_RDWR {
		return c.ret("", EINVAL)
	}
	shut := how + 1 // as Linux does: SHUT_RD is bit 0, SHUT_WR bit 1
	var flags tcpip.ShutdownFlags
	if shut&shutRD != 0 {
		flags |= tcpip.ShutdownRead
	}
	if shut&shutWR != 0 {
		flags |= tcpip.ShutdownWrite
	}
	errno = errnoOf(o.sock.ep.Shutdown(flags))
	switch {
	case errno != 0:
	case o.sock.listening():
		o.sock.shut |= shut & shutRD
	default:
		o.sock.shut |= shut
	}
	o.sock.st.Touch()
	return c.ret("0", errno)
}

// Getsockname returns the local address: getsockname(2).
func (p *Proc) Getsockname(fd int) (netip.AddrPort, error) {
	return p.name("getsockname", fd, tcpip.Endpoint.GetLocalAddress)
}

// Getpeername returns the remote address: getpeername(2).
func (p *Proc) Getpeername(fd int) (netip.AddrPort, error) {
	return p.name("getpeername", fd, tcpip.Endpoint.GetRemoteAddress)
}

func (p *Proc) name(call string, fd int, get func(tcpip.Endpoint) (tcpip.FullAddress, tcpip.Error)) (netip.AddrPort, error) {
	c := p.begin(call, fd, itoa(fd))
	o, errno := c.file()
	if errno != 0 {
		return netip.AddrPort{}, c.ret("", errno)
	}
	if call == "getpeername" && o.sock.family == AF_PACKET {
		return netip.AddrPort{}, c.ret("", EOPNOTSUPP)
	}
	full, err := get(o.sock.ep)
	if err != nil {
		return netip.AddrPort{}, c.ret("", errnoOf(err))
	}
	addr := o.sock.addrPort(full)
	return addr, c.ret(addr.String(), 0)
}
