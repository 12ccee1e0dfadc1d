package main

import (
	"net/netip"
	"slices"

	"fivetuple/internal/ss"
	"fivetuple/sim"
	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/spf13/cobra"
)

// kernelSockets are the sockets of a kernel behind the devices of a live session.
type kernelSockets struct {
	name    string         // whose the kernel is, as in the trace: "linux"
	addrs   []netip.Prefix // its addresses on the devices
	every   bool           // what it sends to any address crosses a device: a gateway's
	others  []netip.Addr   // of the other kernels, to whom the world passes on what it sends
	sockets []trace.Socket
	inodes  []uint32 // of sockets, by which their processes are found
	index   *socketIndex
}

// kernels are those behind a session's devices. The world's goroutine asks them.
type kernels interface {
	// list lists their sockets of these protocols, "tcp" and "udp", that may be
	// connected to the world's own addresses.
	list(protos []string, own []netip.Addr) ([]kernelSockets, error)
}

// holdersOf finds the descriptors that name sockets, by their inodes; nil where
// there is no /proc.
var holdersOf func(inodes []uint32) map[uint32][]trace.Origin

// writeBeside is `ss --linux`: each host's sockets, and beside each connection its
// other end in the kernel.
func writeBeside(cmd *cobra.Command, v *view, q *ss.Query, name string) error {
	switch {
	case !isLiveName(name):
		return usagef("--linux: the kernel beside the stack is a live session's, @NAME; a scenario has none")
	case q.Summary:
		return usagef("--linux and -s: the counts are those of one stack")
	}
	var b beside
	err := v.run(cmd, name, func(hosts []*sim.Host) error { return b.look(sessionOf(cmd), q, hosts) })
	if err != nil || sessionOf(cmd) == nil {
		return err // the session has answered
	}
	if q.Processes || v.json {
		b.findHolders()
	}
	if v.json {
		return table.PairsJSON(cmd.OutOrStdout(), b.pairs)
	}
	return q.WritePairs(cmd.OutOrStdout(), b.pairs, func(a netip.Addr) string { return b.names[a] })
}

// beside is what `ss --linux` has seen.
type beside struct {
	pairs   []table.Pair
	kernels []kernelSockets
	names   map[netip.Addr]string // of the hosts' addresses
}

// look pairs the sockets of both sides at this instant, and keeps what was asked
// for.
func (b *beside) look(s *liveSession, q *ss.Query, hosts []*sim.Host) (err error) {
	if s.kernels == nil {
		return usagef("--linux: no kernel is behind the devices of this session")
	}
	var protos []string
	for _, p := range []string{"tcp", "udp"} {
		if q.Wants(p) {
			protos = append(protos, p)
		}
	}
	b.names = make(map[netip.Addr]string)
	var own []netip.Addr
	for _, h := range s.world.Hosts() {
		for _, a := range h.Stack().Addrs() {
			if !a.Addr().IsLoopback() {
				own = append(own, a.Addr())
				b.names[a.Addr()] = h.Name()
			}
		}
	}
	if b.kernels, err = s.kernels.list(protos, own); err != nil {
		return err
	}
	for n := range b.kernels {
		b.kernels[n].index = indexOf(b.kernels[n].sockets)
		if !slices.Contains(hosts, s.world.Hosts()[0]) { // the router is not shown
			b.kernels[n].others = nil
		}
	}
	b.pairs = q.SelectPairs(pairUp(own, hosts, b.kernels))
	return nil
}

// findHolders names the descriptors of the kernels' sockets.
func (b *beside) findHolders() {
	if holdersOf == nil {
		return
	}
	var inodes []uint32
	of := make(map[*trace.Socket]uint32)
	for _, k := range b.kernels {
		for i := range k.sockets {
			of[&k.sockets[i]] = k.inodes[i]
		}
	}
	var all []*trace.Socket
	for _, p := range b.pairs {
		for _, s := range []*trace.Socket{p.Socket, p.PeerSocket} {
			if n := of[s]; n != 0 {
				all, inodes = append(all, s), append(inodes, n)
			}
		}
	}
	found := holdersOf(inodes)
	for n, s := range all {
		s.Holders = found[inodes[n]]
	}
}

