package stack

import (
	"cmp"
	"slices"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// registered lists the end points that netstack's demultiplexer knows, and
// those that it is closing, each once, in no particular order.
func (s *Stack) registered() []tcpip.Endpoint {
	seen := make(map[tcpip.Endpoint]bool)
	var out []tcpip.Endpoint
	for _, list := range [][]stack.TransportEndpoint{s.net.RegisteredEndpoints(), s.net.CleanupEndpoints()} {
		for _, te := range list {
			if ep, ok := te.(tcpip.Endpoint); ok && !seen[ep] {
				seen[ep] = true
				out = append(out, ep)
			}
		}
	}
	return out
}

// AllSockets lists every socket of the host: those of [Stack.Sockets], and those
// that netstack's demultiplexer does not know, which a descriptor names all the
// same: a TCP socket that is only bound, and sockets without an address.
func (s *Stack) AllSockets() []trace.Socket {
	var out []trace.Socket
	for _, ep := range s.endpoints() {
		out = append(out, s.Snapshot(ep))
	}
	slices.SortFunc(out, compareSockets)
	return out
}

// endpoints lists the end points of AllSockets, in no particular order.
func (s *Stack) endpoints() []tcpip.Endpoint {
	out := s.registered()
	seen := make(map[tcpip.Endpoint]bool)
	for _, ep := range out {
		seen[ep] = true
	}
	for ep := range s.track.owners {
		if !seen[ep] && protoName(ep) != "unknown" && protoName(ep) != "packet" {
			out = append(out, ep)
		}
	}
	return out
}

// compareSockets is a total order: sockets that differ in nothing that is
// compared look the same.
func compareSockets(a, b trace.Socket) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), a.Local.Compare(b.Local), a.Remote.Compare(b.Remote),
		slices.CompareFunc(a.Holders, b.Holders, compareOrigins), cmp.Compare(a.State, b.State),
		cmp.Compare(a.RecvQ, b.RecvQ), cmp.Compare(a.SendQ, b.SendQ))
}

func compareOrigins(a, b trace.Origin) int {
	return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
}
