package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"fivetuple/sim"
	"fivetuple/tun"
	"fivetuple/tun/sockdiag"

	"github.com/spf13/pflag"
)

// diag is --diag: whether the kernel's own view of connections is merged into the
// trace, and the observers that do it.
type diag struct {
	mode      string
	observed  bool // an output of this run looks
	followers int  // so many `fivetuple trace` do
	over      bool
	observers []*sim.Observer
	conns     []*sockdiag.Conn
}

func (d *diag) flag(f *pflag.FlagSet) {
	f.StringVar(&d.mode, "diag", "auto", "merge the kernel's own state of each connection into the trace, `on` or off; auto\nis on while somebody looks at the trace")
}

func (d *diag) check(observed bool) error {
	d.observed = observed
	switch d.mode {
	case "auto", "on", "off":
		return nil
	}
	return usagef("--diag %q: there are auto, on and off", d.mode)
}

// wantedNow reports whether somebody looks from the start.
func (d *diag) wantedNow() bool { return d.mode == "on" || d.mode == "auto" && d.observed }

// wanted reports whether somebody may ever look.
func (d *diag) wanted() bool { return d.mode != "off" }

// add makes an observer that asks conn. The world's goroutine calls it.
func (d *diag) add(w *sim.World, host string, conn *sockdiag.Conn) *sim.Observer {
	o := w.Observe(host, conn)
	d.observers, d.conns = append(d.observers, o), append(d.conns, conn)
	d.turn()
	return o
}

// turn turns the observers on or off.
func (d *diag) turn() {
	on := !d.over && (d.mode == "on" || d.mode == "auto" && (d.observed || d.followers > 0))
	for _, o := range d.observers {
		o.Turn(on)
	}
}

// follow notes that so many more look at the trace.
func (d *diag) follow(more int) {
	d.followers += more
	d.turn()
}

// end turns the observers off for good: a recording ends here.
func (d *diag) end() {
	d.over = true
	d.turn()
}

func (d *diag) close() {
	for _, c := range d.conns {
		_ = c.Close() // it was read from; nothing is lost
	}
}

// sweepInterval is how late a change is seen that no packet comes with.
const sweepInterval = 500 * time.Millisecond

// sweepOften lets the observers look at the connections that rest.
func sweepOften(ctx context.Context, observers ...*sim.Observer) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, o := range observers {
				o.Sweep(ctx)
			}
		}
	}
}

// askKernel lets the states of the kernel behind a device into the trace of
// `fivetuple up`.
func (l *live) askKernel(device tun.Device, d *sim.Device) error {
	conn, err := openDiag(device.Name())
	return l.observeBy(conn, err, d)
}

// askKernelBehind is the same for the program of exec --gateway.
func (l *live) askKernelBehind() error {
	var err error
	if l.behind.conn == nil {
		err = errors.New(l.behind.connErr)
	}
	return l.observeBy(l.behind.conn, err, l.dev)
}

// observeBy has conn asked about the device's connections, unless there is err.
func (l *live) observeBy(conn *sockdiag.Conn, err error, d *sim.Device) error {
	if err != nil {
		if l.diag.mode == "on" {
			return usagef("--diag on: %w", err)
		}
		if l.diag.observed {
			fmt.Fprintf(l.complaints, "note: Linux's states are not in the trace: %v\n", err)
		}
		return nil
	}
	d.ObserveBy(l.diag.add(l.world, d.Peer(), conn))
	return nil
}

// askKernelOf lets the states of a program's kernel into the trace.
func (l *lab) askKernelOf(ctx context.Context, p *program) error {
	if p.conn == nil {
		switch {
		case p.connErr == "":
		case l.diag.mode == "on":
			return fmt.Errorf("--diag on: %s", p.connErr)
		default:
			fmt.Fprintf(os.Stderr, "fivetuple: note: the states of %s's kernel are not in the trace: %s\n", p.host, p.connErr)
		}
		return nil
	}
	made := make(chan *sim.Observer, 1)
	looked := l.world.Look(ctx, func() {
		o := l.diag.add(l.world, p.host, p.conn)
		for _, d := range p.devices {
			d.ObserveBy(o)
		}
		made <- o
	})
	if looked {
		go sweepOften(ctx, <-made)
	}
	return nil
}

// openDiag asks about connections that cross a device of this namespace.
func openDiag(device string) (*sockdiag.Conn, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	return sockdiag.Open(i.Index)
}
