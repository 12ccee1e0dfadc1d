package gateway

import (
	"net/netip"
	"time"

	"fivetuple/stack"

	"golang.org/x/sys/unix"
)

// echoIdle is how long the answer to a ping may take. RFC 5508, REQ-1, asks for
// a minute at least.
const echoIdle = 60 * time.Second

// echoFlow is a client's ping: requests with one identifier to one address.
// netstack does not see them: it would answer itself.
type echoFlow struct {
	base
	request stack.Packet // the last one, for an error to quote
	held    bool         // there is one
}

// canPing reports whether this process may have ping sockets: icmp(7),
// ping_group_range.
func canPing(a netip.Addr, proto int) bool {
	fd, err := hostSocket(a, unix.SOCK_DGRAM, proto)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// expires implements [flow].
func (f *echoFlow) expires() time.Duration { return f.last + echoIdle }

// arrived implements [flow].
func (f *echoFlow) arrived(h *held) {
	if f.ended {
		h.pkt.Release()
		return
	}
	if f.held {
		f.request.Release()
	}
	f.request, f.held, f.last = h.pkt, true, f.g.p.Now()
	if f.host < 0 {
		if err := f.start(); err != nil {
			f.failed(err)
			f.end()
			return
		}
	}
	if _, err := write(f.host, h.data); err != nil {
		f.failed(err)
		return
	}
	f.sent += uint64(len(h.data))
}

// start makes the ping socket. The kernel puts an identifier of its own into
// what it sends: the socket's port.
func (f *echoFlow) start() error {
	if err := f.open(f, unix.SOCK_DGRAM, int(f.key.proto)); err != nil {
		return err
	}
	f.local = localName(f.host)
	f.g.counts.Echo++
	f.g.mark("outside: %s echo %s -> %s, for %s -> %s", protoNames[f.key.proto], f.local, f.dialed.Addr(), f.key.client, f.key.target.Addr())
	f.g.time(f)
	return nil
}

func (f *echoFlow) failed(err error) {
	if err != nil && f.held && err != unix.EAGAIN {
		f.refuse(f.request.Bytes(), err)
	}
}

// step implements [step]: answers have come.
func (f *echoFlow) step() {
	if f.ended {
		return
	}
	if f.events&unix.EPOLLERR != 0 {
		f.failed(socketError(f.host))
	}
	f.events = 0
	for range maxDatagrams {
		n, err := read(f.host, f.g.bytes)
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			f.failed(err)
			continue
		}
		f.last = f.g.p.Now()
		f.received += uint64(n)
		message := append([]byte(nil), f.g.bytes[:n]...)
		if b := stack.EchoReply(f.key.target.Addr(), f.key.client.Addr(), f.key.client.Port(), message); b != nil {
			f.iface.Transmit(b)
		}
	}
	f.events = unix.EPOLLIN
	f.g.queue(f)
}

// end implements [flow].
func (f *echoFlow) end() {
	if f.held {
		f.request.Release()
		f.held = false
	}
	f.leave()
}
