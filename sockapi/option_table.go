package sockapi

import (
	"math"
	"slices"
	"time"

	"fivetuple/stack"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Option names that are known by number elsewhere: <asm-generic/socket.h>,
// <linux/tcp.h>, <linux/in.h>, <linux/in6.h>.
const (
	SO_REUSEADDR     = 2
	SO_TYPE          = 3
	SO_ERROR         = 4
	SO_BROADCAST     = 6
	SO_SNDBUF        = 7
	SO_RCVBUF        = 8
	SO_KEEPALIVE     = 9
	SO_OOBINLINE     = 10
	SO_PRIORITY      = 12
	SO_LINGER        = 13
	SO_REUSEPORT     = 15
	SO_NO_CHECK      = 11
	SO_RCVLOWAT      = 18
	SO_SNDLOWAT      = 19
	SO_RCVTIMEO      = 20
	SO_SNDTIMEO      = 21
	SO_BINDTODEVICE  = 25
	SO_TIMESTAMP     = 29
	SO_TIMESTAMPNS   = 35
	SO_MARK          = 36
	SO_BINDTOIFINDEX = 62
	SO_ACCEPTCONN    = 30
	SO_PROTOCOL      = 38
	SO_DOMAIN        = 39

	TCP_NODELAY          = 1
	TCP_MAXSEG           = 2
	TCP_CORK             = 3
	TCP_KEEPIDLE         = 4
	TCP_KEEPINTVL        = 5
	TCP_KEEPCNT          = 6
	TCP_SYNCNT           = 7
	TCP_LINGER2          = 8
	TCP_DEFER_ACCEPT     = 9
	TCP_WINDOW_CLAMP     = 10
	TCP_INFO             = 11
	TCP_QUICKACK         = 12
	TCP_CONGESTION       = 13
	TCP_USER_TIMEOUT     = 18
	TCP_FASTOPEN         = 23
	TCP_TIMESTAMP        = 24
	TCP_NOTSENT_LOWAT    = 25
	TCP_FASTOPEN_CONNECT = 30

	IP_TOS             = 1
	IP_TTL             = 2
	IP_HDRINCL         = 3
	IP_PKTINFO         = 8
	IP_MTU_DISCOVER    = 10
	IP_RECVERR         = 11
	IP_RECVTTL         = 12
	IP_RECVTOS         = 13
	IP_MTU             = 14
	IP_ORIGDSTADDR     = 20
	IP_RECVORIGDSTADDR = 20
	IP_MULTICAST_IF    = 32
	IP_MULTICAST_TTL   = 33
	IP_MULTICAST_LOOP  = 34
	IP_ADD_MEMBERSHIP  = 35
	IP_DROP_MEMBERSHIP = 36
	IP_PROTOCOL        = 52

	IPV6_CHECKSUM        = 7
	IPV6_UNICAST_HOPS    = 16
	IPV6_MULTICAST_IF    = 17
	IPV6_MULTICAST_HOPS  = 18
	IPV6_MULTICAST_LOOP  = 19
	IPV6_ADD_MEMBERSHIP  = 20
	IPV6_DROP_MEMBERSHIP = 21
	IPV6_MTU             = 24
	IPV6_RECVERR         = 25
	IPV6_V6ONLY          = 26
	IPV6_RECVPKTINFO     = 49
	IPV6_PKTINFO         = 50
	IPV6_RECVHOPLIMIT    = 51
	IPV6_HOPLIMIT        = 52
	IPV6_RECVTCLASS      = 66
	IPV6_TCLASS          = 67
)

// optionTable is the single source: calls, scenario constants and the
// documentation read it. Its last part, the options that are refused, is in
// option_refused.go.
var optionTable = slices.Concat(solOptions, tcpOptions, ipOptions, ip6Options, refusedOptions)

// table: one row an option.
var solOptions = []Option{
	sol(SO_REUSEADDR, "SO_REUSEADDR", "", flag((*tcpip.SocketOptions).GetReuseAddress, (*tcpip.SocketOptions).SetReuseAddress)),
	sol(SO_TYPE, "SO_TYPE", "read-only", readOnly(func(s *socket) any { return s.typ })),
	sol(SO_ERROR, "SO_ERROR", "read-only; reading clears it", readOnly(func(s *socket) any { return int(s.takeError()) })),
	sol(SO_BROADCAST, "SO_BROADCAST", "", flag((*tcpip.SocketOptions).GetBroadcast, (*tcpip.SocketOptions).SetBroadcast)),
	sol(SO_SNDBUF, "SO_SNDBUF", "doubled when set, as on Linux", bufferSize((*tcpip.SocketOptions).GetSendBufferSize, (*tcpip.SocketOptions).SetSendBufferSize, (*tcpip.SocketOptions).SendBufferLimits)),
	sol(SO_RCVBUF, "SO_RCVBUF", "doubled when set, as on Linux; ends auto-tuning", bufferSize((*tcpip.SocketOptions).GetReceiveBufferSize, (*tcpip.SocketOptions).SetReceiveBufferSize, (*tcpip.SocketOptions).ReceiveBufferLimits)),
	sol(SO_KEEPALIVE, "SO_KEEPALIVE", "", flag((*tcpip.SocketOptions).GetKeepAlive, (*tcpip.SocketOptions).SetKeepAlive)),
	sol(SO_OOBINLINE, "SO_OOBINLINE", "netstack treats urgent data as ordinary data", storedOption(Bool, false)),
	sol(SO_PRIORITY, "SO_PRIORITY", "links have one queue", storedOption(Int, 0)),
	sol(SO_LINGER, "SO_LINGER", "", lingerOption()),
	sol(SO_REUSEPORT, "SO_REUSEPORT", "", flag((*tcpip.SocketOptions).GetReusePort, (*tcpip.SocketOptions).SetReusePort)),
	sol(SO_RCVLOWAT, "SO_RCVLOWAT", "netstack wakes a reader for the first byte", lowWater(storedOption(Int, 1))),
	sol(SO_SNDLOWAT, "SO_SNDLOWAT", "read-only: Linux refuses to set it too", readOnly(func(*socket) any { return 1 })),
	sol(SO_RCVTIMEO, "SO_RCVTIMEO", "", timeout(func(s *socket) *time.Duration { return &s.rcvTimeout })),
	sol(SO_SNDTIMEO, "SO_SNDTIMEO", "", timeout(func(s *socket) *time.Duration { return &s.sndTimeout })),
	sol(SO_NO_CHECK, "SO_NO_CHECK", "UDP over IPv4 is sent without a checksum", flag((*tcpip.SocketOptions).GetNoChecksum, (*tcpip.SocketOptions).SetNoChecksum)),
	sol(SO_BINDTODEVICE, "SO_BINDTODEVICE", "an interface's name; empty for any", bindToDevice()),
	sol(SO_BINDTOIFINDEX, "SO_BINDTOIFINDEX", "an interface's number; 0 for any", bindToIfindex()),
	sol(SO_TIMESTAMP, "SO_TIMESTAMP", "of datagrams, in microseconds", timestamps(SO_TIMESTAMP)),
	sol(SO_TIMESTAMPNS, "SO_TIMESTAMPNS", "of datagrams, in nanoseconds", timestamps(SO_TIMESTAMPNS)),
	sol(SO_MARK, "SO_MARK", "nothing routes or filters by marks", storedOption(Int, 0)),
	sol(SO_ACCEPTCONN, "SO_ACCEPTCONN", "read-only", readOnly(func(s *socket) any { return boolInt(s.listening()) })),
	sol(SO_PROTOCOL, "SO_PROTOCOL", "read-only", readOnly(func(s *socket) any { return s.proto })),
	sol(SO_DOMAIN, "SO_DOMAIN", "read-only", readOnly(func(s *socket) any { return s.family })),
}

// table: one row an option.
var tcpOptions = []Option{
	tcpOpt(TCP_NODELAY, "TCP_NODELAY", "", flag(noDelay, setNoDelay)),
	tcpOpt(TCP_MAXSEG, "TCP_MAXSEG", "the largest payload in use; before the handshake what was set, else 536", maxSeg()),
	tcpOpt(TCP_CORK, "TCP_CORK", "", flag((*tcpip.SocketOptions).GetCorkOption, (*tcpip.SocketOptions).SetCorkOption)),
	tcpOpt(TCP_KEEPIDLE, "TCP_KEEPIDLE", "", durationOption(7200, time.Second, Seconds, 1, 32767,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.KeepaliveIdleOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.KeepaliveIdleOption
			err := s.ep.GetSockOpt(&v)
			return time.Duration(v), err
		})),
	tcpOpt(TCP_KEEPINTVL, "TCP_KEEPINTVL", "", durationOption(75, time.Second, Seconds, 1, 32767,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.KeepaliveIntervalOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.KeepaliveIntervalOption
			err := s.ep.GetSockOpt(&v)
			return time.Duration(v), err
		})),
	tcpOpt(TCP_KEEPCNT, "TCP_KEEPCNT", "", ranged(intOption(tcpip.KeepaliveCountOption, 9), 1, 127)),
	tcpOpt(TCP_SYNCNT, "TCP_SYNCNT", "at most 6, netstack's own", ranged(intOption(tcpip.TCPSynCountOption, stack.MaxSynRetries), 1, stack.MaxSynRetries)),
	tcpOpt(TCP_LINGER2, "TCP_LINGER2", "", durationOption(60, time.Second, Seconds, -1, math.MaxInt32,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.TCPLingerTimeoutOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.TCPLingerTimeoutOption
			err := s.ep.GetSockOpt(&v)
			return time.Duration(v), err
		})),
	tcpOpt(TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT", "at most 120 s; Linux rounds it to a number of retransmissions", durationOption(0, time.Second, Seconds, 0, math.MaxInt32,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.TCPDeferAcceptOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.TCPDeferAcceptOption
			err := s.ep.GetSockOpt(&v)
			return time.Duration(v), err
		})),
	tcpOpt(TCP_INFO, "TCP_INFO", "read-only; the fields that netstack knows", readInfo()),
	tcpOpt(TCP_QUICKACK, "TCP_QUICKACK", "netstack never delays acknowledgments", storedOption(Bool, true)),
	tcpOpt(TCP_CONGESTION, "TCP_CONGESTION", "cubic or reno", congestion()),
	tcpOpt(TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", "", durationOption(0, time.Millisecond, Millis, 0, math.MaxInt32,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.TCPUserTimeoutOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.TCPUserTimeoutOption
			err := s.ep.GetSockOpt(&v)
			return time.Duration(v), err
		})),
}

