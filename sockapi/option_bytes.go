package sockapi

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"fivetuple/trace"
)

// badValue is a value that ParseValue refused: what convert makes of it.
type badValue struct {
	b     []byte
	errno Errno
}

// String writes the bytes as strace does: `"\x01\x02"`.
func (v badValue) String() string {
	s := ""
	for _, c := range v.b {
		s += fmt.Sprintf(`\x%02x`, c)
	}
	return `"` + s + `"`
}

// SetsockoptBytes is Setsockopt with the value as a C program passes it:
// [Option.ParseValue] says in what form.
func (p *Proc) SetsockoptBytes(fd, level, num int, value []byte) error {
	var v any = badValue{value, ENOPROTOOPT}
	if o, ok := optionIndex[optKey{level, num}]; ok {
		if parsed, errno := o.parse(value); errno == 0 {
			v = parsed
		} else {
			v = badValue{value, errno}
		}
	}
	return p.Setsockopt(fd, level, num, v)
}

// GetsockoptBytes is Getsockopt with the value as a C program is given it, in
// size bytes at most, which is optlen. A longer value is cut off, as by Linux:
// its length tells. It has the form of [Option.AppendValue], with two
// exceptions: IP_MULTICAST_IF is a struct in_addr alone, and an int of
// IPPROTO_IP from 0 to 255 is one byte if size is 1 to 3.
//
// It fails with EINVAL for a negative size, and for a SO_BINDTODEVICE that is
// set and a size of less than IFNAMSIZ, 16. Reading TCP_INFO emits a warning:
// fields of C's structure that netstack does not know are zero.
func (p *Proc) GetsockoptBytes(fd, level, num, size int) ([]byte, error) {
	if errno := p.sizeErrno(fd, level, num, size); errno != 0 {
		c := p.begin("getsockopt", fd, optArgs(fd, level, num)+", "+itoa(size)+" bytes")
		return nil, c.ret("", errno)
	}
	v, err := p.Getsockopt(fd, level, num)
	if err != nil {
		return nil, err
	}
	o := optionIndex[optKey{level, num}]
	b, errno := o.append([]byte{}, v)
	if errno != 0 { // a row of the table that has no C form
		return nil, &Error{Call: "getsockopt", Args: optArgs(fd, level, num), Errno: errno}
	}
	switch {
	case o.Type == Info:
		p.current.warn("fields of struct tcp_info that netstack does not know are zero")
	case o.Type == MreqT:
		b = b[4:8]
	case level == IPPROTO_IP && size > 0 && size < sizeofInt && binary.LittleEndian.Uint32(b) <= math.MaxUint8:
		size = 1
	}
	return b[:min(size, len(b))], nil
}

// sizeErrno is what getsockopt says of optlen before it reads an option.
func (p *Proc) sizeErrno(fd, level, num, size int) Errno {
	o, errno := p.table.get(fd)
	switch {
	case errno != 0 || o.sock == nil: // Getsockopt says so
	case size < 0:
		return EINVAL
	case level == SOL_SOCKET && num == SO_BINDTODEVICE && size < sizeofName && o.sock.ep.SocketOptions().GetBindToDevice() != 0:
		return EINVAL
	}
	return 0
}

// Offsets in struct tcp_info: <linux/tcp.h>.
const (
	infoState, infoCAState, infoOptions, infoScales = 0, 1, 5, 6

	infoRTO, infoSndMSS, infoUnacked, infoSacked = 8, 16, 24, 28
	infoRTT, infoRTTVar, infoSsthresh, infoCwnd  = 68, 72, 76, 80
	infoMinRTT, infoSndWnd, infoRcvWnd           = 148, 228, 232

	sizeofTCPInfo = 240
)

// appendTCPInfo appends struct tcp_info; times are in microseconds.
func appendTCPInfo(b []byte, t *TCPInfo) []byte {
	at := len(b)
	b = append(b, make([]byte, sizeofTCPInfo)...)
	out := b[at:]
	out[infoState], out[infoCAState] = linuxState[t.State], linuxCAState[t.CAState]
	for _, o := range []struct {
		set bool
		bit byte
	}{{t.Timestamps, 1}, {t.SACK, 2}, {t.SndWScale|t.RcvWScale != 0, 4}} {
		if o.set {
			out[infoOptions] |= o.bit
		}
	}
	out[infoScales] = t.SndWScale&15 | t.RcvWScale<<4
	for _, f := range []struct {
		offset int
		value  int64
	}{
		{infoRTO, int64(t.RTO / time.Microsecond)}, {infoSndMSS, int64(t.MSS)}, {infoUnacked, int64(t.Unacked)}, {infoSacked, int64(t.Sacked)},
		{infoRTT, int64(t.SRTT / time.Microsecond)}, {infoRTTVar, int64(t.RTTVar / time.Microsecond)},
		{infoSsthresh, int64(t.Ssthresh)}, {infoCwnd, int64(t.Cwnd)}, {infoMinRTT, int64(t.MinRTT / time.Microsecond)},
		{infoSndWnd, int64(t.SndWnd)}, {infoRcvWnd, int64(t.RcvWnd)},
	} {
		binary.LittleEndian.PutUint32(out[f.offset:], uint32(min(max(f.value, 0), math.MaxUint32)))
	}
	return b
}

// linuxState has Linux's numbers of the states: <linux/tcp_states.h>.
var linuxState = map[trace.TCPState]byte{
	trace.Established: 1, trace.SynSent: 2, trace.SynReceived: 3, trace.FinWait1: 4, trace.FinWait2: 5, trace.TimeWait: 6,
	trace.Closed: 7, trace.CloseWait: 8, trace.LastAck: 9, trace.Listen: 10, trace.Closing: 11,
}

// linuxCAState has Linux's numbers of enum tcp_ca_state.
var linuxCAState = map[string]byte{"Open": 0, "Disorder": 1, "CWR": 2, "Recovery": 3, "Loss": 4}
