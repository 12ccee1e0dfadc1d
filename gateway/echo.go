package gateway

import (
	"time"

	"fivetuple/sockapi"
	"fivetuple/stack"
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
	if _, err := f.g.host.write(f.host, h.data); err != nil {
		f.failed(err)
		return
	}
	f.sent += uint64(len(h.data))
}

// start makes the ping socket. The kernel puts an identifier of its own into
// what it sends: the socket's port.
func (f *echoFlow) start() error {
	if err := f.open(f); err != nil {
		return err
	}
	f.local = f.g.host.name(f.host)
	f.g.counts.Echo++
	f.g.mark("outside: %s echo %s -> %s, for %s -> %s", protoNames[f.key.proto], f.local, f.dialed.Addr(), f.key.client, f.key.target.Addr())
	f.g.time(f)
	return nil
}

func (f *echoFlow) failed(err error) {
	if err != nil && f.held && err != sockapi.EAGAIN {
		f.refuse(f.request.Bytes(), err)
	}
}

// step implements [step]: answers have come.
func (f *echoFlow) step() {
	if f.ended {
		return
	}
	if f.events&pollErr != 0 {
		f.failed(f.g.host.failure(f.host))
	}
	f.events = 0
	for range maxDatagrams {
		n, err := f.g.host.read(f.host, f.g.bytes)
		if err == sockapi.EAGAIN {
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
	f.events = pollIn
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
