package packetdrill

import (
	"math"
	"time"

	"fivetuple/sockapi"
	"fivetuple/trace"
)

// infoConstants are the names that code compares with: <linux/tcp.h>.
var infoConstants = map[string]value{
	"TCP_CA_Open": int64(0), "TCP_CA_Disorder": int64(1), "TCP_CA_CWR": int64(2), "TCP_CA_Recovery": int64(3), "TCP_CA_Loss": int64(4),
	"TCPI_OPT_TIMESTAMPS": int64(1), "TCPI_OPT_SACK": int64(2), "TCPI_OPT_WSCALE": int64(4), "TCPI_OPT_ECN": int64(8),
	"TCPI_OPT_ECN_SEEN": int64(16), "TCPI_OPT_SYN_DATA": int64(32),
	"TCP_ESTABLISHED": int64(1), "TCP_SYN_SENT": int64(2), "TCP_SYN_RECV": int64(3), "TCP_FIN_WAIT1": int64(4),
	"TCP_FIN_WAIT2": int64(5), "TCP_TIME_WAIT": int64(6), "TCP_CLOSE": int64(7), "TCP_CLOSE_WAIT": int64(8),
	"TCP_LAST_ACK": int64(9), "TCP_LISTEN": int64(10), "TCP_CLOSING": int64(11),
}

var stateNumbers = map[trace.TCPState]int64{
	trace.Established: 1, trace.SynSent: 2, trace.SynReceived: 3, trace.FinWait1: 4, trace.FinWait2: 5, trace.TimeWait: 6,
	trace.Closed: 7, trace.CloseWait: 8, trace.LastAck: 9, trace.Listen: 10, trace.Closing: 11,
}

var caNumbers = map[string]int64{"Open": 0, "Disorder": 1, "CWR": 2, "Recovery": 3, "Loss": 4}

// infoFields are the fields of struct tcp_info that netstack knows, without
// "tcpi_".
//
// table: one row a field.
var infoFields = map[string]func(i *sockapi.TCPInfo) int64{
	"state":         func(i *sockapi.TCPInfo) int64 { return stateNumbers[i.State] },
	"ca_state":      func(i *sockapi.TCPInfo) int64 { return caNumbers[i.CAState] },
	"retransmits":   func(i *sockapi.TCPInfo) int64 { return int64(i.Retransmits) },
	"probes":        func(i *sockapi.TCPInfo) int64 { return int64(i.Probes) },
	"options":       infoOptions,
	"snd_wscale":    func(i *sockapi.TCPInfo) int64 { return int64(i.SndWScale) },
	"rcv_wscale":    func(i *sockapi.TCPInfo) int64 { return int64(i.RcvWScale) },
	"rto":           func(i *sockapi.TCPInfo) int64 { return i.RTO.Microseconds() },
	"snd_mss":       func(i *sockapi.TCPInfo) int64 { return int64(i.MSS) },
	"unacked":       func(i *sockapi.TCPInfo) int64 { return int64(i.Unacked) },
	"sacked":        func(i *sockapi.TCPInfo) int64 { return int64(i.Sacked) },
	"rtt":           func(i *sockapi.TCPInfo) int64 { return micros(i.SRTT) },
	"rttvar":        func(i *sockapi.TCPInfo) int64 { return micros(i.RTTVar) },
	"min_rtt":       func(i *sockapi.TCPInfo) int64 { return micros(i.MinRTT) },
	"snd_ssthresh":  func(i *sockapi.TCPInfo) int64 { return min(int64(i.Ssthresh), math.MaxInt32) },
	"snd_cwnd":      func(i *sockapi.TCPInfo) int64 { return int64(i.Cwnd) },
	"advmss":        func(i *sockapi.TCPInfo) int64 { return int64(i.AdvMSS) },
	"rcv_rtt":       func(i *sockapi.TCPInfo) int64 { return micros(i.RcvRTT) },
	"total_retrans": func(i *sockapi.TCPInfo) int64 { return int64(i.TotalRetrans) },
	"notsent_bytes": func(i *sockapi.TCPInfo) int64 { return int64(i.NotSent) },
	"segs_out":      func(i *sockapi.TCPInfo) int64 { return int64(i.SegsOut) },
	"segs_in":       func(i *sockapi.TCPInfo) int64 { return int64(i.SegsIn) },
}

func micros(d time.Duration) int64 { return d.Round(time.Microsecond).Microseconds() }

func infoOptions(i *sockapi.TCPInfo) (bits int64) {
	for _, o := range []struct {
		on  bool
		bit int64
	}{{i.Timestamps, 1}, {i.SACK, 2}, {i.SndWScale != 0 || i.RcvWScale != 0, 4}} {
		if o.on {
			bits |= o.bit
		}
	}
	return bits
}

// tcpInfo samples the connection under test when code first looks at it.
func (r *runner) tcpInfo(line int) func(name string, line int) (value, bool) {
	var info *sockapi.TCPInfo
	var native Info
	return func(name string, at int) (value, bool) {
		const prefix = "tcpi_"
		if len(name) <= len(prefix) || name[:len(prefix)] != prefix {
			return nil, false
		}
		if r.native() {
			return r.nativeInfo(name[len(prefix):], line, &native)
		}
		if d := derivedInfo[name]; d != nil && r.cur != nil {
			return d(r), true
		}
		f, ok := infoFields[name[len(prefix):]]
		if !ok {
			panic(unsupported(at, name, "netstack does not keep this field of struct tcp_info"))
		}
		if info == nil {
			info = r.sample(line)
		}
		return f(info), true
	}
}

func (r *runner) sample(line int) *sockapi.TCPInfo {
	r.needDescriptor(line)
	var out *sockapi.TCPInfo
	fd := r.cur.fd
	r.tgt.Do(func(p Sockets) {
		v, err := p.Getsockopt(fd, sockapi.IPPROTO_TCP, sockapi.TCP_INFO)
		if info, ok := v.(sockapi.TCPInfo); ok && err == nil {
			out = &info
		}
	}, false, func(time.Duration) {})
	if out == nil {
		r.diverge("getsockopt(TCP_INFO) fails on the connection under test")
	}
	return out
}
