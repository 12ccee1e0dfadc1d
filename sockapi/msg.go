package sockapi

import (
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/stack"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Requests of ioctl(2) that sockets know: <asm-generic/sockios.h>.
const (
	FIONREAD = 0x541b
	SIOCINQ  = 0x541b // the same, by its socket name: tcp(7)
	SIOCOUTQ = 0x5411
	// SIOCOUTQNSD is Linux's, <linux/sockios.h>: what has not been sent yet.
	SIOCOUTQNSD = 0x894b
)

// Msg is struct msghdr: a message in pieces.
type Msg struct {
	// Name is where a message goes, or who sent it.
	Name netip.AddrPort
	// Link is Name for a packet socket.
	Link LinkAddr
	// Control are its control messages. All that there are, are received: there
	// is no msg_controllen, and so no MSG_CTRUNC.
	Control []Cmsg
	// Iov are its buffers: sent or filled in order.
	Iov [][]byte
	// Flags are set on return: MSG_TRUNC if a datagram was longer than Iov,
	// MSG_ERRQUEUE if it comes from the error queue.
	Flags int
}

func (m *Msg) size() int {
	n := 0
	for _, b := range m.Iov {
		n += len(b)
	}
	return n
}

// Sendmsg sends the buffers of m as one message, or as bytes of a stream:
// sendmsg(2).
func (p *Proc) Sendmsg(fd int, m *Msg, flags int) (int, error) {
	return p.send("sendmsg", fd, slices.Concat(m.Iov...), flags, m)
}

// Writev is Sendmsg without an address and flags: writev(2).
func (p *Proc) Writev(fd int, iov [][]byte) (int, error) {
	return p.send("writev", fd, slices.Concat(iov...), 0, &Msg{})
}

// Recvmsg receives into the buffers of m, and fills in who sent it and the
// flags: recvmsg(2).
func (p *Proc) Recvmsg(fd int, m *Msg, flags int) (int, error) {
	return p.recvInParts("recvmsg", fd, m, flags)
}

// RecvfromMsg is Recvfrom for a socket of any family: it fills in m as Recvmsg
// does.
func (p *Proc) RecvfromMsg(fd int, m *Msg, flags int) (int, error) {
	return p.recvInParts("recvfrom", fd, m, flags)
}

// Readv is Recvmsg without an address and flags: readv(2).
func (p *Proc) Readv(fd int, iov [][]byte) (int, error) {
	return p.recvInParts("readv", fd, &Msg{Iov: iov}, 0)
}

func (p *Proc) recvInParts(name string, fd int, m *Msg, flags int) (int, error) {
	buf := make([]byte, m.size())
	r, err := p.recvInto(name, fd, buf, flags)
	if err != nil {
		return r.got, err
	}
	m.Name, m.Link, m.Control, m.Flags = r.from, r.link, r.control, flags&MSG_ERRQUEUE
	if r.total > len(buf) {
		m.Flags |= MSG_TRUNC
	}
	rest := buf[:min(r.got, len(buf))]
	for _, b := range m.Iov {
		rest = rest[copy(b, rest):]
	}
	return r.got, nil
}

// Ioctl asks for the length of a queue: FIONREAD (SIOCINQ) for the bytes, or
// the next datagram's bytes, that wait to be received, SIOCOUTQ for those not
// yet acknowledged, SIOCOUTQNSD for those of a stream not yet sent: tcp(7),
// udp(7).
func (p *Proc) Ioctl(fd, request int) (int, error) {
	name, ok := map[int]string{FIONREAD: "FIONREAD", SIOCOUTQ: "SIOCOUTQ", SIOCOUTQNSD: "SIOCOUTQNSD"}[request]
	if !ok {
		name = fmt.Sprintf("%#x", request)
	}
	c := p.begin("ioctl", fd, itoa(fd)+", "+name)
	o, errno := c.file()
	if errno == ENOTSOCK || (errno == 0 && !ok) {
		errno = ENOTTY
	}
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	if request == SIOCOUTQ {
		n := o.sock.snapshot().SendQ // a datagram has left when sendto returns
		return n, c.ret(itoa(n), 0)
	}
	if request == SIOCOUTQNSD {
		k, isTCP := stack.CountersOf(o.sock.ep)
		if !isTCP {
			return -1, c.ret("", ENOTTY)
		}
		return k.NotSent, c.ret(itoa(k.NotSent), 0)
	}
	n, err := o.sock.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		return -1, c.ret("", errnoOf(err))
	}
	return n, c.ret(itoa(n), 0)
}
