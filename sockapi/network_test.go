package sockapi_test

import (
	"context"
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

// twoHosts runs fn on "a", 10.0.0.1, linked to "b", 10.0.0.2, by a link of 10
// ms each way. serve, if not nil, runs on b as a daemon.
func twoHosts(t testing.TB, cfg sim.HostConfig, link sim.LinkConfig, serve func(*sockapi.Proc) error, fn func(*sockapi.Proc)) *collector {
	t.Helper()
	w := sim.New(sim.Config{Seed: 1})
	t.Cleanup(w.Close)
	c := &collector{}
	w.Bus().Attach(c)
	cfg.Name, cfg.Addrs = "a", []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
	a, err := w.AddHost(cfg)
	require.NoError(t, err)
	b, err := w.AddHost(sim.HostConfig{Name: "b", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	require.NoError(t, err)
	if link.Both.Delay == 0 {
		link.Both.Delay = 10 * ms
	}
	_, err = w.Connect(a, b, link)
	require.NoError(t, err)
	if serve != nil {
		b.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, serve)
	}
	a.Spawn("client", func(p *sockapi.Proc) error { fn(p); return nil })
	require.NoError(t, w.Run(context.Background(), sim.UntilQuiet))
	return c
}

var bAddr = netip.MustParseAddrPort("10.0.0.2:80")

// blackHole loses everything in both directions.
var blackHole = sim.LinkConfig{Both: netem.Config{Loss: 1}}

// TestConnectTimeout: the SYN is sent again after 1 s, 2 s, 4 s ...; connect
// fails when the retry after the last allowed one would be due. The number of
// SYNs proves that the limit was kept, the time that it was not a shorter one.
func TestConnectTimeout(t *testing.T) {
	for _, tc := range []struct {
		name        string
		host        uint8
		syncnt      int
		wantSYNs    int
		wantSeconds int
	}{
		{"Linux's default", 0, 0, 7, 127},
		{"the host's setting", 2, 0, 3, 7},
		{"the socket's own", 0, 1, 2, 3},
		{"the socket's beats the host's", 1, 3, 4, 15},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := twoHosts(t, sim.HostConfig{TCP: stack.TCPConfig{SynRetries: tc.host}}, blackHole, nil, func(p *sockapi.Proc) {
				s, err := p.Socket(inet, stream, 0)
				require.NoError(t, err)
				if tc.syncnt > 0 {
					require.NoError(t, p.Setsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_SYNCNT, tc.syncnt))
				}
				requireErrno(t, sockapi.ETIMEDOUT, p.Connect(s, bAddr))
				require.Equal(t, time.Duration(tc.wantSeconds)*time.Second, p.Now())
			})
			syns := 0
			for _, b := range bodies[*trace.Packet](c) {
				if b.Summary.Flags == "S" {
					syns++
				}
			}
			require.Equal(t, tc.wantSYNs, syns)
		})
	}
}

// TestConnectTimeoutNonBlocking: poll says when it is over, SO_ERROR why.
func TestConnectTimeoutNonBlocking(t *testing.T) {
	twoHosts(t, sim.HostConfig{TCP: stack.TCPConfig{SynRetries: 1}}, blackHole, nil, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		s := k.socket(inet, stream|nonblock)
		requireErrno(t, sockapi.EINPROGRESS, p.Connect(s, bAddr))
		requireErrno(t, sockapi.EALREADY, p.Connect(s, bAddr))
		_, err := p.Send(s, []byte("x"), 0)
		requireErrno(t, sockapi.EAGAIN, err)
		k.poll("poll", s)
		n, err := p.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLOUT}}, -1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 3*time.Second, p.Now())
		k.poll("poll", s)
		k.soError(s)
		k.soError(s)
		require.Equal(t, "poll 0; poll POLLIN|POLLOUT|POLLERR|POLLHUP|POLLRDHUP; SO_ERROR ETIMEDOUT; SO_ERROR 0", k.done())
	})
}

// TestConnectStates: the states a non-blocking connect passes through, and
// that SO_SNDTIMEO turns a blocking one into it.
func TestConnectStates(t *testing.T) {
	serve := func(p *sockapi.Proc) error {
		k := &kit{kernel: p, t: t}
		l := k.socket(inet, stream)
		k.must(p.Bind(l, bAddr))
		k.must(p.Listen(l, 9))
		for {
			k.accept(l)
		}
	}
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, serve, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		s := k.socket(inet, stream|nonblock)
		requireErrno(t, sockapi.EINPROGRESS, p.Connect(s, bAddr))
		requireErrno(t, sockapi.EALREADY, p.Connect(s, bAddr))
		p.Sleep(21 * ms) // one round trip, and a little
		require.NoError(t, p.Connect(s, bAddr), "it tells of its success once")
		requireErrno(t, sockapi.EISCONN, p.Connect(s, bAddr))

		s = k.socket(inet, stream)
		k.must(p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_SNDTIMEO, 5*ms))
		start := p.Now()
		requireErrno(t, sockapi.EINPROGRESS, p.Connect(s, bAddr))
		require.Equal(t, 5*ms, p.Now()-start)
		k.must(p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_SNDTIMEO, 0*ms))
		require.NoError(t, p.Connect(s, bAddr), "a second connect waits for the first one's handshake")
		require.Equal(t, 20*ms, p.Now()-start)

		s = k.socket(inet, stream|nonblock)
		requireErrno(t, sockapi.EINPROGRESS, p.Connect(s, bAddr))
		_, err := p.Fcntl(s, sockapi.F_SETFL, 0)
		k.must(err)
		n, err := p.Send(s, []byte("x"), 0)
		require.NoError(t, err, "a blocking send waits for the handshake")
		require.Equal(t, 1, n)
	})
}

