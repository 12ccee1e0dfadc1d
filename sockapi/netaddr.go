package sockapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
)

// network is one of package net's names, taken apart.
type network struct {
	name   string
	typ    int // SOCK_STREAM or SOCK_DGRAM
	family int // AF_UNSPEC: either
}

func parseNetwork(name string) (network, error) {
	n := network{name: name, typ: SOCK_STREAM}
	switch name {
	case "tcp":
	case "tcp4":
		n.family = AF_INET
	case "tcp6":
		n.family = AF_INET6
	case "udp":
		n.typ = SOCK_DGRAM
	case "udp4":
		n.typ, n.family = SOCK_DGRAM, AF_INET
	case "udp6":
		n.typ, n.family = SOCK_DGRAM, AF_INET6
	default:
		return n, net.UnknownNetworkError(name)
	}
	return n, nil
}

// takes reports whether a socket of this network can have the address.
func (n network) takes(a netip.Addr) bool {
	return n.family == AF_UNSPEC || n.family == familyOf(a)
}

// addr is an address as package net has it.
func (n network) addr(a netip.AddrPort) net.Addr {
	a = unmapped(a)
	if n.typ == SOCK_STREAM {
		return net.TCPAddrFromAddrPort(a)
	}
	return net.UDPAddrFromAddrPort(a)
}

func (n network) wrap(c *conn) net.Conn {
	if n.typ == SOCK_STREAM {
		return &TCPConn{c}
	}
	return &UDPConn{c}
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return AF_INET
	}
	return AF_INET6
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// resolve reads "host:port": at least one address. Without a host it is this
// host: its loopback addresses to connect to, any to be passive on.
func (n *Net) resolve(ctx context.Context, nw network, address string, passive bool) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// Numbers, and the services that everybody knows: no packet is sent.
	port, err := net.DefaultResolver.LookupPort(ctx, nw.name, service)
	if err != nil {
		return nil, err
	}
	addrs, err := n.lookup(ctx, nw, host, passive)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); nw.takes(a) {
			out = append(out, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(out) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	return out, nil
}

var (
	loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	// any has IPv6 first: its sockets take IPv4 too.
	anyAddrs = []netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}
)

func (n *Net) lookup(ctx context.Context, nw network, host string, passive bool) ([]netip.Addr, error) {
	a, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && a.IsUnspecified() && nw.takes(a):
		if passive {
			return anyAddrs, nil
		}
		return loopbacks, nil
	case err == nil:
		return []netip.Addr{a}, nil
	case host == "localhost":
		return loopbacks, nil
	case n.Resolve == nil:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return n.Resolve(ctx, host)
}

// reason is what an OpError wraps for an error: a failed call is told as
// package net does.
func reason(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return os.NewSyscallError(e.Call, e.Errno)
	}
	return err
}

// dialReason is reason for a connect: one whose limit has passed fails with
// EINPROGRESS.
func dialReason(err error) error {
	switch {
	case errors.Is(err, EINPROGRESS) || errors.Is(err, context.DeadlineExceeded):
		return dialTimeout{}
	case errors.Is(err, context.Canceled):
		return canceled{}
	}
	return reason(err)
}

// dialTimeout is a Dial that took too long, in whichever way that was asked for.
type dialTimeout struct{}

func (dialTimeout) Error() string   { return "i/o timeout" }
func (dialTimeout) Timeout() bool   { return true }
func (dialTimeout) Temporary() bool { return true }
func (dialTimeout) Is(err error) bool {
	return err == os.ErrDeadlineExceeded || err == context.DeadlineExceeded
}

// canceled is a Dial whose context was cancelled.
type canceled struct{}

func (canceled) Error() string     { return "operation was canceled" }
func (canceled) Is(err error) bool { return err == context.Canceled }

// Timeout makes an Errno what package net expects of one.
func (e Errno) Timeout() bool { return e == EAGAIN || e == ETIMEDOUT }

// Temporary reports whether the same call may succeed later: http.Server then
// goes on accepting.
func (e Errno) Temporary() bool {
	switch e {
	case EINTR, EMFILE, ECONNRESET, ECONNABORTED:
		return true
	}
	return e.Timeout()
}