// table: one row an option.
var ipOptions = []Option{
	ipOpt(IP_TOS, "IP_TOS", "", intOption(tcpip.IPv4TOSOption, 0)),
	ipOpt(IP_TTL, "IP_TTL", "", hopLimit(tcpip.IPv4TTLOption, tcpip.UseDefaultIPv4TTL, 1)),
	ipOpt(IP_MTU_DISCOVER, "IP_MTU_DISCOVER", "", mtuDiscover()),

	ipOpt(IP_HDRINCL, "IP_HDRINCL", "raw sockets", headerIncluded()),
	ipOpt(IP_PKTINFO, "IP_PKTINFO", "datagrams bring a control message", flag((*tcpip.SocketOptions).GetReceivePacketInfo, (*tcpip.SocketOptions).SetReceivePacketInfo)),
	ipOpt(IP_RECVTTL, "IP_RECVTTL", "datagrams bring IP_TTL", flag((*tcpip.SocketOptions).GetReceiveTTL, (*tcpip.SocketOptions).SetReceiveTTL)),
	ipOpt(IP_RECVTOS, "IP_RECVTOS", "datagrams bring IP_TOS", flag((*tcpip.SocketOptions).GetReceiveTOS, (*tcpip.SocketOptions).SetReceiveTOS)),
	ipOpt(IP_RECVORIGDSTADDR, "IP_RECVORIGDSTADDR", "datagrams bring IP_ORIGDSTADDR", flag((*tcpip.SocketOptions).GetReceiveOriginalDstAddress, (*tcpip.SocketOptions).SetReceiveOriginalDstAddress)),
	ipOpt(IP_RECVERR, "IP_RECVERR", "ICMP errors go to the queue that MSG_ERRQUEUE reads", recvErrOption(func(s *socket) *bool { return &s.errs.v4 })),
	ipOpt(IP_MTU, "IP_MTU", "read-only; of the first link", mtuOption()),
	ipOpt(IP_MULTICAST_IF, "IP_MULTICAST_IF", "", notOnStreams(multicastInterface(), EINVAL)),
	ipOpt(IP_MULTICAST_TTL, "IP_MULTICAST_TTL", "", notOnStreams(multicastTTL(), EINVAL)),
	ipOpt(IP_MULTICAST_LOOP, "IP_MULTICAST_LOOP", "", multicastLoop()),
	ipOpt(IP_ADD_MEMBERSHIP, "IP_ADD_MEMBERSHIP", "write-only", notOnStreams(membership(true, false), EPROTO)),
	ipOpt(IP_DROP_MEMBERSHIP, "IP_DROP_MEMBERSHIP", "write-only", notOnStreams(membership(false, false), EPROTO)),
	ipOpt(IP_PROTOCOL, "IP_PROTOCOL", "read-only; of a raw socket: others show their local port, as on Linux", ipProtocol()),
}

