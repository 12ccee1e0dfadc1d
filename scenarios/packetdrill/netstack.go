package packetdrill

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"
)

// netstack is the target that runs in virtual time: a world with one host.
type netstack struct {
	r    *runner
	cfg  Config
	sent func(Sent)
	ctx  context.Context

	w   *sim.World
	box *sim.Host
	dev *sim.Device
	app *sim.Caller
}

// Open keeps what Run needs: the host is built when its sysctls are known.
func (t *netstack) Open(ctx context.Context, _ *Settings, sent func(Sent)) error {
	t.ctx, t.sent = ctx, sent
	return nil
}

// start builds the world: a host, and a link whose other end is the script.
func (t *netstack) start() error {
	cfg, set := &t.cfg, &t.r.set
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = 1_000_000
	}
	w := sim.New(sim.Config{Seed: cfg.Seed, MaxEvents: cfg.MaxEvents})
	t.w = w
	for _, s := range cfg.Sinks {
		w.Bus().Attach(s)
	}
	bits := 16
	if set.LocalIP.Is6() {
		bits = 64
	}
	h, err := w.AddHost(sim.HostConfig{Name: HostName, Addrs: []netip.Prefix{netip.PrefixFrom(set.LocalIP, bits)}, TCP: t.r.host.tcp})
	mtu := set.MTU
	if set.allows("sack-room") {
		mtu += mtuRoom
	}
	if err == nil {
		t.dev, err = h.AttachDevice(sim.DeviceConfig{Name: "tun0", Peer: PeerName, MTU: mtu, Write: t.observe})
	}
	if err != nil {
		return err
	}
	t.box, t.app = h, h.SpawnCaller("app")
	if cfg.Started != nil {
		cfg.Started(w, set.RemoteIP)
	}
	return nil
}

func (t *netstack) observe(packet []byte) error {
	t.sent(Sent{At: t.w.Now(), Bytes: append([]byte(nil), packet...)})
	return nil
}

func (t *netstack) Command(l ShellLine, first bool) (string, *Problem) {
	return "", t.r.guard(func() { t.r.shell(l, first) })
}

func (t *netstack) Now() time.Duration {
	if t.w == nil {
		return 0
	}
	return t.w.Now()
}

// Run jumps from event to event. Timers of an instant come before what the
// script does at it.
func (t *netstack) Run(until time.Duration, done func() bool) (bool, error) {
	if t.w == nil {
		if err := t.start(); err != nil {
			return false, err
		}
	}
	if done == nil {
		return false, t.advance(max(until, t.w.Now()))
	}
	for !done() {
		next, ok := t.w.NextEvent()
		if !ok || next > until {
			return false, nil
		}
		if err := t.advance(next); err != nil {
			return false, err
		}
	}
	return true, nil
}

// advance runs the world up to and including the events of a time: event by
// event while there are streams, so that what is played of them happens at the
// instant of its cause.
func (t *netstack) advance(until time.Duration) error {
	for len(t.r.emu) > 0 {
		next, ok := t.w.NextEvent()
		if !ok || next > until {
			break
		}
		if err := t.step(next); err != nil {
			return err
		}
		t.r.settle()
	}
	err := t.step(until)
	if err == nil && t.r.settle() {
		err = t.step(until)
	}
	return err
}

func (t *netstack) step(until time.Duration) error { return t.w.Run(t.ctx, sim.Until(until)) }

// queued is the number of bytes that a socket keeps until they are
// acknowledged; none of a connection that is over.
func (t *netstack) queued(fd int) int {
	for _, s := range t.box.Sockets() {
		for _, o := range s.Holders {
			if o.HasFD && o.FD == fd && s.State != trace.Closed {
				return s.SendQ
			}
		}
	}
	return 0
}

func (t *netstack) Inject(packet []byte) error {
	t.dev.Inject(packet)
	return nil
}

func (t *netstack) Do(call func(Sockets), _ bool, returned func(at time.Duration)) {
	t.app.Do(func(p *sockapi.Proc) {
		call(p)
		returned(t.w.Now())
	})
}

// Lacks is true: what the runner asks about is what netstack does not have.
func (t *netstack) Lacks(string) bool { return true }

// quiet says what the host is waiting for.
func (t *netstack) quiet() string {
	next, ok := t.w.NextEvent()
	if !ok {
		return "no timer is armed"
	}
	return fmt.Sprintf("the next timer is due at %s", formatSeconds(next))
}

// bounded reports whether an error says that the world has had too many events.
func bounded(err error) bool { return errors.Is(err, sim.ErrMaxEvents) }
