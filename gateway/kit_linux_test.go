package gateway_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// lab is a client in a world whose only way out is a gateway. Its target,
// 192.0.2.5, is a server of the test's on the machine's loopback, through a
// mapping: nothing leaves the machine, and no privilege is needed.
type lab struct {
	t      *testing.T
	w      *sim.World
	client *sim.Host
	gate   *gateway.Gateway
	host   *sim.Host
	link   *sim.Link
	events events
}

// events is what a lab's trace had of what the tests look at.
type events struct {
	marks, warnings, reasons []string
}

// Event implements [trace.Sink].
func (e *events) Event(ev *trace.Event) error {
	switch b := ev.Body.(type) {
	case *trace.Mark:
		e.marks = append(e.marks, b.Text)
	case *trace.Warning:
		e.warnings = append(e.warnings, b.Text)
	case *trace.Packet:
		if b.What == trace.Discarded {
			e.reasons = append(e.reasons, b.Reason)
		}
	}
	return nil
}

// quiet is for tests that carry much: nobody looks at the trace.
func (l *lab) quiet() { l.w.Bus().Detach(&l.events) }

func (e *events) Close() error { return nil }

// target4 and target6 are what a client of the lab connects to.
var target4, target6 = netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("2001:db8::5")

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func newLab(t *testing.T, cfg gateway.Config) *lab {
	t.Helper()
	return newLabIn(t, sim.New(sim.Config{}), cfg, gateway.New)
}

// newLabIn is newLab in a world that exists, with a gateway that open makes.
func newLabIn(t *testing.T, w *sim.World, cfg gateway.Config, open func(gateway.Config) (*gateway.Gateway, error)) *lab {
	t.Helper()
	l := &lab{t: t, w: w}
	t.Cleanup(l.w.Close)
	l.w.Bus().Attach(&l.events)
	var err error
	l.client, err = l.w.AddHost(sim.HostConfig{Name: "client", Addrs: prefixes("10.77.0.1/24", "fd77::1/64")})
	require.NoError(t, err)
	l.host, err = l.w.AddHost(sim.HostConfig{Name: "gate", Gateway: true, Addrs: prefixes("10.77.0.2/24", "fd77::2/64")})
	require.NoError(t, err)
	l.link, err = l.w.Connect(l.client, l.host, sim.LinkConfig{})
	require.NoError(t, err)
	for _, r := range []struct{ dst, via string }{{"0.0.0.0/0", "10.77.0.2"}, {"::/0", "fd77::2"}} {
		require.NoError(t, l.client.AddRoute(netip.MustParsePrefix(r.dst), netip.MustParseAddr(r.via)))
	}
	for _, text := range []string{"192.0.2.5=127.0.0.1", "2001:db8::5=::1"} {
		m, err := gateway.ParseMapping(text)
		require.NoError(t, err)
		cfg.Map = append(cfg.Map, m)
	}
	l.gate, err = open(cfg)
	require.NoError(t, err)
	t.Cleanup(l.gate.Close)
	for _, i := range l.host.Stack().Interfaces() {
		if i.Name() != "lo" {
			require.NoError(t, l.gate.Attach(i))
		}
	}
	l.w.Attend(l.gate)
	l.host.SpawnConfig(sim.SpawnConfig{Name: "gateway", Daemon: true}, l.gate.Serve)
	return l
}

// run runs the world in step with the wall clock until every process that is no
// daemon has ended.
func (l *lab) run() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		l.gate.Feed(ctx, l.w.Ask)
	}()
	err := l.w.RunPaced(l.t.Context(), sim.UntilQuiet)
	cancel()
	<-fed
	require.NoError(l.t, err)
}

// do runs a client, and the world until it and its TCP flows have ended.
func (l *lab) do(f func(p *sockapi.Proc) error) {
	l.t.Helper()
	l.client.Spawn("client", f)
	l.host.Spawn("end", func(p *sockapi.Proc) error {
		tcp := func(f gateway.Flow) bool { return f.Proto == "tcp" }
		for len(l.client.Processes()) > 0 || slices.ContainsFunc(l.gate.Flows(), tcp) {
			p.Sleep(time.Millisecond)
		}
		return nil
	})
	l.run()
}

// listen is a TCP server on loopback, which calls serve for each connection.
func listen(t *testing.T, addr string, serve func(net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// targets are the two families: the target's address, and where it is.
var targets = []struct {
	name, loopback string
	addr           netip.Addr
	family         int
}{
	{"IPv4", "127.0.0.1", target4, sockapi.AF_INET},
	{"IPv6", "::1", target6, sockapi.AF_INET6},
}

// ask has the caller make calls, in virtual time: the world does not move but
// for what they lead to, and for the answers of the machine's sockets.
func (l *lab) ask(c *sim.Caller, f func(p *sockapi.Proc) error) {
	l.t.Helper()
	done := false
	var err error
	c.Do(func(p *sockapi.Proc) {
		err = f(p)
		done = true
	})
	for !done {
		require.NoError(l.t, l.t.Context().Err())
		for l.gate.Ready() {
			l.gate.Take()
		}
		require.NoError(l.t, l.w.Run(l.t.Context(), sim.Until(l.w.Now()+time.Microsecond)))
	}
	require.NoError(l.t, err)
}
