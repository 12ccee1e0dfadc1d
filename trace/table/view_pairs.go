package table

import (
	"io"

	"fivetuple/trace"
)

// Pair is a connection with both of its ends, of which one may be missing.
type Pair struct {
	// Host is whose socket Socket is; nil: it has none.
	Host   string
	Socket *trace.Socket
	// Peer is who has the other end, PeerSocket; nil: it has none. An empty Peer
	// means that there is no other end: the socket listens, or is not connected.
	Peer       string
	PeerSocket *trace.Socket
}

// noSocket is what stands for the state of a socket that is missing.
const noSocket = "none"

// Pairs prints connections as View does sockets, two lines each: the host's end,
// and below it the peer's. An end that is missing is said to be "none".
func Pairs(w io.Writer, pairs []Pair, opt ViewOptions) error {
	g := opt.grid(true)
	for _, p := range pairs {
		g.add(opt.endCells(p.Host, p.Socket, p.PeerSocket))
		if p.Peer != "" {
			g.add(opt.endCells(p.Peer, p.PeerSocket, p.Socket))
		}
	}
	return g.writeTo(w)
}

// endCells is the row of k; without k it has the addresses of the other end.
func (o *ViewOptions) endCells(host string, k, other *trace.Socket) []string {
	if k != nil {
		return o.cells(host, k)
	}
	missing := trace.Socket{FiveTuple: trace.FiveTuple{Proto: other.Proto, Local: other.Remote, Remote: other.Local}, V6: other.Remote.Addr().Is6()}
	cells := (&ViewOptions{Host: o.Host, Service: o.Service}).cells(host, &missing)
	cells[2], cells[3], cells[4] = noSocket, "-", "-"
	return cells
}

type pairJSON struct {
	Host       string      `json:"host"`
	Socket     *detailJSON `json:"socket"` // null: the host has none
	Peer       string      `json:"peer,omitempty"`
	PeerSocket *detailJSON `json:"peer_socket"`
}

// PairsJSON writes connections as a JSON array, one object a connection.
func PairsJSON(w io.Writer, pairs []Pair) error {
	out := []pairJSON{}
	for _, p := range pairs {
		out = append(out, pairJSON{p.Host, detailOf(p.Socket), p.Peer, detailOf(p.PeerSocket)})
	}
	return encode(w, out)
}
