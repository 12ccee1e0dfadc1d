package sockdiag

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"fivetuple/trace"
)

// Listed is a socket of a list.
type Listed struct {
	trace.Socket
	// Inode is the number in the links of /proc/PID/fd: "socket:[4711]". 0: no
	// descriptor names the socket.
	Inode uint32
}

// Attributes of a list's sockets, beside attrInfo (linux/inet_diag.h).
const (
	attrCong     = 4 // INET_DIAG_CONG, the name
	attrMemory   = 7 // INET_DIAG_SKMEMINFO
	attrShutdown = 8 // INET_DIAG_SHUTDOWN, sent without being asked for
	attrV6Only   = 11

	wantMore = 1<<(attrCong-1) | 1<<(attrMemory-1)
)

// Where the numbers of SKMEMINFO are (enum sk_meminfo_vars of linux/sock_diag.h),
// bytes.
const (
	memRcvAlloc = 4 * 0
	memRcvBuf   = 4 * 1
	memSndBuf   = 4 * 3
	memQueued   = 4 * 5
)

// Bits of INET_DIAG_SHUTDOWN (sk_shutdown of net/sock.h).
const (
	shutRcv = 1
	shutSnd = 2
)

// parseListed is Parse with all that a list has.
func parseListed(b []byte) (Listed, error) {
	s, err := Parse(b)
	if err != nil {
		return Listed{}, err
	}
	l := Listed{Socket: s, Inode: binary.NativeEndian.Uint32(b[68:])}
	if l.Remote.Port() == 0 && l.Remote.Addr().IsUnspecified() {
		l.Remote = netip.AddrPort{}
	}
	attrs := b[socketHeader:]
	get := func(kind uint16, least int) []byte {
		var a []byte
		if a, err = attribute(attrs, kind); err != nil || len(a) < least {
			return nil
		}
		return a
	}
	if a := get(attrCong, 1); a != nil {
		l.Congestion = string(bytes.TrimRight(a, "\x00"))
	}
	if a := get(attrShutdown, 1); a != nil {
		l.RcvShut, l.SndShut = a[0]&shutRcv != 0, a[0]&shutSnd != 0
	}
	if a := get(attrV6Only, 1); a != nil {
		l.V6Only = a[0] != 0
	}
	if a := get(attrMemory, memQueued+4); a != nil {
		at := func(n int) int { return int(binary.NativeEndian.Uint32(a[n:])) }
		l.Mem = trace.SocketMem{RcvAlloc: at(memRcvAlloc), RcvBuf: at(memRcvBuf), SndBuf: at(memSndBuf), Queued: at(memQueued)}
	}
	return l, err
}
