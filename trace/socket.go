package trace

// Socket is a snapshot of one transport end point, with the fields of ss(8).
// It is not an event: hosts are asked for it at any instant.
type Socket struct {
	FiveTuple
	// State is the TCP state. A UDP end point is CLOSED (ss: UNCONN), or
	// ESTABLISHED once connected, as in Linux.
	State TCPState
	// RecvQ is the bytes that wait to be received; for a listener, the
	// connections that wait to be accepted.
	RecvQ int
	// SendQ is the bytes not yet acknowledged; for a listener, the backlog.
	SendQ int
	// V6 is set on an AF_INET6 socket, V6Only if it takes no IPv4.
	V6, V6Only bool
	// Holders are the descriptors that name the socket: none for a connection
	// that is not accepted yet, or that outlives its socket.
	Holders []Origin
	// Info holds a TCP sender's variables; its Cwnd is 0 where there are none.
	Info TCPInfo
	// Detail is the rest of what ss shows.
	Detail
}

// FD is a snapshot of one descriptor of a process.
type FD struct {
	Num      int
	Kind     string // "socket" or "epoll"
	Note     string // for what is no socket: "watches 3, 4"
	Refs     int    // descriptors that name the same open file, this one included
	NonBlock bool
	CloExec  bool
	Options  []string // the options that were set, "SO_REUSEADDR=1"
	Socket
}
