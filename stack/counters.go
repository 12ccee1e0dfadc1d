package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Counters are what netstack counts of a TCP connection, with the meaning of
// the fields of Linux's struct tcp_info that are named here.
type Counters struct {
	SegsOut, SegsIn uint64 // tcpi_segs_out, tcpi_segs_in
	TotalRetrans    uint64 // tcpi_total_retrans: segments sent again
	Timeouts        uint64 // retransmission timeouts; Linux has them in netstat -s alone
	FastRetrans     uint64 // segments sent again before a timeout
	Retransmits     int    // tcpi_retransmits: how often the oldest segment has been sent again
	Probes          int    // tcpi_probes: zero-window probes or keepalives without an answer
	NotSent         int    // tcpi_notsent_bytes
	AdvMSS          int    // tcpi_advmss: what this end offered
	RcvRTT          time.Duration
}

var (
	pathAdvMSS = fieldPath("amss")
	pathRcvRTT = fieldPath("RcvAutoParams", "RTT")
)

// CountersOf reads the counters of a TCP end point; ok is false for others.
func CountersOf(ep Endpoint) (c Counters, ok bool) {
	t, ok := ep.(*tcp.Endpoint)
	if !ok {
		return c, false
	}
	in, _ := InternalsOf(ep)
	if s, ok := t.Stats().(*tcp.Stats); ok {
		c.SegsOut, c.SegsIn = s.SegmentsSent.Value(), s.SegmentsReceived.Value()
		c.TotalRetrans, c.Timeouts = s.SendErrors.Retransmits.Value(), s.SendErrors.Timeouts.Value()
		c.FastRetrans = s.SendErrors.FastRetransmit.Value()
	}
	c.Retransmits = max(0, int(pathFirstXmits.uint(t))-1)
	c.Probes = int(pathProbes.uint(t)) + int(pathKeepalives.int(t))
	c.NotSent = max(0, in.SndBufUsed-int(in.SndNxt-in.SndUna))
	c.AdvMSS = int(pathAdvMSS.uint(t))
	c.RcvRTT = time.Duration(pathRcvRTT.int(t))
	return c, true
}
