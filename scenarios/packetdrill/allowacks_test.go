package packetdrill

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllowACKs: ACKs that come sooner, and more of them, are allowed for; what
// the script expects of them still has to come.
func TestAllowACKs(t *testing.T) {
	const open = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 < P. 1:101(100) ack 1 win 65535
+.01 < P. 101:201(100) ack 1 win 65535
`
	for _, tt := range []struct{ name, rest, want, without string }{
		{"one ACK for two segments, late", "+.04 > . 1:1(0) ack 201\n", "", "ack: expected 201, got 101"},
		{"ACK with the answer", "+.02 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 201\n", "", "payload: expected 10, got 0"},
		{"ACK of what did not come", "+.04 > . 1:1(0) ack 301\n", "nothing was sent", "ack: expected 301, got 101"},
		{"ACK before the data is complete", "+.04 > . 1:1(0) ack 51\n", "ack: expected 51, got 101", "ack: expected 51, got 101"},
		{"other flags", "+.04 > F. 1:1(0) ack 201\n", "nothing was sent", "flags: expected F., got ."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for allow, want := range map[string]string{"--allow=acks\n": tt.want, "": tt.without} {
				s, err := Parse("t.pkt", []byte(allow+open+tt.rest), nil)
				require.NoError(t, err)
				res := Run(context.Background(), s, Config{Seed: 1})
				res.World.Close()
				if want == "" {
					require.Equal(t, Pass, res.Verdict, "%v", res.Problem)
					continue
				}
				require.Equal(t, Diverges, res.Verdict)
				require.Contains(t, res.Problem.Text, want)
			}
		})
	}
}
