package packetdrill

import "time"

// Script is a parsed script.
type Script struct {
	File    string
	Options []Option
	Init    *Command // the `...` before the first event
	Events  []Event
	Cleanup *Command // the `...` after the last
}

// Length is how long the script takes if all happens at its time, commands aside.
func (s *Script) Length() time.Duration {
	var now, end time.Duration
	for i := range s.Events {
		var base time.Duration
		t := &s.Events[i].Time
		switch t.Kind {
		case Absolute:
			now = t.At
		case Relative:
			base = now
			now += t.At
		}
		end = max(end, now, base+t.End)
	}
	return end
}

// Option is a line "--name=value" at the head of a script.
type Option struct {
	Line     int
	Name     string
	Value    string
	HasValue bool
}

// Command is the text between two backticks: lines for a shell.
type Command struct {
	Line int
	Text string
}

// Event is one step of a script. Exactly one of Packet, Call, Command and Code
// is set.
type Event struct {
	Line    int
	Time    Time
	Packet  *Packet
	Call    *Call
	Command *Command
	Code    *Command // the text between %{ and }%
}

// TimeKind says how an event's time is written.
type TimeKind int

// The ways to write a time.
const (
	Absolute TimeKind = iota // 0.1: since the start of the script
	Relative                 // +0.1: since the previous event
	AnyTime                  // *
)

// Time is when an event happens.
type Time struct {
	Kind TimeKind
	At   time.Duration
	// End is the end of a range of times "a~b" if Range is set, or the time at
	// which a call that blocks returns, "a...b", if Blocking is.
	End             time.Duration
	Range, Blocking bool
}

// Packet is a packet that the script sends (inbound to the host) or expects.
type Packet struct {
	Inbound bool
	IP      *IPInfo
	Encap   []Encap
	Ports   *[2]int // source, destination; nil: those of the current connection
	TCP     *TCP
	UDP     *UDP
	ICMP    *ICMP
}

// IPInfo is what is written in brackets before a packet: [ect0], [tos 0x10,ttl 3].
type IPInfo struct {
	Fields []IPField
}

// IPField is one of its fields: a bare word, or a word and a number.
type IPField struct {
	Name     string
	Value    int64
	Hex      bool
	HasValue bool
}

// Encap is a header before the packet's own: "encap psp spi 7",
// "ipv4 10.0.0.1 > 10.0.0.2 :".
type Encap struct {
	Kind string
	Text string // what follows, one space between the tokens
}

// TCP is a TCP segment, with numbers relative to the initial ones.
type TCP struct {
	Flags      string // "S.", "FP.", "-"; with AccECN a digit: "S.3"
	Start, End uint32
	Len        int
	Ack        *uint32
	Win        *int
	Urg        *int
	// Opts are the options: nil and not AnyOpts means none.
	Opts    []TCPOpt
	AnyOpts bool // <...>: they are not looked at
}

// TCPOpt is one option of a segment.
type TCPOpt struct {
	Name   string      // mss, nop, eol, sackOK, wscale, sack, TS, FO, FOEXP, md5, ECN
	Value  int64       // mss, wscale; TS val
	Ecr    int64       // TS ecr
	Blocks [][2]uint32 // sack
	Hex    string      // FO, FOEXP, md5
	Words  []ECNCount  // ECN
}

// ECNCount is one counter of AccECN's option: "e0b 1".
type ECNCount struct {
	Name  string
	Value int64
}

// UDP is a datagram.
type UDP struct{ Len int }

// ICMP is an ICMP message.
type ICMP struct {
	Type, Code string // names or numbers; Code may be empty
	MTU, ID    *int64
	Echoed     *Echoed
	Len        *int
}

// Echoed is the part of a packet that an ICMP error quotes.
type Echoed struct {
	Proto      string // "" is TCP; "udp", "raw"
	Start, End uint32
	Len        int
}

// Call is a system call with what it returns.
type Call struct {
	Name   string
	Args   []Expr
	Result Expr
	Errno  string // "EAGAIN"
	Note   string // what is in parentheses after it; not looked at
}

// ExprKind says what an expression is.
type ExprKind int

// The kinds of expressions.
const (
	Ellipsis ExprKind = iota // ...
	Number                   // 12, 0x1f, -1
	Word                     // SOCK_STREAM
	String                   // "text"
	List                     // [a, b]
	Struct                   // {a, name=b, name(c)=d}
	Or                       // a|b
	Apply                    // htons(8080)
	Concat                   // "a" "b"
)

// Expr is an argument or a result of a call.
type Expr struct {
	Kind   ExprKind
	Int    int64
	Hex    bool
	Text   string
	List   []Expr  // List, Or, Apply, Concat
	Fields []Field // Struct
}

// Field is one element of a Struct.
type Field struct {
	Name  string // empty: by its place alone
	Arg   *Expr  // msg_iov(1)=...
	Value Expr
}
