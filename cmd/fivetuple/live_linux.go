package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fivetuple/gateway"
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
	tun   tun.Device // the first of devs
	dev   *sim.Device

	devs    []tun.Device
	simDevs []*sim.Device // of devs
	lad     *ladder.Ladder
	text    io.Writer

	built liveConfig
	rec   *recorder        // nil without --record
	gate  *gateway.Gateway // nil without --gateway

	behind  *behind     // the program of exec --gateway; nil: none
	kernels liveKernels // for ss --linux

	session    string    // its name for others: "ft0"
	complaints io.Writer // standard error
}

// setUp makes device, world and outputs, in this order: without the device,
// captures of an earlier run are left alone.
func (l *live) setUp(cmd *cobra.Command) (err error) {
	l.upConfig.tun.Notice = func(text string) { fmt.Fprintln(l.complaints, "note: "+text) }
	if err := l.keepAwake(); err != nil {
		return usageError{err}
	}
	if err := l.openDevice(); err != nil {
		return usageError{err}
	}
	if err := l.openAlso(); err != nil {
		return usageError{err}
	}
	l.world = sim.New(sim.Config{Seed: l.seed, Epoch: time.Now().UTC()}) // a zone would be this machine's
	dc := sim.DeviceConfig{Lost: l.tellLosses()}
	if l.upConfig.tun.Mode == tun.Water {
		dc.Write = func(b []byte) error {
			_, err := l.tun.Write(b)
			return err
		}
	} else {
		dc.Port, dc.OffloadUDP = newPort(l.devs), l.tun.OffloadsUDP()
	}
	l.built = liveConfig{Host: l.name, Addrs: l.addrs, HostAddrs: l.hostAddrs, Device: l.tun.Name(), MTU: l.tun.MTU(),
		Port: dc.Port != nil, Offload: l.tun.Offloads(), Ethernet: l.tun.Ethernet(), Congestion: l.congestion,
		Out: l.netemOut, In: l.netemIn, Gateway: l.gateway, Forward: l.forward,
		Files: l.files != "", Script: sourceOf(l.script)}
	for i, a := range l.upConfig.also {
		l.built.Also = append(l.built.Also, liveDevice{Device: l.devs[i+1].Name(), Peer: peerName(a.netns), Addrs: a.addrs,
			HostAddrs: a.hostAddrs, Offload: l.devs[i+1].Offloads()})
		l.built.Peer = peerName(l.netns)
	}
	if l.behind != nil {
		l.built.Peer = l.behind.host
	}
	for _, s := range l.upConfig.serve {
		l.built.Serve = append(l.built.Serve, s.name)
	}
	if l.host, l.simDevs, err = l.built.build(l.world, dc); err != nil {
		return err
	}
	l.dev = l.simDevs[0]
	if err := l.beginRecording(); err != nil {
		return err
	}
	if err := l.askKernels(); err != nil {
		return err
	}
	if err := l.openKernels(); err != nil {
		return err
	}
	if err := l.observe(cmd); err != nil || l.gateway == nil {
		return err
	}
	return l.startGateway()
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
	switch {
	case l.script != nil:
		title, claim = l.script.Name, l.script.Claim
	case l.behind != nil:
		title = "exec"
	}
	if err := l.out.open(title, l.seed, l.world.Epoch()); err != nil {
		return err
	}
	if l.user != nil { // who may not create files later
		if err := l.out.createCaptures(append(l.built.peers(), ladder.Host{Name: l.name})); err != nil {
			return err
		}
	}
	for _, s := range l.out.sinks {
		l.world.Bus().Attach(s)
	}
	if l.text, err = l.out.ladderWriter(cmd.OutOrStdout()); err != nil || l.text == nil {
		return err
	}
	l.lad = l.out.newLadder(l.text, l.world, title, claim, true, l.built.peers()...)
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
	buf, tell := make([]byte, l.tun.Most()), l.tellLosses()
	for {
		n, err := l.tun.Read(buf)
		if errors.Is(err, tun.ErrTooLong) { // somebody has raised the MTU of Linux's end
			tell(1, err)
			continue
		}
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

// lossInterval is how often a person is told of the same losses.
const lossInterval = 10 * time.Second

// tellLosses says on standard error that a device does not take packets, and why.
func (l *live) tellLosses() func(int, error) {
	said := make(map[string]time.Time)
	return func(_ int, err error) {
		text := err.Error()
		if last, ok := said[text]; ok && time.Since(last) < lossInterval {
			return
		}
		said[text] = time.Now()
		fmt.Fprintf(l.complaints, "note: packets are lost: %s\n", text)
	}
}

// refused is how the summary counts packets that a device did not take.
func refused(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d lost: the device did not take them)", n)
}

// summary says what happened, and which sockets are left.
func (l *live) summary(w io.Writer) {
	bad := ""
	if n := l.host.Stack().ChecksumErrors(); n > 0 {
		bad = fmt.Sprintf(" (%d malformed or with a bad checksum)", n)
	}
	fmt.Fprintln(w)
	for i, d := range l.simDevs {
		in, out := d.Link().Stats(sim.BA), d.Link().Stats(sim.AB)
		fmt.Fprintf(w, "%s: %d packets in%s, %d out%s, in %s\n", l.devs[i].Name(), in.Packets, bad, out.Packets, refused(d.Lost()), time.Since(l.world.Epoch()).Round(time.Millisecond))
		bad = "" // it is the host's
	}
	if l.gate != nil {
		fmt.Fprintln(w, gatewayCounts(l.gate))
	}
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
	if l.gate != nil {
		l.gate.Close()
	}
	if l.lad != nil {
		fmt.Fprintf(l.text, "\n%s\n", l.lad.Footer())
	}
	device = l.closeDevices()
	l.diag.close()
	l.kernels.close()
	return errors.Join(l.out.close(sinks), device)
}