func TestUnreachable(t *testing.T) {
	away := netip.MustParseAddrPort("192.0.2.1:80")
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, nil, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		requireErrno(t, sockapi.ENETUNREACH, p.Connect(k.tcp(), away), p.Connect(k.udp(), away))
		_, err := p.Sendto(k.udp(), nil, 0, away)
		requireErrno(t, sockapi.ENETUNREACH, err)
	})
	// On Ethernet, nobody answers the three ARP requests for 10.0.0.9.
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{Ethernet: true}, nil, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		requireErrno(t, sockapi.EHOSTUNREACH, p.Connect(k.tcp(), netip.MustParseAddrPort("10.0.0.9:80")))
		require.Equal(t, 3*time.Second, p.Now())
		u := k.udp()
		_, err := p.Sendto(u, nil, 0, netip.MustParseAddrPort("10.0.0.255:9"))
		requireErrno(t, sockapi.EACCES, err)
		k.must(p.Setsockopt(u, sockapi.SOL_SOCKET, sockapi.SO_BROADCAST, 1))
		_, err = p.Sendto(u, nil, 0, netip.MustParseAddrPort("10.0.0.255:9"))
		require.NoError(t, err, "SO_BROADCAST allows it")
	})
}

// TestReceiveWaits: calls end when they should, to the nanosecond.
func TestReceiveWaits(t *testing.T) {
	serve := func(p *sockapi.Proc) error {
		k := &kit{kernel: p, t: t}
		l := k.socket(inet, stream)
		k.must(p.Bind(l, bAddr))
		k.must(p.Listen(l, 9))
		s := k.accept(l)
		for _, part := range []string{"ab", "cd", "ef"} {
			p.Sleep(100 * ms)
			k.send(s, part)
		}
		return nil
	}
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, serve, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		s := k.tcp()
		k.must(p.Connect(s, bAddr))
		k.must(p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 30*ms))
		start := p.Now()
		_, err := p.Recv(s, 9, 0)
		requireErrno(t, sockapi.EAGAIN, err)
		require.Equal(t, 30*ms, p.Now()-start, "SO_RCVTIMEO")
		n, err := p.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLIN}}, 20*ms)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, 50*ms, p.Now()-start, "poll's timeout")
		n, err = p.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLIN}}, -1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 120*ms, p.Now()-start, "the data: 10 ms for the handshake's end, 100 ms asleep, 10 ms under way")
		k.must(p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 0*ms))
		b, err := p.Recv(s, 6, sockapi.MSG_WAITALL|sockapi.MSG_PEEK)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(b))
		b, err = p.Recv(s, 6, sockapi.MSG_WAITALL)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(b), "MSG_PEEK has left it")
	})
}

// TestLingerWaits: close with SO_LINGER returns when the peer has acknowledged
// everything, one round trip later, or when its time is up.
func TestLingerWaits(t *testing.T) {
	serve := func(p *sockapi.Proc) error {
		k := &kit{kernel: p, t: t}
		l := k.socket(inet, stream)
		k.must(p.Bind(l, bAddr))
		k.must(p.Listen(l, 9))
		for {
			k.accept(l)
		}
	}
	for _, tc := range []struct {
		name  string
		loses bool
		want  time.Duration
	}{
		{"acknowledged", false, 20 * ms},
		{"never acknowledged", true, 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := sim.LinkConfig{RulesAB: []netem.Model{netem.ModelFunc(func(now time.Duration, _ *netem.Packet, _ *rand.Rand) netem.Verdict {
				if tc.loses && now > 20*ms {
					return netem.Verdict{Drop: "after the handshake"}
				}
				return netem.Verdict{}
			})}}
			twoHosts(t, sim.HostConfig{}, cfg, serve, func(p *sockapi.Proc) {
				k := &kit{kernel: p, t: t}
				s := k.tcp()
				k.must(p.Connect(s, bAddr))
				k.must(p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: true, Seconds: 2}))
				p.Sleep(ms)
				start := p.Now()
				k.must(p.Close(s))
				require.Equal(t, tc.want, p.Now()-start)
			})
		})
	}
}
