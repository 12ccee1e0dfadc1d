package stack

import (
	"math/bits"
	"reflect"
	"time"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Fields of netstack's that ss -o, -m and -e need, read as [Internals] are.
var (
	pathClosed     = fieldPath("closed")
	pathCongestion = fieldPath("cc")
	pathShut       = fieldPath("shutdownFlags")
	pathRcvMem     = fieldPath("rcvMemUsed", "value")
	pathTimeWait   = fieldPath("timeWaitTimer")
	pathFinWait2   = fieldPath("finWait2Timer")
	pathHandshake  = fieldPath("h", "retransmitTimer", "t")
	pathBackoff    = fieldPath("h", "retransmitTimer", "timeout")
	pathProbing    = fieldPath("snd", "zeroWindowProbing")
	pathProbes     = fieldPath("snd", "unackZeroWindowProbes")
	pathFirstXmits = fieldPath("snd", "writeList", "writeList", "head", "xmitCount")
	pathKeepalives = fieldPath("keepalive", "unacked")

	timerResend    = timerPath("snd", "resendTimer")
	timerProbe     = timerPath("snd", "probeTimer")
	timerReorder   = timerPath("snd", "reorderTimer")
	timerKeepalive = timerPath("keepalive", "timer")
)

// enabled is netstack's timerStateEnabled.
const enabled = 2

// lazyTimer is a timer of netstack's own kind, which may be disabled while its
// clock timer runs on.
type lazyTimer struct{ state, target path }

func timerPath(names ...string) lazyTimer {
	return lazyTimer{fieldPath(append(names, "state")...), fieldPath(append(names, "target", "nanoseconds")...)}
}

// left is the time until the timer fires, 0 if it is not armed. netstack's clock
// is a second ahead of ours: see clock.NowMonotonic.
func (l lazyTimer) left(ep *tcp.Endpoint, now time.Duration) time.Duration {
	if l.state.int(ep) != enabled {
		return 0
	}
	return remaining(time.Duration(l.target.int(ep))-time.Second, now)
}

// timeLeft is the time until a clock timer that a field of an end point holds
// fires, 0 if it is not armed.
func timeLeft(p path, ep *tcp.Endpoint, now time.Duration) time.Duration {
	v, ok := p.in(ep)
	if !ok || v.IsNil() {
		return 0
	}
	if v = v.Elem(); v.Type() != reflect.TypeFor[*armed]() {
		return 0
	}
	return remaining(time.Duration(v.Elem().FieldByName("due").Int()), now)
}

// remaining leaves out the ticks of an instant.
func remaining(due, now time.Duration) time.Duration {
	return max(0, (due - now).Round(time.Microsecond))
}

// detail reads what Snapshot has not.
func (s *Stack) detail(ep tcpip.Endpoint, in Internals) trace.Detail {
	o := ep.SocketOptions()
	d := trace.Detail{ReuseAddr: o.GetReuseAddress(), ReusePort: o.GetReusePort(),
		Mem: trace.SocketMem{RcvBuf: int(o.GetReceiveBufferSize()), SndBuf: int(o.GetSendBufferSize()), Queued: max(0, in.SndBufUsed)}}
	t, ok := ep.(*tcp.Endpoint)
	if !ok {
		d.Mem.RcvAlloc, _ = ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
		return d
	}
	if v, ok := pathCongestion.in(t); ok {
		d.Congestion = v.String() // GetSockOpt takes the end point's lock, and lets it work when it gives that back
	}
	shut := tcpip.ShutdownFlags(pathShut.int(t))
	d.RcvShut, d.SndShut = shut&tcpip.ShutdownRead != 0, shut&tcpip.ShutdownWrite != 0
	d.Mem.RcvAlloc = int(pathRcvMem.int(t))
	d.Bound = tcp.EndpointState(t.State()) == tcp.StateBound
	d.Orphan = pathClosed.bool(t)
	d.Timer = s.timer(t)
	return d
}

// timer is the timer that a TCP end point waits for, in the order in which
// Linux looks (inet_sk_diag_fill): retransmission before keepalive.
func (s *Stack) timer(ep *tcp.Endpoint) trace.SocketTimer {
	now := s.Now()
	state := tcpState(ep)
	switch state {
	case trace.Closed, trace.Listen:
		return trace.SocketTimer{}
	case trace.TimeWait:
		return timerOf("timewait", timeLeft(pathTimeWait, ep, now), 0)
	case trace.SynSent, trace.SynReceived:
		// The timeout doubles from one second on.
		return timerOf("on", timeLeft(pathHandshake, ep, now), bits.Len64(uint64(pathBackoff.int(ep))/uint64(time.Second))-1)
	}
	if left := timerResend.left(ep, now); left > 0 && pathProbing.bool(ep) {
		return timerOf("persist", left, int(pathProbes.uint(ep)))
	}
	for _, l := range []lazyTimer{timerResend, timerProbe, timerReorder} {
		if left := l.left(ep, now); left > 0 {
			return timerOf("on", left, int(pathFirstXmits.uint(ep))-1)
		}
	}
	if left := timeLeft(pathFinWait2, ep, now); left > 0 && state == trace.FinWait2 {
		return timerOf("timewait", left, 0)
	}
	return timerOf("keepalive", timerKeepalive.left(ep, now), int(pathKeepalives.int(ep)))
}

func timerOf(kind string, left time.Duration, retrans int) trace.SocketTimer {
	if left == 0 {
		return trace.SocketTimer{}
	}
	return trace.SocketTimer{Kind: kind, Left: left, Retrans: max(0, retrans)}
}
