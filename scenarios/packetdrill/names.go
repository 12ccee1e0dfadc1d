package packetdrill

import "fivetuple/sockapi"

// maxErrno is the largest error number of Linux: <asm-generic/errno.h>.
const maxErrno = 133

// Flags of Linux that sockapi does not know, because netstack has nothing for
// them: <linux/socket.h>.
const (
	msgEOR      = 0x80
	msgZeroCopy = 0x4000000
	msgFastOpen = 0x20000000
)

// constants are the words that stand for numbers in calls.
var constants = func() map[string]int64 {
	m := make(map[string]int64)
	for name, v := range sockapi.Constants() {
		m[name] = int64(v)
	}
	for _, o := range sockapi.Options() {
		m[o.Name] = int64(o.Num)
	}
	for name, v := range linuxConstants {
		m[name] = v
	}
	for e := sockapi.Errno(1); e <= maxErrno; e++ {
		if name := e.Name(); !isDigit(name[1]) {
			m[name] = int64(e)
		}
	}
	return m
}()

// linuxConstants are those that sockapi has no use for.
//
// table: names of Linux's headers.
var linuxConstants = map[string]int64{
	"SOL_IP": 0, "SOL_TCP": 6, "SOL_UDP": 17, "SOL_IPV6": 41, "SOL_ICMPV6": 58, "IPPROTO_MPTCP": 262, "IPPROTO_SCTP": 132, "IPPROTO_DCCP": 33,
	"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_CREAT": 0o100, "O_TRUNC": 0o1000, "O_APPEND": 0o2000, "O_NONBLOCK": 0o4000,
	"MSG_DONTROUTE": 4, "MSG_CTRUNC": 8, "MSG_EOR": msgEOR, "MSG_FIN": 0x200, "MSG_SYN": 0x400, "MSG_CONFIRM": 0x800, "MSG_RST": 0x1000,
	"MSG_ZEROCOPY": msgZeroCopy, "MSG_FASTOPEN": msgFastOpen, "MSG_CMSG_CLOEXEC": 0x40000000, "MSG_BATCH": 0x40000, "MSG_WAITFORONE": 0x10000,
	"NULL": 0, "EPOLLRDNORM": 0x40, "EPOLLWRNORM": 0x100, "EPOLLEXCLUSIVE": 1 << 28, "POLLRDNORM": 0x40, "POLLWRNORM": 0x100,
	"IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2, "IP_PMTUDISC_PROBE": 3,
	"SIOCINQ": 0x541b, "SIOCOUTQ": 0x5411, "FIONREAD": 0x541b, "SIOCOUTQNSD": 0x894b,
	"TCP_CM_INQ": 36, "SCM_TIMESTAMPING": 37, "SCM_TSTAMP_SND": 0, "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2,
	"SOF_TIMESTAMPING_TX_HARDWARE": 1, "SOF_TIMESTAMPING_TX_SOFTWARE": 2, "SOF_TIMESTAMPING_RX_HARDWARE": 4,
	"SOF_TIMESTAMPING_RX_SOFTWARE": 8, "SOF_TIMESTAMPING_SOFTWARE": 16, "SOF_TIMESTAMPING_SYS_HARDWARE": 32,
	"SOF_TIMESTAMPING_RAW_HARDWARE": 64, "SOF_TIMESTAMPING_OPT_ID": 128, "SOF_TIMESTAMPING_TX_SCHED": 256,
	"SOF_TIMESTAMPING_TX_ACK": 512, "SOF_TIMESTAMPING_OPT_CMSG": 1024, "SOF_TIMESTAMPING_OPT_TSONLY": 2048,
	"SOF_TIMESTAMPING_OPT_STATS": 4096,
	"SO_EE_ORIGIN_NONE":          0, "SO_EE_ORIGIN_LOCAL": 1, "SO_EE_ORIGIN_ICMP": 2, "SO_EE_ORIGIN_ICMP6": 3,
	"SO_EE_ORIGIN_TIMESTAMPING": 4, "SO_EE_ORIGIN_ZEROCOPY": 5, "SO_EE_CODE_ZEROCOPY_COPIED": 1,
	"ENOMSG": 42, "EWOULDBLOCK": 11, "ENOTSUP": 95, "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
}

// constant is the number of a word; the CMSG_ words depend on the IP version.
func (r *runner) constant(name string) (int64, bool) {
	v6 := r.set.IPVersion != IPv4 // of the sockets, not of the packets
	switch name {
	case "CMSG_LEVEL_IP":
		if v6 {
			return sockapi.IPPROTO_IPV6, true
		}
		return sockapi.IPPROTO_IP, true
	case "CMSG_TYPE_RECVERR":
		if v6 {
			return sockapi.IPV6_RECVERR, true
		}
		return sockapi.IP_RECVERR, true
	}
	v, ok := constants[name]
	return v, ok
}
