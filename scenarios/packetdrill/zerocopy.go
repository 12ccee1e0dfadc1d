package packetdrill

import "fivetuple/sockapi"

// This file plays MSG_ZEROCOPY: each send that asks for it gets a number, and
// when its last byte has been acknowledged a notice with that number, or one
// about a range of them: Documentation/networking/msg_zerocopy.rst of Linux.
// Linux says whether it copied after all. It does on a device that hands packets
// to a program, as packetdrill's does, and netstack does always.

// zeroCopy is SO_ZEROCOPY of a socket.
type zeroCopy struct {
	on    bool
	next  uint32 // the number of the next send
	sends []zeroSend
}

// zeroSend are sends that are noticed together: numbers lo to hi, whose last
// byte is before end.
type zeroSend struct {
	lo, hi uint32
	end    uint64
}

// wrote notes a send that the stack has taken. One whose data follows that of
// the last, while that has not left yet, joins it: msg_zerocopy_realloc.
func (z *zeroCopy) wrote(e *emulated, asked bool) {
	if !asked || !z.on {
		return // without SO_ZEROCOPY, MSG_ZEROCOPY is ignored
	}
	if n := len(z.sends); n > 0 && z.sends[n-1].end > e.sent {
		z.sends[n-1].hi, z.sends[n-1].end = z.next, e.written
	} else {
		z.sends = append(z.sends, zeroSend{z.next, z.next, e.written})
	}
	z.next++
}

// acked queues the notices of what has been acknowledged. One that follows the
// last in the queue extends it: skb_zerocopy_notify_extend. It reports whether
// there was one.
func (z *zeroCopy) acked(e *emulated) (some bool) {
	for ; len(z.sends) > 0 && z.sends[0].end <= e.acked; some = true {
		s := z.sends[0]
		z.sends = z.sends[1:]
		if n := len(e.errs); n > 0 && e.errs[n-1].Origin == originZeroCopy && uint32(e.errs[n-1].Data)+1 == s.lo {
			e.errs[n-1].Data = int(s.hi)
			continue
		}
		e.errs = append(e.errs, notice{ExtendedErr: sockapi.ExtendedErr{Origin: originZeroCopy, Code: codeCopied, Info: int(s.lo), Data: int(s.hi)}})
	}
	return some
}