// pairUp puts the two ends of each connection together: those of the hosts, and
// then those of the kernels of which no host has a connection. A socket that has
// no other end is alone.
func pairUp(own []netip.Addr, hosts []*sim.Host, kernels []kernelSockets) []table.Pair {
	socks, index := make([][]trace.Socket, len(hosts)), make([]*socketIndex, len(hosts))
	seen := make(map[*trace.Socket]bool) // of the kernels or, without a connection, of the hosts
	var connected, alone []table.Pair
	rest := passedOn(kernels, seen)
	for n, h := range hosts {
		socks[n] = h.Stack().AllSockets()
		index[n] = indexOf(socks[n])
		for i := range socks[n] {
			s := &socks[n][i]
			if !isOutbound(s, own) {
				continue
			}
			p := table.Pair{Host: h.Name(), Socket: s}
			p.Peer, p.PeerSocket = kernelEnd(kernels, s)
			seen[s], seen[p.PeerSocket] = true, true
			connected = append(connected, p)
		}
	}
	for n := range kernels {
		k := &kernels[n]
		for i := range k.sockets {
			s := &k.sockets[i]
			if seen[s] || !k.crosses(s, own) {
				continue
			}
			if h := hostEnd(hosts, own, s.Remote.Addr()); h >= 0 {
				got := index[h].taker(reversed(s.FiveTuple))
				seen[got] = true
				rest = append(rest, table.Pair{Host: hosts[h].Name(), Socket: got, Peer: k.name, PeerSocket: s})
			}
		}
	}
	for n, h := range hosts {
		for i := range socks[n] {
			if s := &socks[n][i]; !seen[s] {
				alone = append(alone, table.Pair{Host: h.Name(), Socket: s})
			}
		}
	}
	return slices.Concat(alone, connected, rest)
}

// passedOn puts the ends of what the world passes on as a router together: both are
// kernels'.
func passedOn(kernels []kernelSockets, seen map[*trace.Socket]bool) (out []table.Pair) {
	for n := range kernels {
		k := &kernels[n]
		for i := range k.sockets {
			s := &k.sockets[i]
			if seen[s] || !slices.Contains(k.others, s.Remote.Addr()) {
				continue
			}
			name, got := kernelEnd(kernels, s)
			seen[s], seen[got] = true, true
			out = append(out, table.Pair{Host: k.name, Socket: s, Peer: name, PeerSocket: got})
		}
	}
	return out
}

// isOutbound reports whether a socket is connected to an address outside of the world,
// whose own are own.
func isOutbound(s *trace.Socket, own []netip.Addr) bool {
	r := s.Remote.Addr()
	return (s.Proto == "tcp" || s.Proto == "udp") && r.IsValid() && !r.IsLoopback() && !slices.Contains(own, r)
}

// crosses reports whether a kernel's socket is connected to an address behind a
// device.
func (k *kernelSockets) crosses(s *trace.Socket, own []netip.Addr) bool {
	r := s.Remote.Addr()
	if !r.IsValid() || r.IsLoopback() {
		return false
	}
	return slices.Contains(own, r) || k.every && !k.has(r)
}

func (k *kernelSockets) has(a netip.Addr) bool {
	return slices.ContainsFunc(k.addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}

// kernelEnd finds the other end of a host's connection, nil if there is none, and
// whose it is, or would be.
func kernelEnd(kernels []kernelSockets, s *trace.Socket) (name string, found *trace.Socket) {
	name = kernels[0].name
	for n := range kernels {
		k := &kernels[n]
		if found = k.index.taker(reversed(s.FiveTuple)); found != nil {
			return k.name, found
		}
		if k.has(s.Remote.Addr()) {
			name = k.name
		}
	}
	return name, nil
}

// hostEnd is the host that an address leads to, less than 0 if that is not among
// those that are shown. A gateway's takes what is for nobody.
func hostEnd(hosts []*sim.Host, own []netip.Addr, to netip.Addr) int {
	i := slices.IndexFunc(hosts, func(h *sim.Host) bool {
		return slices.ContainsFunc(h.Stack().Addrs(), func(p netip.Prefix) bool { return p.Addr() == to })
	})
	if i < 0 && len(hosts) > 0 && !slices.Contains(own, to) {
		return 0
	}
	return i
}

// socketIndex finds sockets by their five-tuples.
type socketIndex struct {
	connected map[trace.FiveTuple]*trace.Socket
	receivers map[uint16][]*trace.Socket // UDP without a peer, by the port
}

func indexOf(socks []trace.Socket) *socketIndex {
	x := &socketIndex{make(map[trace.FiveTuple]*trace.Socket), make(map[uint16][]*trace.Socket)}
	for i := range socks {
		switch s := &socks[i]; {
		case s.Remote.IsValid():
			x.connected[s.FiveTuple] = s
		case s.Proto == "udp":
			x.receivers[s.Local.Port()] = append(x.receivers[s.Local.Port()], s)
		}
	}
	return x
}

// taker is the socket that has a connection, which ft is as its owner sees it, or
// that gets the datagrams of one; nil if there is none.
func (x *socketIndex) taker(ft trace.FiveTuple) *trace.Socket {
	found := x.connected[ft]
	if found != nil || ft.Proto != "udp" {
		return found
	}
	for _, s := range x.receivers[ft.Local.Port()] {
		switch local := s.Local.Addr(); {
		case local == ft.Local.Addr():
			return s
		case local.IsUnspecified() && (s.V6 && !s.V6Only || s.V6 == ft.Local.Addr().Is6()):
			found = s
		}
	}
	return found
}

// reversed is a connection as its other end sees it.
func reversed(ft trace.FiveTuple) trace.FiveTuple {
	return trace.FiveTuple{Proto: ft.Proto, Local: ft.Remote, Remote: ft.Local}
}
