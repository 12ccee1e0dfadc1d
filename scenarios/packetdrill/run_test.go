package packetdrill_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"fivetuple/scenarios/packetdrill"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// listen is the beginning of most scripts.
const listen = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
`

func run(t *testing.T, src string, cfg packetdrill.Config) *packetdrill.Result {
	t.Helper()
	s, err := packetdrill.Parse("x.pkt", []byte(src), nil)
	require.NoError(t, err)
	cfg.Seed = 1
	r := packetdrill.Run(context.Background(), s, cfg)
	if r.World != nil {
		t.Cleanup(r.World.Close)
	}
	return r
}

func TestVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		verdict   packetdrill.Verdict
		want      string
	}{
		{"a pass", listen, packetdrill.Pass, ""},
		{"flags", listen + "+0 close(4) = 0\n+0 > . 1:1(0) ack 1", packetdrill.Diverges, "x.pkt:9: flags: expected ., got F."},
		{"ack", listen + "+0 < . 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 9", packetdrill.Diverges, "x.pkt:9: ack: expected 9, got 11"},
		{"window", listen + "+0 < . 1:11(10) ack 1 win 9\n+0 > . 1:1(0) ack 11 win 3", packetdrill.Diverges, "x.pkt:9: win: expected 3, got 29174"},
		{"options", strings.Replace(listen, "ack 1 <mss 1460>", "ack 1 <mss 1400>", 1), packetdrill.Diverges, "x.pkt:5: options: expected <mss 1400>, got <mss 1460>"},
		{"payload", listen + "+0 write(4, ..., 100) = 100\n+0 > P. 1:51(50) ack 1", packetdrill.Diverges, "x.pkt:9: payload: expected 50, got 100"},
		{"nothing", listen + "+0 > . 1:1(0) ack 1", packetdrill.Diverges, "x.pkt:8: nothing was sent: expected . 1:1(0) ack 1; no timer is armed"},
		{"late", listen + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.2 > P. 1:101(100) ack 1", packetdrill.Diverges,
			"x.pkt:10: time: expected 0.3, sent at 0.4: 0.1 s later than the tolerance of 0.025 s allows"},
		{"early", listen + "+0 write(4, ..., 100) = 100\n+.01 > P. 1:101(100) ack 1", packetdrill.Diverges, "0.01 s earlier"},
		{"errno", listen + "+0 connect(4, ..., ...) = -1 EINPROGRESS", packetdrill.Diverges, "x.pkt:8: connect: expected -1 EINPROGRESS, got -1 EISCONN"},
		{"a result", listen + "+0 write(4, ..., 100) = 99", packetdrill.Diverges, "x.pkt:8: write: expected 99, got 100"},
		{"it blocks", listen + "+0 read(4, ..., 100) = 100", packetdrill.Diverges, "x.pkt:8: read: it blocks, and should return at once"},
		{"it still blocks", listen + "+0...0.1 read(4, ..., 100) = 100", packetdrill.Diverges, "x.pkt:8: read: it still blocks, and should have returned at 0.2"},
		{"it returns early", listen + "+0...0.5 read(4, ..., 10) = 10\n+.1 < . 1:11(10) ack 1 win 9\n+1 close(4) = 0", packetdrill.Diverges, "x.pkt:8: read: expected to return at 0.6, returned at 0.2"},
		{"an assertion", listen + "+0 %{\nx = 3\nassert tcpi_snd_cwnd == x, 'cwnd'\n}%", packetdrill.Diverges, "x.pkt:10: assert tcpi_snd_cwnd == x does not hold: tcpi_snd_cwnd is 10"},
		{"a bad descriptor", "0 close(77) = 0", packetdrill.Diverges, "x.pkt:1: close: expected 0, got -1 EBADF"},

		{"a field", listen + "+0 %{ assert tcpi_delivered == 1 }%", packetdrill.Unsupported, "x.pkt:8: tcpi_delivered: netstack does not keep this field"},
		{"an option", listen + "+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [1], 4) = 0", packetdrill.Unsupported, "x.pkt:8: TCP Fast Open: TCP_FASTOPEN: netstack has no TCP Fast Open"},
		{"a flag", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 sendto(3, ..., 1, MSG_FASTOPEN, ..., ...) = 1", packetdrill.Unsupported, "x.pkt:2: TCP Fast Open"},
		{"a call", "0 pipe([3, 4]) = 0", packetdrill.Unsupported, "x.pkt:1: pipe: sockapi has no pipes"},
		{"encapsulation", listen + "+0 < encap psp spi 3 . 1:1(0) ack 1 win 3", packetdrill.Unsupported, "x.pkt:8: PSP"},
		{"a sysctl", "`sysctl -q net.ipv4.tcp_ecn=1`\n" + strings.Replace(listen, "< S 0", "< SEW 0", 1) + "+0 > SE. 0:0(0) ack 1", packetdrill.Unsupported, "sysctl tcp_ecn=1"},
		{"congestion control", "`sysctl net.ipv4.tcp_congestion_control=bbr`", packetdrill.Unsupported, "x.pkt:1: congestion control bbr"},
		{"timestamps off", "`sysctl net.ipv4.tcp_timestamps=0`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...1 connect(3, ..., ...) = 0\n+0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 7>",
			packetdrill.Unsupported, "tcp_timestamps=0"},
		{"late sysctl", listen + "+0 `sysctl net.ipv4.tcp_sack=0`", packetdrill.Unsupported, "x.pkt:8: sysctl tcp_sack=0: it is set after the host has started"},

		{"a command", "`\niptables -F`", packetdrill.Dialect, `x.pkt:2: command "iptables" is not known`},
		{"an unknown sysctl", "`sysctl net.ipv4.tcp_nonsense=0`", packetdrill.Dialect, "x.pkt:1: sysctl tcp_nonsense is not known"},
		{"an unknown call", "0 frob(3) = 0", packetdrill.Dialect, "x.pkt:1: call frob is not known"},
		{"a word", "0 socket(..., SOCK_NONSENSE, 0) = 3", packetdrill.Dialect, `x.pkt:1: socket: the word "SOCK_NONSENSE" is not known`},
		{"code", listen + "+0 %{ import os }%", packetdrill.Dialect, "x.pkt:8:"},
		{"a code of ICMP", listen + "+0 < icmp unreachable CODE", packetdrill.Dialect, `x.pkt:8: code "CODE" of ICMP unreachable is not known`},
		{"an option of packetdrill", "--frob=3\n0 close(3) = 0", packetdrill.Dialect, "x.pkt:1: option --frob is not known"},

		{"no connection", "0 < . 1:1(0) ack 1 win 3", packetdrill.Invalid, "x.pkt:1: there is no connection yet"},
		{"padding", "0 < S 0:0(0) win 3 <sackOK>", packetdrill.Invalid, "x.pkt:1: the TCP options take 2 bytes"},
		{"arguments", "0 close() = 0", packetdrill.Invalid, "x.pkt:1: close takes 1 arguments, not 0"},
		{"addresses", "--local_ip=fd::1\n--ip_version=ipv4\n0 close(3) = 0", packetdrill.Invalid, "does not go with --ip_version=ipv4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := run(t, tc.src, packetdrill.Config{})
			if tc.want == "" {
				require.Nil(t, r.Problem)
			} else {
				require.NotNil(t, r.Problem, "verdict %s", r.Verdict)
				require.ErrorContains(t, r.Problem, tc.want)
			}
			require.Equal(t, tc.verdict, r.Verdict)
		})
	}
}

func TestTolerance(t *testing.T) {
	const late = listen + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.298 > P. 1:101(100) ack 1\n"
	r := run(t, late, packetdrill.Config{})
	require.Nil(t, r.Problem)
	require.Equal(t, 2*time.Millisecond, r.Deviation)
	require.Equal(t, 10, r.DeviationLine)

	r = run(t, late, packetdrill.Config{Settings: packetdrill.Settings{StrictTime: true}})
	require.Equal(t, packetdrill.Diverges, r.Verdict)
	r = run(t, strings.Replace(late, ".298", ".3", 1), packetdrill.Config{Settings: packetdrill.Settings{StrictTime: true}})
	require.Nil(t, r.Problem)
	r = run(t, strings.Replace(late, "+.298", "+.25~+.3", 1), packetdrill.Config{})
	require.Nil(t, r.Problem)
	require.Zero(t, r.Deviation)
	r = run(t, strings.Replace(late, "+.298", "*", 1), packetdrill.Config{})
	require.Nil(t, r.Problem)
}

func TestSegmentsAreJoined(t *testing.T) {
	const bulk = listen + "+0 write(4, ..., 2920) = 2920\n+0 > P. 1:2921(2920) ack 1\n"
	require.Nil(t, run(t, bulk, packetdrill.Config{}).Problem)
	r := run(t, bulk, packetdrill.Config{Settings: packetdrill.Settings{StrictSegments: true}})
	require.ErrorContains(t, r.Problem, "payload: expected 2920, got 1460")
	r = run(t, listen+"+0 write(4, ..., 2920) = 2920\n+0 > . 1:1461(1460) ack 1\n+0 > P. 1461:2921(1460) ack 1\n", packetdrill.Config{})
	require.Nil(t, r.Problem)
}

func TestAllow(t *testing.T) {
	const psh = listen + "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1\n"
	require.ErrorContains(t, run(t, psh, packetdrill.Config{}).Problem, "flags: expected ., got P.")
	require.Nil(t, run(t, psh, packetdrill.Config{Settings: packetdrill.Settings{Allow: []string{"psh"}}}).Problem)

	sack := strings.Replace(listen, "win 65535 <mss 1460>", "win 65535 <mss 1460,sackOK,nop,nop>", 1)
	sack = strings.Replace(sack, "ack 1 <mss 1460>", "ack 1 <mss 1460,nop,nop,sackOK>", 1) + "+0 write(4, ..., 2920) = 2920\n+0 > . 1:1461(1460) ack 1\n+0 > P. 1461:2921(1460) ack 1\n"
	require.ErrorContains(t, run(t, sack, packetdrill.Config{}).Problem, "payload: expected 1460, got 1424")
	require.Nil(t, run(t, sack, packetdrill.Config{Settings: packetdrill.Settings{Allow: []string{"sack-room"}}}).Problem)
}

// TestSameTrace: a script and a seed give the same events, byte for byte.
func TestSameTrace(t *testing.T) {
	record := func() string {
		var b bytes.Buffer
		sink := jsonl.New(&b, jsonl.Config{Scenario: "x", Seed: 1, Epoch: stack.Epoch})
		r := run(t, listen+"+0 write(4, ..., 5000) = 5000\n* > P. 1:5001(5000) ack 1\n+1 close(4) = 0\n", packetdrill.Config{Sinks: []trace.Sink{sink}})
		require.Nil(t, r.Problem)
		require.NoError(t, r.World.Bus().Close())
		return b.String()
	}
	first := record()
	require.Greater(t, strings.Count(first, "\n"), 20)
	require.Equal(t, first, record())
}

func TestShims(t *testing.T) {
	r := run(t, listen+`+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0
