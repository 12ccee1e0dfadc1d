// Package sockdiag asks the Linux kernel for its own view of connections and
// sockets: sock_diag(7) over netlink.
//
//	Conn             a socket in one network namespace
//	Conn.Connection  a connection by its five-tuple: two system calls, however many sockets there are
//	Conn.List        all TCP or UDP sockets of the namespace
//	Parse            reads an answer: struct inet_diag_msg and struct tcp_info
//
// Kernels differ in how much of tcp_info
// they send: what is not there is zero. A Conn belongs to one goroutine.
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"fivetuple/trace"
)

// errMalformed is an answer that is not what linux/inet_diag.h says.
var errMalformed = errors.New("it cannot be read")

// Types of netlink messages (linux/netlink.h) and of attributes
// (linux/inet_diag.h), and address families.
const (
	nlmsgError = 2
	attrInfo   = 2 // INET_DIAG_INFO
	inet       = 2
	inet6      = 10
)

// Sizes of headers, bytes.
const (
	messageHeader = 16 // struct nlmsghdr
	socketHeader  = 72 // struct inet_diag_msg
	attrHeader    = 4  // struct rtattr
)

// message is a netlink message.
type message struct {
	kind uint16
	seq  uint32
	body []byte
}

// parseMessage reads the first message of a datagram. An error that the kernel
// reports is a [syscall.Errno].
func parseMessage(b []byte) (message, error) {
	if len(b) < messageHeader {
		return message{}, fmt.Errorf("an answer of %d bytes: %w", len(b), errMalformed)
	}
	native := binary.NativeEndian
	size := native.Uint32(b)
	if size < messageHeader || uint64(size) > uint64(len(b)) {
		return message{}, fmt.Errorf("an answer of %d bytes says that it has %d: %w", len(b), size, errMalformed)
	}
	m := message{kind: native.Uint16(b[4:]), seq: native.Uint32(b[8:]), body: b[messageHeader:size]}
	if m.kind == nlmsgError {
		if len(m.body) < 4 {
			return m, fmt.Errorf("an error of %d bytes: %w", len(m.body), errMalformed)
		}
		if errno := int32(native.Uint32(m.body)); errno != 0 {
			return m, syscall.Errno(-errno)
		}
	}
	return m, nil
}

// states are Linux's TCP states, from 1 (net/tcp_states.h). TCP_NEW_SYN_RECV is a
// connection that a listener has not finished.
var states = [...]trace.TCPState{
	1: trace.Established, trace.SynSent, trace.SynReceived, trace.FinWait1, trace.FinWait2, trace.TimeWait, trace.Closed,
	trace.CloseWait, trace.LastAck, trace.Listen, trace.Closing, trace.SynReceived, trace.Closed,
}

// Parse reads the answer for one socket, a struct inet_diag_msg with its
// attributes. Info has a Cwnd other than 0 only where the kernel sent a tcp_info.
func Parse(b []byte) (trace.Socket, error) {
	if len(b) < socketHeader {
		return trace.Socket{}, fmt.Errorf("a socket of %d bytes: %w", len(b), errMalformed)
	}
	native := binary.NativeEndian
	s := trace.Socket{
		FiveTuple: trace.FiveTuple{Proto: "tcp"}, V6: b[0] == inet6,
		RecvQ: int(native.Uint32(b[56:])), SendQ: int(native.Uint32(b[60:])),
	}
	if b[0] != inet && b[0] != inet6 {
		return s, fmt.Errorf("a socket of address family %d: %w", b[0], errMalformed)
	}
	if int(b[1]) >= len(states) || states[b[1]] == "" {
		return s, fmt.Errorf("a socket in state %d: %w", b[1], errMalformed)
	}
	s.State = states[b[1]]
	s.Local = addrPort(b[8:24], b[4:6], s.V6)
	s.Remote = addrPort(b[24:40], b[6:8], s.V6)
	s.Timer = timer(b[2], b[3], native.Uint32(b[52:]))
	info, err := attribute(b[socketHeader:], attrInfo)
	if err == nil && info != nil && s.State != trace.Listen {
		s.Info = tcpInfo(info, s.State)
		s.Info.FiveTuple = s.FiveTuple
	}
	return s, err
}

