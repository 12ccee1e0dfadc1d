package stack

import (
	"fmt"
	"reflect"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Internals are the variables of a TCP connection (RFC 9293, 3.3.1) that
// netstack keeps but has no call for: its probe tells them only when a segment
// arrives. They are read by reflection, which can look at unexported fields but
// not change them, while the worker is paused. TestInternals fails if an
// upgrade of gVisor moves one. After a recovery netstack's counts of segments
// have been seen below zero; that is read as zero.
type Internals struct {
	SndUna, SndNxt uint32 // oldest unacknowledged, and next, sequence number
	RcvNxt         uint32
	SndWnd         uint32 // the peer's window, bytes
	RcvWnd         uint32 // ours, as last advertised, bytes
	SndBufUsed     int    // bytes in the send buffer, sent or not
	AcceptQueue    int    // a listener's connections that wait to be accepted
	Unacked        int    // segments in flight
	Sacked         int    // of these, selectively acknowledged
	MSS            int    // the largest payload that is sent, bytes; 0 before the handshake
	SndWScale      uint8
	RcvWScale      uint8
	MinRTT         time.Duration
	Timestamps     bool // negotiated
	SACK           bool // negotiated
}

// path is a chain of fields from a tcp.Endpoint, embedded ones included.
type path struct{ index []int }

// fieldPath finds a field by its names. It panics if there is none: then this
// version of gVisor is not the one that go.mod names.
func fieldPath(names ...string) path {
	t := reflect.TypeFor[tcp.Endpoint]()
	var p path
	for _, n := range names {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		f, ok := t.FieldByName(n)
		if !ok {
			panic(fmt.Sprintf("stack: gVisor's %s has no field %s any more", t, n))
		}
		p.index = append(p.index, f.Index...)
		t = f.Type
	}
	return p
}

// in follows the path; ok is false where a pointer on the way is nil.
func (p path) in(ep *tcp.Endpoint) (v reflect.Value, ok bool) {
	v, err := reflect.ValueOf(ep).Elem().FieldByIndexErr(p.index)
	return v, err == nil
}

func (p path) uint(ep *tcp.Endpoint) uint64 {
	if v, ok := p.in(ep); ok {
		return v.Uint()
	}
	return 0
}

func (p path) int(ep *tcp.Endpoint) int64 {
	if v, ok := p.in(ep); ok {
		return v.Int()
	}
	return 0
}

func (p path) bool(ep *tcp.Endpoint) bool {
	v, ok := p.in(ep)
	return ok && v.Bool()
}

var (
	pathSndUna      = fieldPath("snd", "SndUna")
	pathSndNxt      = fieldPath("snd", "SndNxt")
	pathSndWnd      = fieldPath("snd", "SndWnd")
	pathSndWScale   = fieldPath("snd", "SndWndScale")
	pathOutstanding = fieldPath("snd", "Outstanding")
	pathSackedOut   = fieldPath("snd", "SackedOut")
	pathMSS         = fieldPath("snd", "MaxPayloadSize")
	pathMinRTT      = fieldPath("snd", "rc", "minRTT")
	pathRcvNxt      = fieldPath("rcv", "RcvNxt")
	pathRcvWnd      = fieldPath("rcv", "rcvWnd")
	pathRcvWScale   = fieldPath("rcv", "RcvWndScale")
	pathSndBufUsed  = fieldPath("sndQueueInfo", "SndBufUsed")
	pathAcceptLen   = fieldPath("acceptQueue", "endpoints", "len")
	pathTimestamps  = fieldPath("SendTSOk")
	pathSACK        = fieldPath("SACKPermitted")
)

// InternalsOf reads the variables of a TCP end point; ok is false for others.
func InternalsOf(ep Endpoint) (in Internals, ok bool) {
	t, ok := ep.(*tcp.Endpoint)
	if !ok {
		return Internals{}, false
	}
	return Internals{
		SndUna: uint32(pathSndUna.uint(t)), SndNxt: uint32(pathSndNxt.uint(t)), RcvNxt: uint32(pathRcvNxt.uint(t)),
		SndWnd: uint32(pathSndWnd.uint(t)), RcvWnd: uint32(pathRcvWnd.uint(t)),
		SndBufUsed: int(pathSndBufUsed.int(t)), AcceptQueue: int(pathAcceptLen.int(t)),
		Unacked: max(0, int(pathOutstanding.int(t))), Sacked: max(0, int(pathSackedOut.int(t))), MSS: int(pathMSS.int(t)),
		SndWScale: uint8(pathSndWScale.uint(t)), RcvWScale: uint8(pathRcvWScale.uint(t)),
		MinRTT: time.Duration(pathMinRTT.int(t)), Timestamps: pathTimestamps.bool(t), SACK: pathSACK.bool(t),
	}, true
}

// SendBufferBusy reports whether at least half of a TCP end point's send buffer
// is in use. netstack announces room for writers when that ends, and not before.
func SendBufferBusy(ep Endpoint) bool {
	t, ok := ep.(*tcp.Endpoint)
	return ok && pathSndBufUsed.int(t) >= t.SocketOptions().GetSendBufferSize()/2
}