+.1 < P. 1:101(100) ack 1 win 9
+0 > . 1:1(0) ack 101
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 60}], msg_flags=0, msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=40}]}, 0) = 60
+.25 %{ assert tcpi_last_data_recv == 250 }%
`, packetdrill.Config{})
	require.Nil(t, r.Problem)
}

func TestFiles(t *testing.T) {
	r := run(t, "`/bin/dd if=/dev/zero of=/tmp/f bs=1 count=5`\n"+listen+`+0 open("/tmp/f", O_RDONLY) = 5
+0 sendfile(4, 5, [0], 5) = 5
+0 > P. 1:6(5) ack 1
`, packetdrill.Config{})
	require.Nil(t, r.Problem)
}

func TestProfile(t *testing.T) {
	p := packetdrill.NewProfile()
	p.Set("a/b.pkt", packetdrill.Pass, nil)
	p.Set("c.pkt", packetdrill.Diverges, &packetdrill.Problem{Line: 7})
	text := p.Format("why\nnetstack 1")
	require.Equal(t, "# why\n# netstack 1\npass        a/b.pkt\ndiverges    c.pkt:7\n", text)
	p, err := packetdrill.ParseProfile("f.profile", []byte(text))
	require.NoError(t, err)
	require.Equal(t, text, p.Format("why\nnetstack 1"))

	require.Empty(t, p.Expects("a/b.pkt", packetdrill.Pass, nil))
	require.Empty(t, p.Expects("x/a/b.pkt", packetdrill.Pass, nil))
	require.Equal(t, "diverges at line 7", p.Expects("c.pkt", packetdrill.Diverges, &packetdrill.Problem{Line: 8}))
	require.Equal(t, packetdrill.NotInProfile, p.Expects("d.pkt", packetdrill.Pass, nil))
	var none *packetdrill.Profile
	require.Empty(t, none.Expects("d.pkt", packetdrill.Unsupported, nil))
	require.Equal(t, "pass", none.Expects("d.pkt", packetdrill.Dialect, nil))

	_, err = packetdrill.ParseProfile("f.profile", []byte("\nperfect a.pkt"))
	require.EqualError(t, err, "f.profile:2: need a verdict (pass, diverges, unsupported, dialect, invalid) and a script")
	_, err = packetdrill.ParseProfile("f.profile", []byte("pass a\npass a"))
	require.EqualError(t, err, "f.profile:2: a is there twice")
}

// FuzzRun: no script makes the runner panic or go on for ever.
func FuzzRun(f *testing.F) {
	f.Add(listen + "+0 write(4, ..., 5000) = 5000\n* > P. 1:5001(5000) ack 1\n+1 close(4) = 0\n")
	f.Add(listen + "+0...1 read(4, ..., 5000) = 10\n+.1 < P. 1:11(10) ack 1 win 5\n+0 %{ assert tcpi_unacked == 0 }%\n")
	f.Add("0 < 4321 > 9999 S 0:0(0) win 65535 <mss 1460>\n+0 > 9999 > 4321 R. 0:0(0) ack 1\n")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := packetdrill.Parse("f.pkt", []byte(src), nil)
		if err != nil {
			return
		}
		r := packetdrill.Run(context.Background(), s, packetdrill.Config{MaxEvents: 20_000})
		if r.World != nil {
			r.World.Close()
		}
		require.Contains(t, packetdrill.Verdicts, r.Verdict)
	})
}
