package packetdrill_test

import (
	"strings"
	"testing"
	"time"

	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
)

// TestTrace: a run's packets are there in both directions, with a script's
// numbers.
func TestTrace(t *testing.T) {
	r := run(t, listen+"+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n", packetdrill.Config{})
	require.Nil(t, r.Problem)
	var texts []string
	for _, p := range r.Trace {
		texts = append(texts, map[bool]string{true: "< ", false: "> "}[p.Inbound]+p.Text)
	}
	require.Equal(t, []string{
		"< S 0:0(0) win 65535 <mss 1460>",
		"> S. 0:0(0) ack 1 win 29184 <mss 1460>",
		"< . 1:1(0) ack 1 win 65535",
		"> P. 1:101(100) ack 1 win 65535",
	}, texts)
	require.Equal(t, 100*time.Millisecond, r.Trace[3].At)
	require.Equal(t, 4, r.Trace[0].Line)
}

// TestCompare: the first packet that differs is found, and in what.
func TestCompare(t *testing.T) {
	trace := func(src string) []packetdrill.TracePacket { return run(t, src, packetdrill.Config{}).Trace }
	const sends = listen + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n"
	tolerance := packetdrill.DefaultTolerance
	for _, tc := range []struct {
		name, old, new string
		at             int
		want           string
	}{
		{"nothing", "x", "x", 0, ""},
		{"a window, which is each stack's own", "listen(3, 1)", "setsockopt(3, SOL_SOCKET, SO_RCVBUF, [9000], 4) = 0\n+0 listen(3, 1)", 0, ""},
		{"a time within the tolerance", "+.1 <", "+.11 <", 0, ""},
		{"a time", "+.1 <", "+.2 <", 2, "time: 0.1 s against 0.2 s after the packet before"},
		{"a size", "..., 100) = 100\n+0 > P. 1:101(100)", "..., 90) = 90\n+0 > P. 1:91(90)", 3, "payload: 100 against 90"},
		{"an option", "win 65535 <mss 1460>", "win 65535 <mss 1460,sackOK,nop,nop>", 0,
			"packet: S 0:0(0) win 65535 <mss 1460> against S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop>"},
		{"the sender", "+0 write", "+0 < . 1:1(0) ack 1 win 9\n+0 write", 3, "sender: the host against the script"},
		{"an end", "+0 write", "+0 read(3, ..., 1) = 0\n+0 write", 3, "P. 1:101(100) ack 1 win 65535 against no packet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := packetdrill.Compare(trace(sends), trace(strings.ReplaceAll(sends, tc.old, tc.new)), tolerance)
			if tc.want == "" {
				require.Nil(t, d)
				return
			}
			require.NotNil(t, d)
			require.Equal(t, tc.at, d.Packet)
			require.Equal(t, tc.want, strings.Join(d.Fields, "; "))
		})
	}

	const all = listen + "+0 < . 1:1(0) ack 1 win 1000\n+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
	first := strings.NewReplacer("1000) = 1000", "2000) = 2000", "> P.", "> .").Replace(all) // more is to come
	require.Equal(t, []string{"flags: P. against ."}, packetdrill.Compare(trace(all), trace(first), tolerance).Fields)
	require.Nil(t, packetdrill.Compare(trace(all), trace(first), tolerance, "psh"))
}
