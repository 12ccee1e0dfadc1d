package sockapi

import (
	"fmt"
	"strings"
)

// Address families, socket types and their flags: <bits/socket.h> of Linux,
// x86-64. They have these values on every platform.
const (
	AF_UNSPEC = 0
	AF_UNIX   = 1
	AF_INET   = 2
	AF_INET6  = 10
	AF_PACKET = 17

	SOCK_STREAM    = 1
	SOCK_DGRAM     = 2
	SOCK_RAW       = 3
	SOCK_SEQPACKET = 5
	maxSockType    = 10 // SOCK_PACKET
	SOCK_NONBLOCK  = 0o4000
	SOCK_CLOEXEC   = 0o2000000

	IPPROTO_IP     = 0
	IPPROTO_ICMP   = 1
	IPPROTO_TCP    = 6
	IPPROTO_UDP    = 17
	IPPROTO_IPV6   = 41
	IPPROTO_ICMPV6 = 58
	IPPROTO_RAW    = 255
	maxProtocol    = 263 // IPPROTO_MAX: IPPROTO_MPTCP is the last one
	SOL_SOCKET     = 1

	SHUT_RD   = 0
	SHUT_WR   = 1
	SHUT_RDWR = 2

	SOMAXCONN = 4096 // net.core.somaxconn
)

// Flags of send and recv.
const (
	MSG_OOB      = 0x1
	MSG_PEEK     = 0x2
	MSG_TRUNC    = 0x20
	MSG_DONTWAIT = 0x40
	MSG_WAITALL  = 0x100
	MSG_ERRQUEUE = 0x2000
	MSG_NOSIGNAL = 0x4000
	MSG_MORE     = 0x8000
)

// Commands and flags of fcntl.
const (
	F_GETFD    = 1
	F_SETFD    = 2
	F_GETFL    = 3
	F_SETFL    = 4
	FD_CLOEXEC = 1
	O_RDWR     = 0o2
	O_NONBLOCK = 0o4000
)

// Events of poll(2).
const (
	POLLIN    = 0x1
	POLLPRI   = 0x2
	POLLOUT   = 0x4
	POLLERR   = 0x8
	POLLHUP   = 0x10
	POLLNVAL  = 0x20
	POLLRDHUP = 0x2000
)

// flagName is one bit and how it is written.
type flagName struct {
	bit  int
	name string
}

var msgFlags = []flagName{
	{MSG_OOB, "MSG_OOB"}, {MSG_PEEK, "MSG_PEEK"}, {MSG_TRUNC, "MSG_TRUNC"}, {MSG_DONTWAIT, "MSG_DONTWAIT"},
	{MSG_WAITALL, "MSG_WAITALL"}, {MSG_ERRQUEUE, "MSG_ERRQUEUE"}, {MSG_NOSIGNAL, "MSG_NOSIGNAL"}, {MSG_MORE, "MSG_MORE"},
}

var pollFlags = []flagName{
	{POLLIN, "POLLIN"}, {POLLPRI, "POLLPRI"}, {POLLOUT, "POLLOUT"}, {POLLERR, "POLLERR"},
	{POLLHUP, "POLLHUP"}, {POLLNVAL, "POLLNVAL"}, {POLLRDHUP, "POLLRDHUP"},
}

// flagString writes a set of flags as strace does: "MSG_PEEK|MSG_DONTWAIT".
func flagString(v int, names []flagName) string {
	var parts []string
	for _, f := range names {
		if v&f.bit != 0 {
			parts = append(parts, f.name)
			v &^= f.bit
		}
	}
	if v != 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%#x", v))
	}
	if len(parts) == 1 && parts[0] == "0x0" {
		return "0"
	}
	return strings.Join(parts, "|")
}

// PollString writes poll events as strace does: "POLLIN|POLLOUT".
func PollString(events int) string { return flagString(events, pollFlags) }

func familyName(f int) string {
	switch f {
	case AF_INET:
		return "AF_INET"
	case AF_INET6:
		return "AF_INET6"
	case AF_UNIX:
		return "AF_UNIX"
	case AF_PACKET:
		return "AF_PACKET"
	}
	return fmt.Sprint(f)
}

func typeName(t int) string {
	s := fmt.Sprint(t &^ (SOCK_NONBLOCK | SOCK_CLOEXEC))
	switch t &^ (SOCK_NONBLOCK | SOCK_CLOEXEC) {
	case SOCK_STREAM:
		s = "SOCK_STREAM"
	case SOCK_DGRAM:
		s = "SOCK_DGRAM"
	case SOCK_RAW:
		s = "SOCK_RAW"
	case SOCK_SEQPACKET:
		s = "SOCK_SEQPACKET"
	}
	if t&SOCK_NONBLOCK != 0 {
		s += "|SOCK_NONBLOCK"
	}
	if t&SOCK_CLOEXEC != 0 {
		s += "|SOCK_CLOEXEC"
	}
	return s
}

// protocolName writes socket's third argument: "IPPROTO_ICMP", "ETH_P_ARP".
func protocolName(family, proto int) string {
	names := map[int]string{IPPROTO_ICMP: "IPPROTO_ICMP", IPPROTO_TCP: "IPPROTO_TCP", IPPROTO_UDP: "IPPROTO_UDP",
		IPPROTO_ICMPV6: "IPPROTO_ICMPV6", IPPROTO_RAW: "IPPROTO_RAW"}
	if family == AF_PACKET {
		names = map[int]string{ETH_P_ALL: "ETH_P_ALL", ETH_P_IP: "ETH_P_IP", ETH_P_ARP: "ETH_P_ARP", ETH_P_IPV6: "ETH_P_IPV6"}
	}
	if name, ok := names[proto]; ok {
		return name
	}
	return fmt.Sprint(proto)
}

func howName(how int) string {
	if how >= 0 && how < 3 {
		return [...]string{"SHUT_RD", "SHUT_WR", "SHUT_RDWR"}[how]
	}
	return fmt.Sprint(how)
}
