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
	sockets []trace.Socket
	inodes  []uint32 // of sockets, by which their processes are found
}

// kernels are those behind a session's devices. The world's goroutine asks them.
type kernels interface {
	// list lists their sockets of these protocols, "tcp" and "udp".
	list(protos []string) ([]kernelSockets, error)
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
	return q.WritePairs(cmd.OutOrStdout(), b.pairs, b.names)
}

// beside is what `ss --linux` has seen.
type beside struct {
	pairs   []table.Pair
	kernels []kernelSockets
	names   func(netip.Addr) string
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
	if b.kernels, err = s.kernels.list(protos); err != nil {
		return err
	}
	b.names = s.world.HostWith
	b.pairs = q.SelectPairs(pairUp(s.world, hosts, b.kernels))
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
	for _, p := range b.pairs {
		if n := of[p.PeerSocket]; n != 0 {
			inodes = append(inodes, n)
		}
	}
	found := holdersOf(inodes)
	for _, p := range b.pairs {
		if n := of[p.PeerSocket]; n != 0 {
			p.PeerSocket.Holders = found[n]
		}
	}
}

// pairUp puts the two ends of each connection together: those of the hosts, and
// then those of the kernels of which no host has a connection. A socket that has
// no other end is alone.
func pairUp(w *sim.World, hosts []*sim.Host, kernels []kernelSockets) []table.Pair {
	var own []netip.Addr // of the world
	for _, h := range w.Hosts() {
		for _, a := range h.Stack().Addrs() {
			own = append(own, a.Addr())
		}
	}
	socks := make([][]trace.Socket, len(hosts))
	seen := make(map[*trace.Socket]bool) // of the kernels or, without a connection, of the hosts
	var connected, rest, alone []table.Pair
	for n, h := range hosts {
		socks[n] = h.Stack().AllSockets()
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
				got := taker(socks[h], reversed(s.FiveTuple))
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
		if found = taker(k.sockets, reversed(s.FiveTuple)); found != nil {
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

// taker is the socket that has a connection, which ft is as its owner sees it, or
// that gets the datagrams of one; nil if there is none.
func taker(socks []trace.Socket, ft trace.FiveTuple) *trace.Socket {
	var found *trace.Socket
	for i := range socks {
		s := &socks[i]
		switch {
		case s.FiveTuple == ft:
			return s
		case ft.Proto != "udp" || s.Proto != "udp" || s.Remote.IsValid() || s.Local.Port() != ft.Local.Port():
		case s.Local.Addr() == ft.Local.Addr():
			found = s
		case found == nil && s.Local.Addr().IsUnspecified() && (s.V6 && !s.V6Only || s.V6 == ft.Local.Addr().Is6()):
			found = s
		}
	}
	return found
}

// reversed is a connection as its other end sees it.
func reversed(ft trace.FiveTuple) trace.FiveTuple {
	return trace.FiveTuple{Proto: ft.Proto, Local: ft.Remote, Remote: ft.Local}
}