func addrPort(addr, port []byte, v6 bool) netip.AddrPort {
	if !v6 {
		addr = addr[:4]
	}
	a, _ := netip.AddrFromSlice(addr)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// timers are the names that ss(8) has for idiag_timer.
var timers = [...]string{1: "on", "keepalive", "timewait", "persist"}

func timer(kind, retrans byte, expires uint32) trace.SocketTimer {
	if kind == 0 || int(kind) >= len(timers) {
		return trace.SocketTimer{}
	}
	return trace.SocketTimer{Kind: timers[kind], Left: time.Duration(expires) * time.Millisecond, Retrans: int(retrans)}
}

// attribute finds an attribute by its type; nil if there is none.
func attribute(b []byte, want uint16) ([]byte, error) {
	native := binary.NativeEndian
	for len(b) >= attrHeader {
		size := int(native.Uint16(b))
		if size < attrHeader || size > len(b) {
			return nil, fmt.Errorf("an attribute of %d bytes where %d are left: %w", size, len(b), errMalformed)
		}
		if native.Uint16(b[2:])&0x3fff == want { // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
			return b[attrHeader:size], nil
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil, nil
}

// Where the fields of struct tcp_info are (linux/tcp.h), bytes. It has only ever
// grown at its end.
const (
	tiCAState  = 1
	tiOptions  = 5
	tiWScale   = 6
	tiRTO      = 8  // µs, as every time here
	tiSndMSS   = 16 // bytes
	tiUnacked  = 24 // segments
	tiSacked   = 28
	tiRTT      = 68
	tiRTTVar   = 72
	tiSsthresh = 76
	tiCwnd     = 80
	tiRetrans  = 100 // tcpi_total_retrans
	tiMinRTT   = 148
	tiSndWnd   = 228 // bytes, since Linux 5.4
	tiRcvWnd   = 232 // bytes, since Linux 6.2
)

// Bits of tcpi_options.
const (
	optTimestamps = 1
	optSACK       = 2
)

// noMinRTT is tcpi_min_rtt without a sample: ~0.
const noMinRTT = (1<<32 - 1) * time.Microsecond

// caStates are the names of tcpi_ca_state (enum tcp_ca_state).
var caStates = [...]string{"Open", "Disorder", "CWR", "Recovery", "Loss"}

// tcpInfo reads a struct tcp_info of any length. Before the end of the handshake
// its segment size and windows are those that the kernel assumes, and left out.
func tcpInfo(b []byte, state trace.TCPState) trace.TCPInfo {
	u32 := func(at int) uint32 {
		if len(b) < at+4 {
			return 0
		}
		return binary.NativeEndian.Uint32(b[at:])
	}
	u8 := func(at int) byte {
		if len(b) <= at {
			return 0
		}
		return b[at]
	}
	micros := func(at int) time.Duration { return time.Duration(u32(at)) * time.Microsecond }
	i := trace.TCPInfo{
		Cwnd: u32(tiCwnd), Ssthresh: u32(tiSsthresh), SRTT: micros(tiRTT), RTTVar: micros(tiRTTVar), RTO: micros(tiRTO),
		MinRTT: micros(tiMinRTT), Unacked: int(u32(tiUnacked)), Sacked: int(u32(tiSacked)), Retrans: u32(tiRetrans),
		Timestamps: u8(tiOptions)&optTimestamps != 0, SACK: u8(tiOptions)&optSACK != 0,
	}
	if i.MinRTT == noMinRTT {
		i.MinRTT = 0
	}
	if ca := int(u8(tiCAState)); ca < len(caStates) {
		i.CAState = caStates[ca]
	}
	if state == trace.SynSent || state == trace.SynReceived {
		return i
	}
	i.MSS = int(u32(tiSndMSS))
	i.SndWScale, i.RcvWScale = wscale(u8(tiWScale))
	i.SndWnd, i.NoSndWnd = u32(tiSndWnd), len(b) < tiSndWnd+4
	i.RcvWnd, i.NoRcvWnd = u32(tiRcvWnd), len(b) < tiRcvWnd+4
	return i
}

// wscale takes the bit fields tcpi_snd_wscale and tcpi_rcv_wscale apart: the first
// has the low bits on a little-endian machine, the high ones on another.
func wscale(b byte) (snd, rcv uint8) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return b & 0xf, b >> 4
	}
	return b >> 4, b & 0xf
}
