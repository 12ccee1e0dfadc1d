package stack

import (
	"cmp"
	"slices"

	"fivetuple/trace"
)

// Ports is the host's table of TCP and UDP ports, ordered by protocol, port and
// address. It is made of the sockets, not of netstack's reservations, which name
// no owner.
func (s *Stack) Ports() []trace.Port {
	var out []trace.Port
	for _, k := range s.AllSockets() {
		use := useOf(&k)
		if use == "" {
			continue
		}
		row := trace.Port{Proto: k.Proto, Local: k.Local, V6: k.V6, V6Only: k.V6Only, Use: use}
		i := slices.IndexFunc(out, func(p trace.Port) bool { return comparePorts(p, row) == 0 })
		if i < 0 {
			i = len(out)
			out = append(out, row)
		}
		p := &out[i]
		p.Sockets++
		p.ReuseAddr += count(k.ReuseAddr)
		p.ReusePort += count(k.ReusePort)
		p.Owners = append(p.Owners, k.Holders...)
	}
	for i := range out {
		slices.SortStableFunc(out[i].Owners, compareOrigins)
	}
	slices.SortFunc(out, comparePorts)
	return out
}

func count(set bool) int {
	if set {
		return 1
	}
	return 0
}

// useOf is what a socket uses its port for, "" if it has none.
func useOf(k *trace.Socket) trace.PortUse {
	switch {
	case k.Proto != "tcp" && k.Proto != "udp" || k.Local.Port() == 0:
		return ""
	case k.State == trace.Listen:
		return trace.PortListening
	case k.State == trace.TimeWait:
		return trace.PortTimeWait
	case k.State == trace.SynSent || k.State == trace.SynReceived:
		return trace.PortConnecting
	case k.State != trace.Closed:
		return trace.PortConnected
	case k.Proto == "udp" || k.Bound:
		return trace.PortBound
	}
	return ""
}

// uses is the order of the rows of one port.
var uses = []trace.PortUse{trace.PortBound, trace.PortListening, trace.PortConnecting, trace.PortConnected, trace.PortTimeWait}

func comparePorts(a, b trace.Port) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Local.Port(), b.Local.Port()), a.Local.Addr().Compare(b.Local.Addr()),
		cmp.Compare(count(a.V6), count(b.V6)), cmp.Compare(count(a.V6Only), count(b.V6Only)),
		cmp.Compare(slices.Index(uses, a.Use), slices.Index(uses, b.Use)))
}
