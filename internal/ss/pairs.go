package ss

import (
	"io"
	"net/netip"
	"slices"

	"fivetuple/trace"
	"fivetuple/trace/table"
)

// Wants reports whether sockets of a protocol, "tcp" or "udp", were asked for.
func (q *Query) Wants(proto string) bool { return slices.Contains(q.protocols(), proto) }

// SelectPairs returns the connections that were asked for, in ss's order: those
// of which either end was. An end that is missing has its addresses, and the
// state of the other.
func (q *Query) SelectPairs(all []table.Pair) []table.Pair {
	takes := q.taker()
	var out []table.Pair
	for _, p := range all {
		if takes(end(p.Socket, p.PeerSocket)) || p.Peer != "" && takes(end(p.PeerSocket, p.Socket)) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b table.Pair) int { return compare(first(a), first(b)) })
	return out
}

// end is k, or what stands for it when it is missing.
func end(k, other *trace.Socket) *trace.Socket {
	if k != nil {
		return k
	}
	missing := *other
	missing.Local, missing.Remote = other.Remote, other.Local
	return &missing
}

// first is the socket by which a pair is put in order.
func first(p table.Pair) *trace.Socket {
	if p.Socket != nil {
		return p.Socket
	}
	return p.PeerSocket
}

// WritePairs prints connections, both ends of each, with their states.
func (q *Query) WritePairs(w io.Writer, pairs []table.Pair, names func(netip.Addr) string) error {
	o := q.view(names)
	o.State = true // the two ends may differ
	return table.Pairs(w, pairs, o)
}
