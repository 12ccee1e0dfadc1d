package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/trace/ladder"
	"fivetuple/trace/table"
	"fivetuple/tun"

	"github.com/spf13/cobra"
)

// live is a running `fivetuple up`. Its world belongs to the goroutine of run;
// the device's reader, the ticker that flushes and the file server post to it.
type live struct {
	*upConfig
	world *sim.World
	host  *sim.Host
	tun   tun.Device
	dev   *sim.Device
	lad   *ladder.Ladder
	text  io.Writer

	built liveConfig
	rec   *recorder // nil without --record

	session    string    // its name for others: "ft0"
	complaints io.Writer // standard error
}

// setUp makes device, world and outputs, in this order: without the device,
// captures of an earlier run are left alone.
func (l *live) setUp(cmd *cobra.Command) (err error) {
	l.upConfig.tun.Notice = func(text string) { fmt.Fprintln(l.complaints, "note: "+text) }
	if l.tun, err = tun.Open(l.upConfig.tun); err != nil {
		return usageError{err}
	}
	if err := tun.Configure(l.tun.Name(), l.hostAddrs, nil, l.tun.MTU()); err != nil {
		return usageError{err}
	}
	l.world = sim.New(sim.Config{Seed: l.seed, Epoch: time.Now().UTC()}) // a zone would be this machine's
	var dc sim.DeviceConfig
	if l.upConfig.tun.Mode == tun.Water {
		dc.Write = func(b []byte) error {
			_, err := l.tun.Write(b)
			return err
		}
	} else {
		dc.Port, dc.OffloadUDP = newPort(l.tun), l.tun.OffloadsUDP()
	}
	l.built = liveConfig{Host: l.name, Addrs: l.addrs, HostAddrs: l.hostAddrs, Device: l.tun.Name(), MTU: l.tun.MTU(),
		Port: dc.Port != nil, Offload: l.tun.Offloads(), Ethernet: l.tun.Ethernet(), Congestion: l.congestion, Out: l.netemOut, In: l.netemIn,
		Files: l.files != "", Script: sourceOf(l.script)}
	for _, s := range l.upConfig.serve {
		l.built.Serve = append(l.built.Serve, s.name)
	}
	if l.host, l.dev, err = l.built.build(l.world, dc); err != nil {
		return err
	}
	if err := l.beginRecording(); err != nil {
		return err
	}
	if err := l.askKernel(); err != nil {
		return err
	}
	return l.observe(cmd)
}

// beginRecording makes the file of --record.
func (l *live) beginRecording() error {
	if l.record == "" {
		return nil
	}
	f, err := createRecording(l.out, l.record)
	if err != nil {
		return err
	}
	if l.rec, err = newRecorder(f, l.seed, l.world.Epoch(), l.built); err != nil {
		return err
	}
	l.world.Bus().Attach(l.rec.dig)
	l.world.Record(l.rec.w)
	return nil
}

// endRecording writes how the run ended.
func (l *live) endRecording(reason string) error {
	l.world.Bus().Detach(l.rec.dig)
	l.world.Record(nil)
	return l.rec.end(l.world, reason)
}

// observe attaches the outputs.
func (l *live) observe(cmd *cobra.Command) (err error) {
	title, claim := "up", ""
	if l.script != nil {
		title, claim = l.script.Name, l.script.Claim
	}
	if err := l.out.open(title, l.seed, l.world.Epoch()); err != nil {
		return err
	}
	for _, s := range l.out.sinks {
		l.world.Bus().Attach(s)
	}
	if l.text, err = l.out.ladderWriter(cmd.OutOrStdout()); err != nil || l.text == nil {
		return err
	}
	l.lad = l.out.newLadder(l.text, l.world, title, claim, true, l.built.peer())
	l.world.Bus().Attach(l.lad)
	return nil
}

// run serves until it is told to stop, which is no error, or runs the
// scenario, which has to come to its end.
func (l *live) run(ctx context.Context) error {
	if l.script == nil {
		return l.world.RunPaced(ctx, sim.Forever)
	}
	s := scripted{l.world, l.host, l.world.RunPaced}
	_, err := l.script.Run(ctx, star.Config{Seed: l.seed, World: l.world, Run: s.run, Print: func(line string) {
		fmt.Fprintln(os.Stderr, line)
	}})
	return err
}

// readDevice posts every packet from the device to the world, which does not
// read a device of mode Water itself: one packet a call is what that can do.
func (l *live) readDevice(ctx context.Context) {
	buf := make([]byte, l.tun.Most())
	for {
		n, err := l.tun.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				l.world.Look(ctx, func() { l.world.Fail(err) })
			}
			return
		}
		packet := append([]byte(nil), buf[:n]...)
		if !l.dev.Post(ctx, packet) {
			return
		}
	}
}

// flushOften shows what the writers hold back.
func (l *live) flushOften(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.world.Look(ctx, l.flush)
		}
	}
}

// flush writes what is held back. A writer that failed has reported it to the
// bus, which reports it at the end.
func (l *live) flush() {
	if l.lad != nil {
		_ = l.lad.Flush()
	}
	for _, f := range l.out.live {
		_ = f.Flush()
	}
	if l.rec != nil {
		_ = l.rec.flush()
	}
}

// summary says what happened, and which sockets are left.
func (l *live) summary(w io.Writer) {
	in, out := l.dev.Link().Stats(sim.BA), l.dev.Link().Stats(sim.AB)
	bad := ""
	if n := l.host.Stack().ChecksumErrors(); n > 0 {
		bad = fmt.Sprintf(" (%d malformed or with a bad checksum)", n)
	}
	fmt.Fprintf(w, "\n%s: %d packets in%s, %d out, in %s\n", l.tun.Name(), in.Packets, bad, out.Packets, l.world.Now().Round(time.Millisecond))
	_ = table.SS(w, l.host.Sockets(), table.SSOptions{Processes: true, Header: true}) // standard error has no one to tell
}

// close takes everything down; the device goes with its descriptor.
func (l *live) close() error {
	var sinks, device error
	if l.world != nil {
		l.world.Hangup() // while the device is there to carry it
		sinks = l.world.Bus().Close()
		l.world.Close()
	}
	if l.lad != nil {
		fmt.Fprintf(l.text, "\n%s\n", l.lad.Footer())
	}
	if l.tun != nil {
		device = l.tun.Close()
	}
	l.diag.close()
	return errors.Join(l.out.close(sinks), device)
}