// table: one row an option.
var ip6Options = []Option{
	ip6Opt(IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", "", hopLimit(tcpip.IPv6HopLimitOption, tcpip.UseDefaultIPv6HopLimit, 0)),
	ip6Opt(IPV6_V6ONLY, "IPV6_V6ONLY", "", v6onlyOption()),
	ip6Opt(IPV6_TCLASS, "IPV6_TCLASS", "", trafficClass()),
	ip6Opt(IPV6_CHECKSUM, "IPV6_CHECKSUM", "raw sockets; -1 is none", rawOnly(intOption(tcpip.IPv6Checksum, -1))),
	ip6Opt(IPV6_MULTICAST_IF, "IPV6_MULTICAST_IF", "an interface's number", notOnStreams(intOption(tcpip.IPv6MulticastInterfaceOption, 0), ENOPROTOOPT)),
	ip6Opt(IPV6_MULTICAST_HOPS, "IPV6_MULTICAST_HOPS", "shared with IP_MULTICAST_TTL", notOnStreams(multicastTTL(), ENOPROTOOPT)),
	ip6Opt(IPV6_MULTICAST_LOOP, "IPV6_MULTICAST_LOOP", "shared with IP_MULTICAST_LOOP", zeroOrOne(multicastLoop())),
	ip6Opt(IPV6_ADD_MEMBERSHIP, "IPV6_ADD_MEMBERSHIP", "write-only; hosts send no MLD reports", notOnStreams(membership(true, true), EPROTO)),
	ip6Opt(IPV6_DROP_MEMBERSHIP, "IPV6_DROP_MEMBERSHIP", "write-only", notOnStreams(membership(false, true), EPROTO)),
	ip6Opt(IPV6_MTU, "IPV6_MTU", "read-only; of the first link", mtuOption()),
	ip6Opt(IPV6_RECVERR, "IPV6_RECVERR", "ICMPv6 errors go to the queue that MSG_ERRQUEUE reads", recvErrOption(func(s *socket) *bool { return &s.errs.v6 })),
	ip6Opt(IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO", "datagrams bring IPV6_PKTINFO", flag((*tcpip.SocketOptions).GetIPv6ReceivePacketInfo, (*tcpip.SocketOptions).SetIPv6ReceivePacketInfo)),
	ip6Opt(IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT", "datagrams bring IPV6_HOPLIMIT", flag((*tcpip.SocketOptions).GetReceiveHopLimit, (*tcpip.SocketOptions).SetReceiveHopLimit)),
	ip6Opt(IPV6_RECVTCLASS, "IPV6_RECVTCLASS", "datagrams bring IPV6_TCLASS", flag((*tcpip.SocketOptions).GetReceiveTClass, (*tcpip.SocketOptions).SetReceiveTClass)),
}

func row(level int, levelName, source string, num int, name, note string, o Option) Option {
	o.Level, o.LevelName, o.Num, o.Name, o.Note, o.Source = level, levelName, num, name, note, source
	return o
}

func sol(num int, name, note string, o Option) Option {
	return row(SOL_SOCKET, "SOL_SOCKET", "socket(7)", num, name, note, o)
}

func tcpOpt(num int, name, note string, o Option) Option {
	o.on = 's'
	return row(IPPROTO_TCP, "IPPROTO_TCP", "tcp(7)", num, name, note, o)
}

func ipOpt(num int, name, note string, o Option) Option {
	return row(IPPROTO_IP, "IPPROTO_IP", "ip(7)", num, name, note, o)
}

func ip6Opt(num int, name, note string, o Option) Option {
	if o.on == 0 {
		o.on = '6'
	}
	return row(IPPROTO_IPV6, "IPPROTO_IPV6", "ipv6(7)", num, name, note, o)
}

func noDelay(so *tcpip.SocketOptions) bool { return !so.GetDelayOption() }

// setNoDelay also sends what TCP_CORK or MSG_MORE hold back, once: the cork
// stays (tcp_sock_set_nodelay).
func setNoDelay(so *tcpip.SocketOptions, v bool) {
	so.SetDelayOption(!v)
	if v && so.GetCorkOption() {
		so.SetCorkOption(false)
		so.SetCorkOption(true)
	}
}

// defaultStackTTL is what netstack sends when IP_TTL was not set.
const defaultStackTTL = 64

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func readInfo() Option {
	return Option{Status: Simulated, Type: Info, get: func(s *socket) (any, Errno) {
		k := s.st.Snapshot(s.ep)
		n, _ := stack.CountersOf(s.ep)
		return TCPInfo{State: k.State, TCPInfo: k.Info, Counters: n}, 0
	}}
}

var _ stack.Owner = (*socket)(nil)
