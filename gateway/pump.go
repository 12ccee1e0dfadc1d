package gateway

import (
	"errors"

	"fivetuple/sockapi"
	"fivetuple/trace"
)

// turn is how many bytes a flow may pass on in one direction before it is
// others' turn.
const turn = maxBuffer

// pump passes on what there is, in both directions.
func (f *tcpFlow) pump() {
	if e := f.events; e != 0 {
		f.events = 0
		f.up.wait = f.up.wait && e&(pollOut|pollErr|pollHup) == 0
		f.down.wait = f.down.wait && e&(pollIn|pollRDHup|pollErr|pollHup) == 0
		f.gone = f.gone || e&pollErr != 0
		f.hup = f.hup || f.gone || e&(pollRDHup|pollHup) != 0
	}
	if !f.gone {
		f.pumpUp()
	}
	if !f.ended {
		f.pumpDown()
	}
	switch {
	case f.ended:
	case f.gone:
		if !f.queued { // there is no more, or no room for it
			f.abortInside()
		}
	case f.up.done && f.down.done:
		f.end()
	case (f.up.eof || f.up.wait) && !f.down.done && f.watch.State() == trace.Closed:
		f.abortOutside() // reset after its FIN, or while nothing is read from it
	}
}

// pumpUp passes on bytes from netstack to the machine's socket.
func (f *tcpFlow) pumpUp() {
	d, g := &f.up, f.g
	for budget := turn; !d.done; {
		switch {
		case len(d.rest) > 0:
			if d.wait || !f.toHost(d.rest, true) {
				return
			}
		case d.eof:
			d.done = true
			if err := g.host.finish(f.host); err != nil {
				f.abortInside()
			}
			return
		case budget <= 0:
			g.queue(f)
			return
		case !f.watch.Readable():
			return
		default:
			n, err := g.p.RecvInto(f.fd, g.bytes[:d.room()], 0)
			switch {
			case errors.Is(err, sockapi.EAGAIN):
				return
			case err != nil:
				f.abortOutside()
				return
			case n == 0:
				d.eof = true
			default:
				d.filled(n)
				budget -= n
				f.toHost(g.bytes[:n], false)
				if f.ended {
					return
				}
			}
		}
	}
}

// toHost writes b to the machine's socket, and keeps what it does not take; kept
// says that b is what was kept. It reports whether all was taken.
func (f *tcpFlow) toHost(b []byte, kept bool) bool {
	n, err := f.g.host.write(f.host, b)
	if err != nil && err != sockapi.EAGAIN {
		f.abortInside()
		return false
	}
	n = max(n, 0)
	f.sent += uint64(n)
	f.up.wait = n < len(b)
	if kept {
		f.up.passed(&f.g.kept, n)
	} else {
		f.up.hold(&f.g.kept, b[n:])
	}
	return n == len(b)
}

// pumpDown passes on bytes from the machine's socket to netstack.
func (f *tcpFlow) pumpDown() {
	d, g := &f.down, f.g
	for budget := turn; !d.done; {
		switch {
		case len(d.rest) > 0:
			if !f.watch.Writable() || !f.toInside(d.rest, true) {
				return
			}
		case d.eof:
			d.done = true
			if err := g.p.Shutdown(f.fd, sockapi.SHUT_WR); err != nil {
				f.abortOutside()
			}
			return
		case d.wait || !f.watch.Writable():
			return
		case budget <= 0:
			g.queue(f)
			return
		default:
			n, err := g.host.read(f.host, g.bytes[:d.room()])
			switch {
			case err == sockapi.EAGAIN:
				d.wait = true
				return
			case err != nil:
				f.abortInside()
				return
			case n == 0:
				d.eof = true
			default:
				// Less than was asked for is all there is (epoll(7)), but a FIN
				// may be behind it.
				d.wait = n < d.room() && !f.hup
				d.filled(n)
				budget -= n
				f.toInside(g.bytes[:n], false)
				if f.ended {
					return
				}
			}
		}
	}
}

// toInside writes b to netstack, and keeps what it does not take; kept says that
// b is what was kept. It reports whether all was taken.
func (f *tcpFlow) toInside(b []byte, kept bool) bool {
	n, err := f.g.p.Send(f.fd, b, 0)
	if err != nil && !errors.Is(err, sockapi.EAGAIN) {
		f.abortOutside()
		return false
	}
	if n = max(n, 0); n < len(b) {
		f.watch.Full()
	}
	f.received += uint64(n)
	if kept {
		f.down.passed(&f.g.kept, n)
	} else {
		f.down.hold(&f.g.kept, b[n:])
	}
	return n == len(b)
}
