package gateway

import (
	"net/netip"

	"fivetuple/sockapi"
)

// host is the machine's side of a gateway: all that it learns of the outside
// comes through it. None of the calls waits, but wait. Their errors are
// [sockapi.Errno]s. In a recorded run each of them that returns something is in
// the recording, with what it returned.
type host interface {
	// canPing reports whether ping sockets of a family may be made: icmp(7).
	canPing(proto uint8) bool
	// dial makes a socket that does not block and starts to connect it. It may
	// return with the connection pending. What happens to the socket is reported
	// with num.
	dial(proto uint8, to netip.AddrPort, num int32) (fd int, err error)
	// pending reports whether a socket is still connecting.
	pending(fd int) bool
	// name is a socket's own address: getsockname(2).
	name(fd int) netip.AddrPort
	// failure takes a socket's pending error: SO_ERROR.
	failure(fd int) error
	// read and write are read(2) and send(2).
	read(fd int, b []byte) (int, error)
	write(fd int, b []byte) (int, error)
	// finish sends a FIN: shutdown(2).
	finish(fd int) error
	// reset makes the close of a TCP socket send a RST.
	reset(fd int)
	close(fd int)

	// ready reports whether something has happened to sockets, and take returns it.
	// It is said once for each change (EPOLLET).
	ready() bool
	take() []event
	// wait waits until ready would find something, for at most ms milliseconds.
	wait(ms int) bool
	// pollFD is readable when ready would find something; -1: none.
	pollFD() int
	// shut ends everything.
	shut()
}

// event is what has happened to a socket of the machine.
type event struct {
	fd, num int32
	events  uint32
}

// Events, as in epoll_ctl(2).
const (
	pollIn    = 0x1
	pollOut   = 0x4
	pollErr   = 0x8
	pollHup   = 0x10
	pollRDHup = 0x2000
)

// IP's protocol numbers. A flow of one of the ICMPs is an echo.
const (
	protoTCP    = sockapi.IPPROTO_TCP
	protoUDP    = sockapi.IPPROTO_UDP
	protoICMP   = sockapi.IPPROTO_ICMP
	protoICMPv6 = sockapi.IPPROTO_ICMPV6
)
