package trace

import (
	"net/netip"
	"time"
)

// PacketWhat says what happened to a packet.
type PacketWhat string

// A packet is sent once (or dropped instead, by its own sender's link) and
// then delivered zero or more times: twice if the link duplicated it.
const (
	Sent      PacketWhat = "sent"
	Delivered PacketWhat = "delivered"
	Dropped   PacketWhat = "dropped"
	// Discarded is a packet that was delivered and thrown away by the
	// receiver's stack: its checksum was wrong. The Origin is the receiver.
	Discarded PacketWhat = "discarded"
)

// Packet is a packet at one end of a link. The event's Origin is the sender
// for Sent and Dropped, the receiver for Delivered.
type Packet struct {
	What PacketWhat
	// Num numbers the packets of a run from 1; every event about one packet
	// has the same number.
	Num uint64
	// Link and Iface name the link and the interface at this end of it; Peer
	// is the host at the other end ("" behind a switch or on a real device).
	Link, Iface, Peer string
	// Data is the packet as it is on the wire: from the Ethernet header if
	// Ethernet is set, else from the IP header. It belongs to the event.
	Data     []byte
	Ethernet bool
	// Reason is why the packet was dropped or discarded, in the words of the impairment:
	// "loss 1%", "queue full (limit 100)".
	Reason string
	// Note is what the link did to it otherwise: "duplicate", "corrupted bit
	// 81", "reordered". Empty for an untouched packet.
	Note string
	// Copy counts deliveries of one packet: 0 for the first, 1 for a duplicate.
	Copy int
	// Forwarded is set where a router or a switch passes on what another has
	// sent: the same packet on its second wire.
	Forwarded bool
	// Retransmit is set on a TCP segment whose first byte was sent before.
	Retransmit bool
	// Summary is Data decoded, with sequence numbers relative to each side's
	// initial one where the SYN was seen.
	Summary Summary
}

// Kind implements [Body].
func (*Packet) Kind() string { return "packet" }

// CallWhat says where a call is.
type CallWhat string

// A call is entered, blocks any number of times, and returns.
const (
	Enter  CallWhat = "enter"
	Block  CallWhat = "block"
	Return CallWhat = "return"
)

// Call is a socket call. One call's events share Num.
type Call struct {
	What CallWhat
	Num  uint64 // numbers the calls of a run from 1
	Name string // "connect"
	Args string // "3, 10.0.0.2:80", as strace would print it
	// Result is what a successful call returned: "0", "4", "128 bytes".
	Result string
	// Errno is the symbolic name of a failed call's error, "ECONNREFUSED",
	// and Error its text.
	Errno, Error string
	// Peer is what accept and recvfrom learned: "10.0.0.1:49152".
	Peer string
	// Blocked is set on the return of a call that had to wait; Waited is how long.
	Blocked bool
	Waited  time.Duration
}

// Kind implements [Body].
func (*Call) Kind() string { return "call" }

// FiveTuple names one end of a flow as its own host sees it.
type FiveTuple struct {
	Proto  string // "tcp", "udp", "icmp"
	Local  netip.AddrPort
	Remote netip.AddrPort // zero for a listener or an unconnected socket
}

// State is a change of the state of a TCP connection (RFC 9293, 3.3.2).
type State struct {
	FiveTuple
	From, To TCPState
}

// Kind implements [Body].
func (*State) Kind() string { return "state" }

// TCPInfo is a sample of a sender's variables, emitted when one has changed.
type TCPInfo struct {
	FiveTuple
	Cwnd     uint32 // congestion window, segments
	Ssthresh uint32 // slow start threshold, segments
	SRTT     time.Duration
	RTTVar   time.Duration
	RTO      time.Duration
	CAState  string // "Open", "Disorder", "CWR", "Recovery", "Loss", as Linux names them
	MinRTT   time.Duration

	Unacked, Sacked      int    // segments in flight; of these, selectively acknowledged
	MSS                  int    // largest payload sent, bytes; 0 before the handshake
	SndWnd, RcvWnd       uint32 // windows: the peer's, and ours as last advertised, bytes
	NoSndWnd, NoRcvWnd   bool   // not known: an older Linux kernel does not tell
	SndWScale, RcvWScale uint8
	Timestamps, SACK     bool // negotiated

	Retrans uint32 // segments sent again so far; 0 for netstack, which is not asked
}

// Key is the part whose change makes a new event.
func (i *TCPInfo) Key() TCPInfo {
	return TCPInfo{Cwnd: i.Cwnd, Ssthresh: i.Ssthresh, SRTT: i.SRTT, RTTVar: i.RTTVar, RTO: i.RTO, CAState: i.CAState, Retrans: i.Retrans}
}

// Kind implements [Body].
func (*TCPInfo) Kind() string { return "tcpinfo" }

// Timer is a timer of the stack or of a link that fired and had an effect.
type Timer struct {
	Name  string        // "retransmission", "time-wait", "neighbor", ...
	Armed time.Duration // when it was set
}

// Kind implements [Body].
func (*Timer) Kind() string { return "timer" }

// Process is the life of a process or thread.
type Process struct {
	What   string // "start", "thread", "fork", "exec", "signal", "exit"
	Name   string
	Parent string // for "fork" and "thread": the process that asked for it
	Error  string // for "exit": why it failed, "" if it did not
	Signal string // for "signal": "SIGPIPE", and "(ignored)" if it does nothing
}

// Kind implements [Body].
func (*Process) Kind() string { return "process" }

// Warning is something the user should know before trusting the result.
type Warning struct{ Text string }

// Kind implements [Body].
func (*Warning) Kind() string { return "warning" }

// Mark is a remark that a scenario puts into its own trace.
type Mark struct{ Text string }

// Kind implements [Body].
func (*Mark) Kind() string { return "mark" }

// Expect is an expectation that was checked.
type Expect struct {
	OK    bool
	Claim string // "states(server) = LISTEN ESTAB"
	Got   string // what was found, when OK is false
	Where string // file:line of the check
}

// Kind implements [Body].
func (*Expect) Kind() string { return "expect" }

// LinkChange is a change of a link's impairments while the world runs.
type LinkChange struct {
	Link, Direction string // "client-server", "client → server"
	Now             string // the impairments in tc-netem's words
}

// Kind implements [Body].
func (*LinkChange) Kind() string { return "link" }
