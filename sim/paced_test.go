package sim_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"
	"fivetuple/tun"

	"github.com/stretchr/testify/require"
)

// live is a world of one host behind a device, with the goroutine that reads
// the device, as cmd has it.
func live(t *testing.T, ctx context.Context, addr string, dev tun.Device) (*lab, *sim.Host) {
	t.Helper()
	l := newLab(t, sim.Config{Seed: 7})
	h := l.host("h", addr)
	d, err := h.AttachDevice(sim.DeviceConfig{Name: dev.Name(), MTU: dev.MTU(), Write: func(p []byte) error {
		_, err := dev.Write(p)
		return err
	}})
	require.NoError(t, err)
	go func() {
		for {
			buf := make([]byte, dev.MTU())
			n, err := dev.Read(buf)
			if err != nil {
				return // the test has closed it
			}
			if !l.Post(ctx, func() { d.Inject(buf[:n]) }) {
				return
			}
		}
	}()
	return l, h
}

// TestTwoPacedWorlds: a client in one world and a server in another, each
// paced by the wall clock in its own goroutine, a device between them. The
// client's world ends when its process does, the server's with its context.
func TestTwoPacedWorlds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left, right := tun.Pipe("ft", 1500, 64)
	defer left.Close()
	defer right.Close()
	client, ch := live(t, ctx, "10.0.0.1/24", left)
	server, sh := live(t, ctx, "10.0.0.2/24", right)
	serve(sh, "echo", echo(t, "10.0.0.2:7"))
	var pings []string
	serve(sh, "udp echo", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
		require.NoError(t, p.Bind(s, bEcho))
		for {
			b, from, err := p.Recvfrom(s, 2000, 0)
			require.NoError(t, err)
			must(t)(p.Sendto(s, b, 0, from))
		}
	})
	ch.Spawn("ping", func(p *sockapi.Proc) error {
		s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
		require.NoError(t, p.Connect(s, bEcho))
		for _, text := range letters(5) {
			must(t)(p.Send(s, []byte(text), 0))
			b, err := p.Recv(s, 2000, 0)
			require.NoError(t, err)
			pings = append(pings, string(b))
		}
		return ask(t, "10.0.0.2:7", "and TCP")(p)
	})
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(t, server.RunPaced(ctx, sim.Forever), "the end of its context is no error") })
	require.NoError(t, client.RunPaced(ctx, sim.UntilQuiet), "it ends with its last process that is no daemon")
	cancel()
	wg.Wait()
	require.Equal(t, letters(5), pings)
	require.NotEmpty(t, server.trace.packets(trace.Sent))
	for _, p := range client.trace.packets(trace.Sent) {
		if p.host == "linux" {
			require.Zero(t, p.cause, "a packet from outside is an input: nothing in this world caused it")
		}
	}
}

// TestPostOrder: what one goroutine posts runs in the order in which it was
// posted, on the goroutine that runs the world, and never before an event
// that was due earlier.
func TestPostOrder(t *testing.T) {
	l := newLab(t, sim.Config{})
	l.host("h")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var order []int // owned by the world: the race detector sees if it is not
	var times []time.Duration
	const n = 1000
	go func() {
		for i := range n {
			l.Post(ctx, func() {
				order = append(order, i)
				times = append(times, l.Now())
				if i == n-1 {
					cancel()
				}
			})
		}
	}()
	require.NoError(t, l.RunPaced(ctx, sim.Forever))
	require.Len(t, order, n)
	for i := range n {
		require.Equal(t, i, order[i])
		require.True(t, i == 0 || times[i] >= times[i-1], "time does not go back")
	}
	for range 100 { // a choice at random would show
		require.False(t, l.Post(ctx, func() {}), "the run has ended")
	}
}

// TestPostedCallsAreSettled: a posted call's packets leave and its processes
// run before the world waits again.
func TestPostedCallsAreSettled(t *testing.T) {
	l, a, b, _ := pair(t, sim.LinkConfig{})
	var got []string
	serve(b, "sink", sink(t, "10.0.0.2:9", &got))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go l.Post(ctx, func() {
		a.Spawn("shoot", func(p *sockapi.Proc) error {
			err := shoot(t, "10.0.0.2:9", 0, "x")(p)
			p.Sleep(ms) // the packet takes a microsecond
			cancel()
			return err
		})
	})
	require.NoError(t, l.RunPaced(ctx, sim.Forever))
	require.Equal(t, []string{"x"}, got)
}

// TestPacedLimit: the world ends at its limit with its clock there, having run
// what was due by then and nothing later.
func TestPacedLimit(t *testing.T) {
	l := newLab(t, sim.Config{})
	var ran []time.Duration
	for _, at := range []time.Duration{ms, 4 * ms, 5*ms + 1, time.Hour} {
		l.At(at, func() { ran = append(ran, l.Now()) })
	}
	require.NoError(t, l.RunPaced(context.Background(), sim.Until(5*ms)))
	require.Equal(t, []time.Duration{ms, 4 * ms}, ran)
	require.Equal(t, 5*ms, l.Now())
	require.NoError(t, l.Run(context.Background(), sim.UntilQuiet), "the rest in virtual time: one world, two drivers")
	require.Equal(t, []time.Duration{ms, 4 * ms, 5*ms + 1, time.Hour}, ran)
}

func TestPacedFailure(t *testing.T) {
	l := newLab(t, sim.Config{})
	l.host("h").Spawn("bad", func(p *sockapi.Proc) error { return p.Close(99) })
	require.ErrorIs(t, l.RunPaced(context.Background(), sim.Forever), sockapi.EBADF)
}

// TestPacedHostWithoutLinks: its addresses are on lo, as in virtual time.
func TestPacedHostWithoutLinks(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("h", "10.0.0.1/24")
	serve(h, "echo", echo(t, "10.0.0.1:7"))
	h.Spawn("ask", ask(t, "10.0.0.1:7", "hello"))
	require.NoError(t, l.RunPaced(context.Background(), sim.UntilQuiet))
}

// TestDeviceWriteFails: the packet is lost, and a warning says so.
func TestDeviceWriteFails(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("h", "10.0.0.1/24")
	_, err := h.AttachDevice(sim.DeviceConfig{Name: "ft0", Write: func([]byte) error { return sockapi.EIO }})
	require.NoError(t, err)
	h.Spawn("shoot", shoot(t, "192.0.2.1:9", 0, "x"))
	l.run()
	var texts []string
	for _, e := range l.trace.events {
		if w, ok := e.Body.(*trace.Warning); ok {
			texts = append(texts, w.Text)
		}
	}
	require.Equal(t, []string{"device ft0: packet lost: input/output error"}, texts)
	require.Equal(t, netip.MustParseAddrPort("192.0.2.1:9"), l.trace.packets(trace.Delivered)[0].Summary.Dst,
		"the device is the default route")
}

// TestRunPacedCancelledEvent: an input cancels the event that is due. The next
// one is an hour away, and must not happen in its place: time would jump.
func TestRunPacedCancelledEvent(t *testing.T) {
	w := sim.New(sim.Config{})
	defer w.Close()
	h, err := w.AddHost(sim.HostConfig{Name: "a"})
	require.NoError(t, err)
	w.At(time.Hour, func() {})
	var p *sockapi.Proc
	require.True(t, w.Post(t.Context(), func() { p.Rouse() }))
	h.Spawn("waits", func(thread *sockapi.Proc) error {
		p = thread
		p.Rest(p.Now()) // due at once
		return nil
	})
	require.NoError(t, w.RunPaced(t.Context(), sim.UntilQuiet))
	require.Less(t, w.Now(), time.Hour)
}
