package trace

import (
	"net/netip"
	"time"
)

// Detail is what ss(8) shows of a socket on demand: with -o, -m and -e.
type Detail struct {
	Timer SocketTimer
	Mem   SocketMem
	// Congestion is TCP's algorithm, "cubic" or "reno".
	Congestion string
	// RcvShut and SndShut say that the direction has been shut down, by
	// shutdown(2) or close(2). TCP only.
	RcvShut, SndShut bool
	// Orphan is a connection that outlives its socket: close(2) was called.
	Orphan bool
	// Bound is a TCP socket with a local port that neither listens nor is
	// connected. UDP has no such state.
	Bound bool
	// ReuseAddr and ReusePort are the options SO_REUSEADDR and SO_REUSEPORT.
	ReuseAddr, ReusePort bool
}

// SocketTimer is the timer that a TCP socket waits for, as in ss -o.
type SocketTimer struct {
	// Kind is "on" (retransmission, probe or reordering), "keepalive",
	// "timewait" (FIN-WAIT-2 of an orphan, too) or "persist"; "" is none.
	Kind string
	// Left is the time until it fires.
	Left time.Duration
	// Retrans is how often what it guards has been sent again.
	Retrans int
}

// SocketMem is what is known of ss's skmem, in bytes.
type SocketMem struct {
	RcvAlloc int // r: memory of what was received and not read
	RcvBuf   int // rb: its limit
	SndBuf   int // tb: the send buffer's limit
	Queued   int // w: in the send buffer, sent or not
}

// PortUse is what a port is used for.
type PortUse string

// The uses of a port.
const (
	PortBound      PortUse = "bound"     // a local address and nothing else; a UDP socket receives
	PortListening  PortUse = "listening" // TCP
	PortConnecting PortUse = "connecting"
	PortConnected  PortUse = "connected"
	PortTimeWait   PortUse = "time-wait"
)

// Port is a row of a host's port table: who uses a protocol's port at a local
// address. Sockets with the same use share a row: connections of one listener,
// or members of a SO_REUSEPORT group.
type Port struct {
	Proto      string // "tcp" or "udp"
	Local      netip.AddrPort
	V6, V6Only bool // as in [Socket]; a wildcard of AF_INET6 without V6Only holds the IPv4 port, too
	Use        PortUse
	Sockets    int // how many share the row
	// ReuseAddr and ReusePort count those of them with the option.
	ReuseAddr, ReusePort int
	Owners               []Origin // descriptors; none: not accepted yet, or closed
}

// Wildcard reports whether the port is bound at every local address.
func (p *Port) Wildcard() bool { return p.Local.Addr().IsUnspecified() }
