package trace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

// step is one segment that its sender sends, and what Flows makes of it.
type step struct {
	seg        segment
	seq, ack   uint32
	rel        bool
	retransmit bool
}

func TestFlows(t *testing.T) {
	// Segments from the client and from the server.
	c := func(seq, ackNo uint32, flags byte, payload string) segment {
		return segment{src: c4, dst: s4, seq: seq, ack: ackNo, flags: flags, payload: payload}
	}
	s := func(seq, ackNo uint32, flags byte, payload string) segment {
		return segment{src: s4, dst: c4, seq: seq, ack: ackNo, flags: flags, payload: payload}
	}
	const top = 1<<32 - 1
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a connection from SYN to FIN", []step{
			{c(1000, 0, syn, ""), 0, 0, true, false},
			{s(5000, 1001, syn|ack, ""), 0, 1, true, false},
			{c(1001, 5001, ack, ""), 1, 1, true, false},
			{c(1001, 5001, psh|ack, "hello"), 1, 1, true, false},
			{s(5001, 1006, ack, ""), 1, 6, true, false},
			{c(1006, 5001, fin|ack, ""), 6, 1, true, false},
			{s(5001, 1007, fin|ack, ""), 1, 7, true, false},
			{c(1007, 5002, ack, ""), 7, 2, true, false},
		}},
		{"what repeats old data is a retransmission", []step{
			{c(1000, 0, syn, ""), 0, 0, true, false},
			{c(1000, 0, syn, ""), 0, 0, true, true},
			{s(5000, 1001, syn|ack, ""), 0, 1, true, false},
			{s(5000, 1001, syn|ack, ""), 0, 1, true, true},
			{c(1001, 5001, ack, "abcd"), 1, 1, true, false},
			{c(1005, 5001, ack, "efgh"), 5, 1, true, false},
			{c(1001, 5001, ack, "abcd"), 1, 1, true, true},
			{c(1005, 5001, ack, "efghij"), 5, 1, true, true}, // in part: its first byte is old
			{c(1011, 5001, ack, "kl"), 11, 1, true, false},   // so the next new byte is the 11th
			{c(1013, 5001, fin|ack, ""), 13, 1, true, false},
			{c(1013, 5001, fin|ack, ""), 13, 1, true, true},
			{c(1013, 5001, ack, ""), 13, 1, true, false}, // takes no sequence space, so it repeats none
		}},
		{"a gap is not a retransmission, what fills it is", []step{
			{c(1000, 0, syn, ""), 0, 0, true, false},
			{c(1005, 0, ack, "efgh"), 5, 0, true, false},
			{c(1001, 0, ack, "abcd"), 1, 0, true, true},
		}},
		{"numbers wrap", []step{
			{c(top, 0, syn, ""), 0, 0, true, false},
			{s(top-1, 0, syn|ack, ""), 0, 1, true, false},
			{c(0, top, ack, "ab"), 1, 1, true, false},
			{s(top, 2, ack, "xyz"), 1, 3, true, false},
			{c(2, 2, ack, "c"), 3, 4, true, false},
			{c(0, 2, ack, "ab"), 1, 4, true, true},
		}},
		{"a tuple used again starts again at 0", []step{
			{c(1000, 0, syn, ""), 0, 0, true, false},
			{s(5000, 1001, syn|ack, ""), 0, 1, true, false},
			{c(1001, 5001, ack, "abcd"), 1, 1, true, false},
			{c(900, 0, syn, ""), 0, 0, true, false}, // a lower number, and yet no retransmission
			{s(70000, 901, syn|ack, ""), 0, 1, true, false},
			{c(901, 70001, ack, "abcd"), 1, 1, true, false},
			{c(901, 70001, ack, "abcd"), 1, 1, true, true},
		}},
		{"a reset that refuses a SYN counts from 0", []step{
			{c(1000, 0, syn, ""), 0, 0, true, false},
			{s(0, 1001, rst|ack, ""), 0, 1, true, false},
		}},
		{"without a SYN numbers stay as they are", []step{
			{c(1001, 5001, ack, "abcd"), 1001, 5001, false, false},
			{c(1001, 5001, ack, "abcd"), 1001, 5001, false, false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var flows trace.Flows
			for i, st := range tt.steps {
				sum := trace.Decode(tcp(st.seg), false)
				retransmit := flows.Note(&sum)
				got := step{st.seg, sum.Seq, sum.Ack, sum.Rel, retransmit}
				require.Equal(t, st, got, "segment %d", i)
				require.Equal(t, st.seg.seq, sum.RawSeq(), "the numbers on the wire are kept")
				require.Equal(t, st.seg.ack, sum.RawAck())

				seen := trace.Decode(tcp(st.seg), false)
				flows.Relate(&seen)
				require.Equal(t, sum, seen, "the receiver sees the same numbers")
			}
		})
	}
}

func TestFlowsSACK(t *testing.T) {
	var flows trace.Flows
	note := func(s segment) trace.Summary {
		sum := trace.Decode(tcp(s), false)
		flows.Note(&sum)
		return sum
	}
	sack := []byte{1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 9}
	got := note(segment{src: s4, dst: c4, flags: ack, opts: sack})
	require.Equal(t, [][2]uint32{{3, 9}}, got.SACK, "no SYN was seen")

	note(segment{src: c4, dst: s4, seq: 1<<32 - 1, flags: syn}) // so the blocks are beyond the wrap
	note(segment{src: s4, dst: c4, seq: 5000, flags: syn | ack})
	got = note(segment{src: s4, dst: c4, seq: 5001, flags: ack, opts: sack})
	require.Equal(t, [][2]uint32{{4, 10}}, got.SACK, "relative to the side whose bytes they name")
}

func TestFlowsLeaveOthersAlone(t *testing.T) {
	var flows trace.Flows
	want := trace.Decode(udp(c4, s4, "hello"), false)
	got := want
	require.False(t, flows.Note(&got))
	flows.Relate(&got)
	require.Equal(t, want, got)
}
