package sockdiag

import (
	"encoding/binary"
	"testing"

	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestParseListed: what a list has beyond an answer for one socket comes from its
// place; what the kernel did not send is left out.
func TestParseListed(t *testing.T) {
	var mem []byte
	for n := range 9 {
		mem = binary.NativeEndian.AppendUint32(mem, uint32(100+n))
	}
	head := diagMsg(10, 10, "::", 80, "::", 0)
	l, err := parseListed(join(head, attr(attrShutdown, []byte{2}), attr(attrCong, []byte("cubic\x00")), attr(attrMemory, mem), attr(attrV6Only, []byte{1})))
	require.NoError(t, err)
	require.Equal(t, uint32(4711), l.Inode)
	require.False(t, l.Remote.IsValid())
	require.Equal(t, trace.Detail{Timer: l.Timer, Congestion: "cubic", SndShut: true,
		Mem: trace.SocketMem{RcvAlloc: 100, RcvBuf: 101, SndBuf: 103, Queued: 105}}, l.Detail)
	require.True(t, l.V6Only)

	l, err = parseListed(join(head, attr(attrMemory, mem[:20])))
	require.NoError(t, err)
	require.Equal(t, trace.Detail{Timer: l.Timer}, l.Detail)

	_, err = parseListed(head[:71])
	require.ErrorIs(t, err, errMalformed)
	_, err = parseListed(join(head, []byte{1, 0, 0, 0}))
	require.ErrorIs(t, err, errMalformed)
}
