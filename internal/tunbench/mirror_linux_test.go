package main

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReflect: the mirror's answers continue the sequence numbers of what they answer, and their checksums are
// right, or Linux would drop them and a benchmark would hang.
func TestReflect(t *testing.T) {
	in := func(port uint16, flags byte, seq, acked uint32, data string) []byte {
		p := make([]byte, ipLen+tcpLen, ipLen+tcpLen+len(data))
		p[0], p[9] = 0x45, 6
		copy(p[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
		tcp := p[ipLen:]
		binary.BigEndian.PutUint16(tcp, 40000)
		binary.BigEndian.PutUint16(tcp[2:], port)
		binary.BigEndian.PutUint32(tcp[4:], seq)
		binary.BigEndian.PutUint32(tcp[8:], acked)
		tcp[12], tcp[13] = tcpLen/4<<4, flags
		return append(p, data...)
	}
	for _, c := range []struct {
		name       string
		in         []byte
		flags      byte
		seq, acked uint32
		data       string
	}{
		{"SYN", in(7, syn, 1000, 0, ""), syn | ack, 0, 1001, ""},
		{"data", in(7, psh|ack, 1001, 1, "odd"), psh | ack, 1, 1004, "odd"},
		{"request", in(80, psh|ack, 0xffffffff, 1, "GET"), psh | ack, 1, 2, mirrorPage},
		{"FIN", in(7, fin|ack, 1004, 4, ""), fin | ack, 4, 1005, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := make([]byte, 2000)
			out = out[:reflectSegment(out, c.in)]
			tcp := out[ipLen:]
			require.Equal(t, []byte{10, 0, 0, 2, 10, 0, 0, 1}, out[12:20])
			require.Equal(t, uint16(40000), binary.BigEndian.Uint16(tcp[2:]))
			require.Equal(t, c.flags, tcp[13])
			require.Equal(t, c.seq, binary.BigEndian.Uint32(tcp[4:]))
			require.Equal(t, c.acked, binary.BigEndian.Uint32(tcp[8:]))
			require.Equal(t, c.data, string(tcp[tcpLen:]))
			require.Equal(t, len(out), int(binary.BigEndian.Uint16(out[2:])))
			require.Equal(t, uint16(0xffff), sum(0, out[:ipLen]), "a sum over its own checksum is all ones: RFC 1071")
			require.Equal(t, uint16(0xffff), sum(uint32(sum(uint32(6+len(tcp)), out[12:20])), tcp))
		})
	}
	for name, p := range map[string][]byte{"RST": in(7, rst, 1, 1, ""), "an acknowledgment": in(7, ack, 1, 1, ""),
		"IPv6": {0: 0x60, 59: 0}, "a piece": in(7, syn, 1, 1, "")[:30], "nothing": nil} {
		require.Zero(t, reflectSegment(make([]byte, 100), p), name)
	}
}
