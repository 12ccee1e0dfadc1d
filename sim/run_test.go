package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// conversation is a world with a little of everything: a handshake, a loss,
// a retransmission, a close.
func conversation(t testing.TB) *lab {
	t.Helper()
	cfg := delay(10 * ms)
	ab := cfg.Both
	ab.DropNth = []uint64{3} // the first data segment
	cfg.AB = &ab
	l, a, b, _ := pair(t, cfg)
	serve(b, "echo", echo(t, "10.0.0.2:7"))
	a.Spawn("ask", ask(t, "10.0.0.2:7", "hello"))
	return l
}

// TestSteps: run at once, step by step, or in slices of any size, a world has
// the same events.
func TestSteps(t *testing.T) {
	whole := conversation(t)
	whole.run()
	want := whole.trace.jsonl(t)
	require.Greater(t, len(whole.trace.events), 40)

	t.Run("step by step", func(t *testing.T) {
		l := conversation(t)
		require.NoError(t, l.Run(context.Background(), sim.Until(0)))
		for l.Step() {
		}
		require.Equal(t, want, l.trace.jsonl(t))
		require.Equal(t, whole.Events(), l.Events())
	})
	for _, slice := range []time.Duration{time.Nanosecond * 999_999, 10 * ms, 7 * time.Second} {
		t.Run("slices of "+slice.String(), func(t *testing.T) {
			l := conversation(t)
			for at := time.Duration(0); at <= whole.Now(); at += slice {
				require.NoError(t, l.Run(context.Background(), sim.Until(at)))
				require.Equal(t, at, l.Now(), "Until moves the clock, whether or not something is due")
			}
			l.run()
			require.Equal(t, want, l.trace.jsonl(t))
		})
	}
}

func TestUntilIncludesItsInstant(t *testing.T) {
	l := newLab(t, sim.Config{})
	var ran []time.Duration
	for _, at := range []time.Duration{5 * ms, 5*ms + 1} {
		l.At(at, func() { ran = append(ran, l.Now()) })
	}
	require.NoError(t, l.Run(context.Background(), sim.Until(5*ms)))
	require.Equal(t, []time.Duration{5 * ms}, ran)
	l.At(ms, func() { ran = append(ran, l.Now()) })
	l.run()
	require.Equal(t, []time.Duration{5 * ms, 5 * ms, 5*ms + 1}, ran, "a time that has passed means now")
	require.False(t, l.Step())
}

func TestMaxEvents(t *testing.T) {
	l := newLab(t, sim.Config{MaxEvents: 100})
	l.host("a").Spawn("busy", func(p *sockapi.Proc) error {
		for {
			p.Sleep(ms)
		}
	})
	err := l.Run(context.Background(), sim.UntilQuiet)
	require.ErrorIs(t, err, sim.ErrMaxEvents)
	require.EqualError(t, err, "the world does not become quiet: stopped after 100 events at 100ms")
}

// TestCancel: a run that would never end ends with its context, and with the
// context's cause.
func TestCancel(t *testing.T) {
	l := newLab(t, sim.Config{})
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	l.host("a").Spawn("busy", func(p *sockapi.Proc) error {
		for {
			if p.Sleep(ms); p.Now() == time.Second {
				cancel(why)
			}
		}
	})
	require.ErrorIs(t, l.Run(ctx, sim.UntilQuiet), why)
	require.Less(t, l.Now(), 10*time.Second, "the context is looked at every 4096 events, one a millisecond here")
}

func TestFailureEndsTheRun(t *testing.T) {
	l := newLab(t, sim.Config{})
	h := l.host("a")
	after := false
	h.Spawn("bad", func(p *sockapi.Proc) error {
		p.Sleep(ms)
		_, err := p.Socket(99, 1, 0)
		return err
	})
	h.Spawn("late", func(p *sockapi.Proc) error {
		p.Sleep(time.Hour)
		after = true
		return nil
	})
	err := l.Run(context.Background(), sim.UntilQuiet)
	require.EqualError(t, err, "bad on a: socket(99, SOCK_STREAM): address family not supported by protocol (EAFNOSUPPORT)")
	require.ErrorIs(t, err, sockapi.EAFNOSUPPORT)
	require.False(t, after)
	require.Equal(t, ms, l.Now())
}

func TestWorldConfig(t *testing.T) {
	l := newLab(t, sim.Config{})
	a := l.host("a", "10.0.0.1/24")
	for _, tc := range []struct {
		name string
		do   func() error
		want string
	}{
		{"no name", func() error { _, err := l.AddHost(sim.HostConfig{}); return err }, "a host needs a name"},
		{"a name twice", func() error { _, err := l.AddHost(sim.HostConfig{Name: "a"}); return err }, `host "a" exists already: names are unique`},
		{"a link to itself", func() error { _, err := l.Connect(a, a, sim.LinkConfig{}); return err }, "host a: a link needs two hosts; for one, there is lo"},
		{"no way to the gateway", func() error { return a.AddRoute(prefixes("0.0.0.0/0")[0], prefixes("10.0.0.9/32")[0].Addr()) },
			"host a: no link leads to the gateway 10.0.0.9"},
		{"a device that cannot write", func() error { _, err := a.AttachDevice(sim.DeviceConfig{Name: "ft0"}); return err }, "device ft0: DeviceConfig.Write is required, or Port"},
	} {
		t.Run(tc.name, func(t *testing.T) { require.EqualError(t, tc.do(), tc.want) })
	}
	require.Len(t, l.Hosts(), 1, "what failed has left nothing behind")
	require.Empty(t, l.Links())
}
