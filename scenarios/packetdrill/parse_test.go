package packetdrill

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everything has each construct of the language once.
const everything = `--ip_version=ipv4
--tolerance_usecs=5000 // a comment
--define=COOKIE=abcd
` + "`../common/defaults.sh\n sysctl -q net.ipv4.tcp_sack=1`" + `
/* a comment
   over two lines */
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+.5 bind(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.168.0.1")}, ...) = 0
+0...0.25 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
0.5...0.75 read(3, ..., 10) = 10
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0x802 (flags O_RDWR)
+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0
+0 setsockopt(3, SOL_TCP, TCP_CONGESTION, "cu" "bic", 5) = 0
+0 sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {..., 20}], msg_flags=0}, 0) = 30
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4}) = 0
+0 poll([{fd=4, events=POLLIN, revents=0}], 1, -1) = ...
* > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>
+.1~+.2 > P. 1:11(10) ack 1 win 100 urg 3 <...>
0.1~0.2 > . 1:1(0) ack 1
+0 < S. 0:0(0) ack 1 win 65535 <mss 1000,eol,FO COOKIE,FOEXP 0123,md5 00ff>
+0 < [ect0,ttl 3,tos 0x10] 4321 > 8080 FPEW. 1:1(0) ack 1 win 0 <sack 1:2 3:4,nop,nop>
+0 < - 1:11(10) win 0
+0 > S.3 0:0(0) ack 1 <ECN e0b 1 ceb 0 e1b 1,nop>
+0 < encap psp spi 7 . 1:1(0) ack 1
+0 > ipv4 10.0.0.1 > 10.0.0.2 : gre : ipv6 fd::1 > fd::2 : . 1:1(0) ack 1
+0 < udp (100)
+0 > icmp echo_reply id 3 (56)
+0 < icmp unreachable frag_needed mtu 1040 [1:1461(1460)]
+0 < icmp unreachable port_unreachable [udp (10)]
+0 < icmp 3 1
+0 ` + "`sleep 1`" + `
+0 %{
assert tcpi_state == 1, 'state %d' % tcpi_state
}%
` + "`true`\n"

func TestRoundTrip(t *testing.T) {
	s, err := Parse("all.pkt", []byte(everything), nil)
	require.NoError(t, err)
	require.Len(t, s.Events, 26)
	text := Format(s)
	again, err := Parse("all.pkt", []byte(text), nil)
	require.NoError(t, err, text)
	require.Equal(t, withoutLines(s), withoutLines(again), text)
	require.Equal(t, text, Format(again))
}

// withoutLines removes what printing does not keep.
func withoutLines(s *Script) *Script {
	for i := range s.Options {
		s.Options[i].Line = 0
	}
	for _, c := range []*Command{s.Init, s.Cleanup} {
		if c != nil {
			c.Line = 0
		}
	}
	for i := range s.Events {
		e := &s.Events[i]
		e.Line = 0
		if e.Command != nil {
			e.Command.Line = 0
		}
		if e.Code != nil {
			e.Code.Line = 0
		}
	}
	return s
}

func TestParse(t *testing.T) {
	s, err := Parse("x.pkt", []byte("+.25 < P. 1:1001(1000) ack 5 win 10 <nop,nop,TS val 7 ecr 8>"), nil)
	require.NoError(t, err)
	e := s.Events[0]
	require.Equal(t, Relative, e.Time.Kind)
	require.Equal(t, "0.25", formatSeconds(e.Time.At))
	require.True(t, e.Packet.Inbound)
	require.Equal(t, "P.", e.Packet.TCP.Flags)
	require.EqualValues(t, 1001, e.Packet.TCP.End)
	require.EqualValues(t, 5, *e.Packet.TCP.Ack)
	require.Equal(t, TCPOpt{Name: "TS", Value: 7, Ecr: 8}, e.Packet.TCP.Opts[2])
}

func TestDefine(t *testing.T) {
	s, err := Parse("x.pkt", []byte("0 > S 0:0(0) <mss M,FO C>\n+0 close(FD) = 0"), map[string]string{"M": "900", "C": "12ab", "FD": "3"})
	require.NoError(t, err)
	require.Equal(t, "S 0:0(0) <mss 900,FO 12ab>", s.Events[0].Packet.TCP.String())
	require.Equal(t, "close(3) = 0", s.Events[1].Call.String())
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct {
		name, src, want string
		verdict         Verdict
	}{
		{"a length", "0 < . 1:11(9) ack 1 win 0", "x.pkt:1: 1:11(9): the end is not the start plus the length", Invalid},
		{"an option late", "0 close(3) = 0\n--mtu=1400", "x.pkt:2: options come before the first event", Invalid},
		{"a wildcard inbound", "0 < S 0:0(0) win 0 <...>", "x.pkt:1: <...> is for outbound packets", Invalid},
		{"a star inbound", "* < S 0:0(0) win 0", "x.pkt:1: * is for outbound packets", Invalid},
		{"a range backwards", "0.3~0.2 > S 0:0(0)", "x.pkt:1: the range of times ends before it begins", Invalid},
		{"flags", "0 < XYZ 0:0(0)", "x.pkt:1: flags are letters of SFRPEWCAU", Dialect},
		{"an option", "0 < S 0:0(0) win 0 <mtu 3>", `x.pkt:1: TCP option "mtu" is not known`, Dialect},
		{"a string", "0 open(\"x, 0) = 3", "x.pkt:1: a string that begins here has no end", Dialect},
		{"a comment", "\n/* x", "x.pkt:2: a comment that begins here has no end", Dialect},
		{"a command", "\n\n`x", "x.pkt:3: a command that begins here has no end", Dialect},
		{"an event", "0 + 0", "x.pkt:1: a packet (< or >), a call", Dialect},
		{"a number", "0 close(0x) = 0", "x.pkt:1: 0x is not a number", Dialect},
		{"nesting", "0 f(" + strings.Repeat("[", 100) + ") = 0", "x.pkt:1: expressions are nested more than 32 deep", Dialect},
		{"size", strings.Repeat(" ", MaxSource+1), "x.pkt:1: the script has", Dialect},
		{"the end", "`true`\n0 close(3) = 0\n`true`\n0 close(3) = 0", "x.pkt:4: nothing comes after the final command", Dialect},
		{"a mark", "0 close[3] = 0", `x.pkt:1: "(" is expected after the name of a call, not "["`, Dialect},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("x.pkt", []byte(tc.src), nil)
			require.ErrorContains(t, err, tc.want)
			var p *Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, tc.verdict, p.Verdict)
		})
	}
}

// FuzzParse: no input makes the parser panic or hang, and what it reads it can
// write and read again.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add("0 < S 0:0(0) win 0\n+0 > S. 0:0(0) ack 1 <...>\n")
	f.Add("+0...0 f({a(b)=c,d},[-1,0xf]) = -1 E (x)")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := Parse("f.pkt", []byte(src), nil)
		if err != nil {
			var p *Problem
			require.ErrorAs(t, err, &p)
			require.Positive(t, p.Line)
			return
		}
		text := Format(s)
		again, err := Parse("f.pkt", []byte(text), nil)
		require.NoError(t, err, text)
		require.Equal(t, withoutLines(s), withoutLines(again), text)
	})
}
