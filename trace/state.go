package trace

// TCPState is a state of RFC 9293, section 3.3.2, in its spelling.
type TCPState string

// The states of a TCP connection. Closed is both the state of a socket that
// was never opened and of one that is gone.
const (
	Closed      TCPState = "CLOSED"
	Listen      TCPState = "LISTEN"
	SynSent     TCPState = "SYN-SENT"
	SynReceived TCPState = "SYN-RECEIVED"
	Established TCPState = "ESTABLISHED"
	FinWait1    TCPState = "FIN-WAIT-1"
	FinWait2    TCPState = "FIN-WAIT-2"
	CloseWait   TCPState = "CLOSE-WAIT"
	Closing     TCPState = "CLOSING"
	LastAck     TCPState = "LAST-ACK"
	TimeWait    TCPState = "TIME-WAIT"
)

// SS returns the state as ss(8) prints it: "ESTAB", "SYN-RECV", "UNCONN".
func (s TCPState) SS() string {
	switch s {
	case Established:
		return "ESTAB"
	case SynReceived:
		return "SYN-RECV"
	case Closed:
		return "UNCONN"
	}
	return string(s)
}

// States lists the states in the order of a connection's life.
func States() []TCPState {
	return []TCPState{Closed, Listen, SynSent, SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait}
}
