package gateway

import (
	"fmt"

	"fivetuple/stack"
)

// This file decides about packets, in the middle of the stack's work.

// rule says what becomes of a packet for an outside address.
func (g *Gateway) rule(i *stack.Interface, a *stack.Arrival) stack.Ruling {
	if a.Later || g.p == nil {
		return stack.Ruling{} // the stack puts fragments together
	}
	switch a.Proto {
	case protoTCP:
		return g.ruleTCP(i, a)
	case protoUDP:
		return g.ruleUDP(i, a)
	case protoICMP, protoICMPv6:
		if a.Echo {
			return g.ruleEcho(i, a)
		}
		return stack.Ruling{} // an error about what the stack has sent
	}
	return discard("gateway: IP protocol %d does not pass", a.Proto)
}

func discard(format string, args ...any) stack.Ruling {
	return stack.Ruling{Taken: true, Reason: fmt.Sprintf(format, args...)}
}

func keyOf(a *stack.Arrival) key { return key{a.Proto, a.Src, a.Dst} }

func (g *Gateway) ruleTCP(i *stack.Interface, a *stack.Arrival) stack.Ruling {
	f, known := g.flows[keyOf(a)].(*tcpFlow)
	switch {
	case a.RST:
		if known && f.state == opening {
			f.given = true
			g.queue(f)
		}
		return stack.Ruling{}
	case known && f.state == connecting:
		return discard("gateway: the outside connection is not there yet")
	case known || !a.Intact():
		return stack.Ruling{}
	}
	f = &tcpFlow{base: g.base(i, a), fd: -1}
	return g.begin(f, a)
}

func (g *Gateway) ruleUDP(i *stack.Interface, a *stack.Arrival) stack.Ruling {
	f, known := g.flows[keyOf(a)].(*udpFlow)
	switch {
	case known && f.fd >= 0:
		return stack.Ruling{} // its socket gets it
	case known && f.waiting >= maxWaiting:
		return discard("gateway: the flow's first datagrams wait still")
	case known:
		f.waiting++
		g.hold(f, a)
		return stack.Ruling{Taken: true}
	case !a.Intact():
		return stack.Ruling{}
	}
	f = &udpFlow{base: g.base(i, a), fd: -1, waiting: 1}
	return g.begin(f, a)
}

func (g *Gateway) ruleEcho(i *stack.Interface, a *stack.Arrival) stack.Ruling {
	f, known := g.flows[keyOf(a)].(*echoFlow)
	switch {
	case a.Proto == protoICMP && !g.ping4, a.Proto == protoICMPv6 && !g.ping6:
		g.tellNoPing()
		return discard(noPing)
	case !a.Whole():
		return discard("gateway: an echo request in fragments does not pass")
	case !a.Intact():
		return stack.Ruling{}
	case known:
		g.hold(f, a)
		return stack.Ruling{Taken: true}
	}
	f = &echoFlow{base: g.base(i, a)}
	return g.begin(f, a)
}

// noPing is why echo requests may not pass: icmp(7).
const noPing = "gateway: no ping socket: this process's group is not in net.ipv4.ping_group_range"

// tellNoPing says so, once.
func (g *Gateway) tellNoPing() {
	if !g.silenced && g.notice != nil {
		g.silenced = true
		g.notice(noPing + "; pings do not pass until it is: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", and start again")
	}
}

// begin takes a new flow in, if it may be.
func (g *Gateway) begin(f flow, a *stack.Arrival) stack.Ruling {
	b, ok := f.common(), false
	if b.dialed, ok = g.cfg.outside(a.Dst); !ok {
		return discard("gateway: %s is an address of the machine itself: only --gateway-map leads there", a.Dst.Addr())
	}
	if len(g.flows) >= g.cfg.MaxFlows {
		g.overflow()
		return discard("gateway: %d flows are the limit", g.cfg.MaxFlows)
	}
	g.flows[b.key] = f
	g.hold(f, a)
	return stack.Ruling{Taken: true}
}

// overflow says that there are too many flows: once, until half of them have ended.
func (g *Gateway) overflow() {
	g.counts.Overflowed++
	if !g.full {
		g.full = true
		g.enqueue(overflowed{g})
	}
}

type overflowed struct{ g *Gateway }

// step implements [step].
func (o overflowed) step() {
	o.g.warn(fmt.Sprintf("gateway: all of its %d flows are in use; what would begin another one is dropped", o.g.cfg.MaxFlows))
}
