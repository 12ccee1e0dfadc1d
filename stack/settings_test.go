package stack_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// exchange transfers n bytes from a to b and closes: a first.
func exchange(t *testing.T, tcp stack.TCPConfig, n int, rules ...netem.Model) *lab {
	t.Helper()
	l := newLab(t, tcp, rules...)
	l.accept(4, drain(t))
	l.client(func(p *sockapi.Proc, fd int) {
		_, err := p.Send(fd, make([]byte, n), 0)
		require.NoError(t, err)
		require.NoError(t, p.Close(fd))
	})
	l.run()
	return l
}

func syn(s segment) bool  { return s.Summary.Flags == "S" || s.Summary.Flags == "S." }
func data(s segment) bool { return s.Summary.Len > 0 }

func TestCongestionControl(t *testing.T) {
	for _, want := range []string{"cubic", "reno"} {
		l := newLab(t, stack.TCPConfig{Congestion: want})
		l.accept(1, drain(t))
		l.client(func(p *sockapi.Proc, fd int) {
			v, err := p.Getsockopt(fd, sockapi.IPPROTO_TCP, sockapi.TCP_CONGESTION)
			require.NoError(t, err)
			require.Equal(t, want, v)
		})
		l.run()
	}
}

func TestSACK(t *testing.T) {
	for _, off := range []bool{false, true} {
		l := exchange(t, stack.TCPConfig{NoSACK: off}, 10)
		syns := l.segments(syn)
		require.Len(t, syns, 2)
		for _, s := range syns {
			if off {
				require.NotContains(t, s.Summary.Opts, "sackOK")
			} else {
				require.Contains(t, s.Summary.Opts, "sackOK")
			}
		}
	}
}

// TestReceiveBuffer: the first window that is offered is the buffer, and the
// sender never has more under way.
func TestReceiveBuffer(t *testing.T) {
	const size = 20_000
	l := exchange(t, stack.TCPConfig{RcvBuf: stack.BufferRange{Min: 4096, Default: size, Max: size}, NoModerateRcvBuf: true}, 200_000)
	for _, s := range l.segments(syn) {
		require.LessOrEqual(t, s.Summary.Win, uint32(size))
		require.Greater(t, s.Summary.Win, uint32(size/4))
	}
	var acked, most uint32
	for _, s := range l.segments(func(segment) bool { return true }) {
		if s.host == "b" && s.Summary.HasAck {
			acked = s.Summary.Ack
		} else if data(s) {
			most = max(most, s.Summary.Seq+uint32(s.Summary.Len)-acked)
		}
	}
	require.LessOrEqual(t, most, uint32(size))
	require.Greater(t, most, uint32(size/4), "the window was used")
}

// TestSendBuffer: a call that does not wait takes no more than the buffer.
func TestSendBuffer(t *testing.T) {
	l := newLab(t, stack.TCPConfig{SndBuf: stack.BufferRange{Min: 4096, Default: 10_000, Max: 10_000}})
	l.accept(1, drain(t))
	l.client(func(p *sockapi.Proc, fd int) {
		n, err := p.Send(fd, make([]byte, 100_000), sockapi.MSG_DONTWAIT)
		require.NoError(t, err)
		require.Equal(t, 10_000, n)
	})
	l.run()
}

// TestTimeWait: the connection leaves TIME-WAIT when its time is up, exactly.
func TestTimeWait(t *testing.T) {
	for _, tc := range []struct{ set, want time.Duration }{{0, 60 * time.Second}, {5 * time.Second, 5 * time.Second}} {
		l := exchange(t, stack.TCPConfig{TimeWait: tc.set}, 10)
		begin := l.changes("a", trace.TimeWait)
		end := l.changes("a", trace.Closed)
		require.Len(t, begin, 1)
		require.Equal(t, tc.want, end[len(end)-1]-begin[0])
		require.Empty(t, l.changes("b", trace.TimeWait), "only the side that closed first")
	}
}

// TestFinTimeout: an orphan waits that long in FIN-WAIT-2 for a peer that does
// not close.
func TestFinTimeout(t *testing.T) {
	l := newLab(t, stack.TCPConfig{FinTimeout: 7 * time.Second})
	l.accept(1, func(*sockapi.Proc, int) {})
	l.client(func(p *sockapi.Proc, fd int) { require.NoError(t, p.Close(fd)) })
	l.run()
	begin, end := l.changes("a", trace.FinWait2), l.changes("a", trace.Closed)
	require.Len(t, begin, 1)
	require.Equal(t, 7*time.Second, end[len(end)-1]-begin[0])
}

