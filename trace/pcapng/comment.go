package pcapng

import (
	"strconv"

	"fivetuple/trace"
)

// comment is the text shown with a packet, its parts separated by "; ":
//
//	DROPPED: loss 1%; client curl[1] fd 3; event 14, cause 11; retransmission
//
// A drop comes first, so that it is seen in a narrow column. The link's note
// on a packet, such as "duplicate", comes last.
func comment(ev *trace.Event, p *trace.Packet) string {
	var b []byte
	if p.What == trace.Dropped {
		b = append(b, "DROPPED"...)
		if p.Reason != "" {
			b = append(append(b, ": "...), p.Reason...)
		}
		b = append(b, "; "...)
	}
	b = appendOrigin(b, ev.Origin)
	b = append(b, "; event "...)
	b = strconv.AppendUint(b, uint64(ev.ID), 10)
	if ev.Cause != 0 {
		b = append(b, ", cause "...)
		b = strconv.AppendUint(b, uint64(ev.Cause), 10)
	}
	if p.Retransmit {
		b = append(b, "; retransmission"...)
	}
	if p.Note != "" {
		b = append(append(b, "; "...), p.Note...)
	}
	return string(b)
}

// appendOrigin appends what is known of an origin: "client curl[1] fd 3".
func appendOrigin(b []byte, o trace.Origin) []byte {
	b = append(b, o.Host...)
	if o.Proc != "" || o.PID != 0 {
		b = append(append(b, ' '), o.Proc...)
	}
	if o.PID != 0 {
		b = strconv.AppendInt(append(b, '['), int64(o.PID), 10)
		b = append(b, ']')
	}
	if o.Thread != 0 {
		b = strconv.AppendInt(append(b, " thread "...), int64(o.Thread), 10)
	}
	if o.HasFD {
		b = strconv.AppendInt(append(b, " fd "...), int64(o.FD), 10)
	}
	return b
}
