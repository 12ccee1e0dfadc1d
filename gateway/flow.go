package gateway

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"fivetuple/sockapi"
	"fivetuple/stack"
)

// base is what all flows have.
type base struct {
	g       *Gateway
	iface   *stack.Interface
	key     key
	dialed  netip.AddrPort // where it goes on to; where it is from, if it is inbound
	local   netip.AddrPort // the outside socket's own address
	host    int            // the outside socket; -1: none
	num     int32          // tells flows apart that had the same descriptor
	events  uint32         // what epoll has said since the last step
	inbound bool           // through a published port
	queued  bool           // in Gateway.ready
	timed   bool           // in Gateway.timed
	ended   bool
	last    time.Duration // when something passed

	sent, received uint64 // bytes
}

func (g *Gateway) base(i *stack.Interface, a *stack.Arrival) base {
	g.num++
	return base{g: g, iface: i, key: keyOf(a), host: -1, num: g.num, last: g.p.Now()}
}

func (b *base) common() *base { return b }

// open makes the outside socket.
func (b *base) open(f flow) (err error) {
	if b.host, err = b.g.host.dial(b.key.proto, b.dialed, b.num); err != nil {
		b.g.starve(err)
		return err
	}
	b.g.byFD[int32(b.host)] = f
	return nil
}

// starve says, once, that this process has no descriptor left, if that is it.
func (g *Gateway) starve(err error) {
	if !g.starved && (err == sockapi.EMFILE || err == sockapi.ENFILE) {
		g.starved = true
		g.warn("gateway: no descriptor is left for an outside socket: " + errnoName(err) + "; raise the limit (ulimit -n), or lower --gateway-flows")
	}
}

// leave closes the outside socket and forgets the flow.
func (b *base) leave() {
	if b.ended {
		return
	}
	b.ended = true
	b.g.counts.Sent, b.g.counts.Received = b.g.counts.Sent+b.sent, b.g.counts.Received+b.received
	delete(b.g.flows, b.key)
	if len(b.g.flows) <= b.g.cfg.MaxFlows/2 {
		b.g.full = false
	}
	b.closeHost()
}

func (b *base) closeHost() {
	if b.host >= 0 {
		delete(b.g.byFD, int32(b.host))
		b.g.host.close(b.host)
		b.host = -1
	}
}

// refuse answers a packet of the client's as the outside has.
func (b *base) refuse(packet []byte, err error) {
	why := stack.HostUnreachable
	switch {
	case errors.Is(err, sockapi.ECONNREFUSED):
		why = stack.PortUnreachable
	case errors.Is(err, sockapi.ENETUNREACH):
		why = stack.NetUnreachable
	case errors.Is(err, sockapi.EACCES), errors.Is(err, sockapi.EPERM):
		why = stack.AdminProhibited
	}
	b.g.counts.Refused++
	if b.key.proto == protoTCP && (why == stack.PortUnreachable || errors.Is(err, sockapi.ECONNRESET)) {
		b.iface.Transmit(stack.Refusal(packet))
		return
	}
	b.iface.Transmit(stack.UnreachableFor(packet, b.key.target.Addr(), why))
}

// Counts returns the counts so far.
func (g *Gateway) Counts() Counts {
	c := g.counts
	for _, f := range g.flows {
		c.Sent, c.Received = c.Sent+f.common().sent, c.Received+f.common().received
	}
	return c
}

var protoNames = map[uint8]string{protoTCP: "tcp", protoUDP: "udp", protoICMP: "icmp", protoICMPv6: "icmpv6"}

// Flows lists the flows, ordered by protocol, client and target.
func (g *Gateway) Flows() []Flow {
	var out []Flow
	for _, f := range g.flows {
		b := f.common()
		d := Flow{Proto: protoNames[b.key.proto], State: "open", Client: b.key.client, Target: b.key.target,
			Local: b.local, Remote: b.dialed, Inbound: b.inbound, FD: -1, HostFD: b.host, Sent: b.sent, Received: b.received}
		switch f := f.(type) {
		case *tcpFlow:
			d.FD, d.State = f.fd, f.state.String()
		case *udpFlow:
			d.FD = f.fd
		case *udpIn:
			d.FD, d.HostFD = f.fd, f.post.host
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), a.Client.Compare(b.Client), a.Target.Compare(b.Target))
	})
	return out
}

// errnoName is an error of the machine's as the trace has it.
func errnoName(err error) string {
	if e, ok := errors.AsType[sockapi.Errno](err); ok {
		return e.Error() + " (" + e.Name() + ")"
	}
	return err.Error()
}

// family is that of an inside socket for an address.
func family(a netip.Addr) int {
	if a.Is4() {
		return sockapi.AF_INET
	}
	return sockapi.AF_INET6
}

// Sending reports whether a TCP flow has not passed on all that was sent from the
// inside, to its FIN.
func (g *Gateway) Sending() bool {
	for _, f := range g.flows {
		if f, ok := f.(*tcpFlow); ok && !f.up.done {
			return true
		}
	}
	return false
}