// TestRetransmissionTimeout: with everything lost, one segment is sent again
// at doubling intervals within the bounds, as often as allowed, and then the
// connection fails with ETIMEDOUT.
func TestRetransmissionTimeout(t *testing.T) {
	l := newLab(t, stack.TCPConfig{MinRTO: 500 * ms, MaxRTO: 3 * time.Second, MaxRetries: 5, NoRACK: true}, after(20*ms))
	l.accept(1, drain(t))
	l.client(func(p *sockapi.Proc, fd int) {
		p.Sleep(ms)
		_, err := p.Send(fd, []byte("x"), 0)
		require.NoError(t, err)
		_, err = p.Recv(fd, 1, 0)
		require.ErrorIs(t, err, sockapi.ETIMEDOUT)
	})
	l.run()
	tries := l.segments(data)
	var gaps []time.Duration
	for n := 1; n < len(tries); n++ {
		require.True(t, tries[n].Retransmit)
		require.Equal(t, "cut", tries[n].Reason)
		gaps = append(gaps, (tries[n].at - tries[n-1].at).Round(ms))
	}
	require.Equal(t, []time.Duration{500 * ms, time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}, gaps)
}

// TestEphemeralPorts: connections get ports of the range and no others, and
// when all are taken, connect says so.
func TestEphemeralPorts(t *testing.T) {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	h, err := w.AddHost(sim.HostConfig{Name: "h", EphemeralFirst: 40_000, EphemeralLast: 40_003})
	require.NoError(t, err)
	l := &lab{World: w, t: t, b: h}
	l.b.Spawn("client", func(p *sockapi.Proc) error {
		at := netip.MustParseAddrPort("127.0.0.1:80")
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, at))
		require.NoError(t, p.Listen(s, 9))
		ports := map[uint16]bool{}
		for range 4 {
			c, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
			require.NoError(t, err)
			require.NoError(t, p.Connect(c, at))
			name, err := p.Getsockname(c)
			require.NoError(t, err)
			ports[name.Port()] = true
		}
		require.Equal(t, map[uint16]bool{40_000: true, 40_001: true, 40_002: true, 40_003: true}, ports)
		c, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.ErrorIs(t, p.Connect(c, at), sockapi.EADDRNOTAVAIL)
		require.ErrorIs(t, p.Bind(c, netip.MustParseAddrPort("127.0.0.1:0")), sockapi.EADDRINUSE)
		return nil
	})
	l.run()
}

// TestOneLossOneRetransmission: a burst is sent at one instant and one segment
// of it is lost. RACK orders segments by the time at which they were sent
// (RFC 8985); without the ticks of an instant it takes the whole burst for
// lost, and sends it again.
func TestOneLossOneRetransmission(t *testing.T) {
	for _, lost := range []int{1, 4, 9} {
		n := 0
		rule := netem.ModelFunc(func(_ time.Duration, p *netem.Packet, _ *rand.Rand) netem.Verdict {
			if p.Len > 1000 {
				if n++; n == lost {
					return netem.Verdict{Drop: "the test's"}
				}
			}
			return netem.Verdict{}
		})
		l := exchange(t, stack.TCPConfig{}, 13_000, rule)
		first := l.segments(data)[0].at
		burst := l.segments(func(s segment) bool { return data(s) && s.at == first })
		require.GreaterOrEqual(t, len(burst), 9, "the initial window left at one instant")
		again := l.segments(func(s segment) bool { return data(s) && s.Retransmit })
		require.Len(t, again, 1, "segment %d was lost", lost)
		require.Equal(t, burst[lost-1].Summary.Seq, again[0].Summary.Seq)
	}
}

// TestNagle: it is on unless TCP_NODELAY is set, as on Linux.
func TestNagle(t *testing.T) {
	for _, nodelay := range []bool{false, true} {
		l := newLab(t, stack.TCPConfig{})
		l.accept(1, drain(t))
		l.client(func(p *sockapi.Proc, fd int) {
			require.NoError(t, p.Setsockopt(fd, sockapi.IPPROTO_TCP, sockapi.TCP_NODELAY, nodelay))
			for range 5 {
				_, err := p.Send(fd, []byte("x"), 0)
				require.NoError(t, err)
			}
			require.NoError(t, p.Close(fd))
		})
		l.run()
		want := 2 // the first byte at once, the others together when it is acknowledged
		if nodelay {
			want = 5
		}
		require.Len(t, l.segments(data), want)
	}
}
