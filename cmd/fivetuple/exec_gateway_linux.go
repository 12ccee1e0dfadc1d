package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/tun"
	"fivetuple/tun/sockdiag"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// This file is `fivetuple exec --gateway`: a session as `up --gateway` has it,
// whose namespace is that of one program, and which ends with it.

// defineGateway adds the flags that only --gateway has a use for.
func (c *execConfig) defineGateway(f *pflag.FlagSet) {
	u := &c.up
	u.gateway.define(f)
	u.defineNetem(f)
	f.StringArrayVar(&u.addrs, "addr", nil, "with --gateway: the stack's `prefix`, which is the way out (default 10.77.0.2/24 and fd77::2/64)")
	f.StringArrayVar(&u.hostAddrs, "host-addr", nil, "with --gateway: the program's `prefix` (default 10.77.0.1/24 and fd77::1/64)")
	f.IntVar(&u.mtu, "mtu", tun.DefaultMTU, "with --gateway: largest packet in `bytes`")
	f.StringArrayVar(&c.dns, "dns", nil, "with --gateway: `address` of a name server, in the program's /etc/resolv.conf; may be repeated")
	f.StringVar(&u.record, "record", "", "with --gateway: write all inputs to this `file`, for fivetuple replay")
	f.StringVar(&u.control, "control", "", "with --gateway: `name` of the session, for gateway @NAME, link @NAME and so on, or a path\n(default none)")
	c.own = pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"addr", "host-addr", "mtu", "dns", "record", "control", "netem", "delay", "loss", "rate"} {
		c.own.AddFlag(f.Lookup(name))
	}
}

// checkMode tells the two kinds of exec apart: a host's place in a lab, or a
// gateway.
func (c *execConfig) checkMode(cmd *cobra.Command) (err error) {
	if !c.up.gateway.on {
		c.own.VisitAll(func(f *pflag.Flag) {
			if f.Changed && err == nil {
				err = usagef("--%s is for --gateway: the lab of --net says it otherwise", f.Name)
			}
		})
		if err == nil && len(c.up.gateway.publish) > 0 {
			err = usagef("--publish is for --gateway")
		}
		if err == nil {
			_, err = c.up.gateway.config(nil, nil)
		}
		return err
	}
	for _, name := range []string{"net", "as", "with"} {
		if cmd.Flags().Changed(name) {
			return usagef("--gateway and --%s: the program is a host of a lab, or behind a gateway", name)
		}
	}
	for _, a := range c.dns {
		if err := checkServer(a); err != nil {
			return err
		}
	}
	return nil
}

// checkServer checks the address of a name server that the program is to ask.
func checkServer(text string) error {
	a, err := netip.ParseAddr(text)
	example := netip.MustParseAddr("10.77.0.53")
	if a.Is6() {
		example = netip.MustParseAddr("fd77::53")
	}
	switch {
	case err != nil || a.Zone() != "" || a.IsUnspecified():
		return usagef("--dns %q: an address is written 10.77.0.53 or fd77::53", text)
	case a.IsLoopback():
		return usagef("--dns %s: inside, that is the program's own loopback: give the machine's server another address, --gateway-map %s=%s --dns %s", text, netip.AddrPortFrom(example, 53), netip.AddrPortFrom(a, 53), example)
	}
	return nil
}

// behind is the program of a session with --gateway.
type behind struct {
	program
	todo  plan
	said  ready
	fds   []int         // of the device, and of what asks its kernel
	here  *os.File      // says when it may start, and hears why it could not
	over  chan struct{} // closed when status and err are known
	state int
	err   error
}

// runGateway runs the program behind a gateway.
func (c *execConfig) runGateway(cmd *cobra.Command, args []string) (err error) {
	u := &c.up
	u.out, u.diag, u.seed, u.inside = c.out, c.diag, c.seed, true
	u.out.quiet = true
	u.tun, u.device, u.offload, u.congestion, u.wait, u.name = "eth0", "auto", "auto", "cubic", defaultWait, "lab"
	cfg, err := u.check()
	if err != nil {
		return err
	}
	b := &behind{program: program{host: "program", args: args}, over: make(chan struct{})}
	b.todo = plan{Held: true, Args: args}
	if b.todo.Resolv, err = resolvFile(c.dns); err != nil {
		return err
	}
	if b.todo.Resolv != "" {
		defer os.Remove(b.todo.Resolv)
	}
	l := &live{upConfig: cfg, complaints: cmd.ErrOrStderr(), behind: b}
	defer func() { err = errors.Join(err, l.close()) }()
	defer b.leave()
	if err := l.setUp(cmd); err != nil {
		return err
	}
	return l.runBehind(cmd)
}

// runBehind runs the world until the program has ended.
func (l *live) runBehind(cmd *cobra.Command) (err error) {
	ctx, stop := context.WithCancelCause(cmd.Context())
	ended := make(chan struct{})
	s := &liveSession{world: l.world, stop: stop, end: ended, looks: l.diag.follow, peers: l.built.peers(), gate: l.gate, publications: l.publications, kernels: l.kernels}
	defer func() {
		stop(nil)
		close(ended)
		s.answers.Wait()
	}()
	if l.control != "" {
		if l.session, err = s.serveControl(ctx, l.control, l.tun.Name()); err != nil {
			return usageError{err}
		}
	}
	l.world.At(0, func() {}) // as in `up`, which says then that it is ready: a replay has that event
	go l.behind.run(ctx, l, stop)
	l.attendGateway(ctx)
	if l.lad != nil || len(l.out.live) > 0 || l.rec != nil {
		go l.flushOften(ctx)
	}
	go sweepOften(ctx, l.diag.observers...)
	err = l.world.RunPaced(ctx, sim.Forever)
	stop(nil)
	<-l.behind.over
	l.upConfig.diag.end()
	if l.rec != nil {
		err = errors.Join(err, l.endRecording(endReason(ctx, err)))
	}
	if err == nil {
		err = l.behind.err
	}
	if l.behind.state != 0 {
		err = errors.Join(err, programExit{l.behind.state})
	}
	return err
}

// openBehind has the program's namespace made, and its device.
func (l *live) openBehind() error {
	b, cfg := l.behind, l.upConfig.tun
	b.todo.Tun = &planTun{Mode: cfg.Mode, Offload: cfg.Offload}
	b.todo.Diag = true
	b.todo.Interfaces = []planInterface{{Name: cfg.Name, MTU: cfg.MTU, Addrs: l.hostAddrs, Routes: direct(defaultRoutes(l.hostAddrs))}}
	err := b.make()
	if err == nil {
		b.said.Tun.BusyPoll, b.said.Tun.Awake = cfg.BusyPoll, cfg.Awake
		l.tun, err = tun.Adopt(b.fds[0], *b.said.Tun)
	}
	if err != nil {
		return errors.Join(err, programExit{exitNotStarted})
	}
	l.devs = []tun.Device{l.tun}
	return nil
}

// direct are routes that need no router.
func direct(to []netip.Prefix) (out []sim.RealRoute) {
	for _, p := range to {
		out = append(out, sim.RealRoute{Dst: p})
	}
	return out
}

// make makes the namespace, in which the program waits.
func (b *behind) make() (err error) {
	if b.here, err = b.spawn(b.todo); err == nil {
		b.said, b.fds, err = b.receive(b.here, 1)
	}
	return err
}

// kernel is the program's, for ss --linux. It shares the socket that asks for the
// trace: the world's goroutine asks for both.
func (b *behind) kernel(addrs []netip.Prefix) *liveKernel {
	k := &liveKernel{kernelSockets: kernelSockets{name: b.host, addrs: addrs, every: true}}
	if b.conn == nil {
		k.err = errors.New(b.connErr)
		return k
	}
	fd, err := unix.FcntlInt(uintptr(b.fds[1]), unix.F_DUPFD_CLOEXEC, 0)
	if k.err = os.NewSyscallError("fcntl", err); err == nil {
		k.conn = sockdiag.FromFD(fd, b.said.Devices...)
	}
	return k
}

// leave ends the program if it still waits: nobody will tell it to start.
func (b *behind) leave() {
	if b.here != nil {
		b.here.Close()
	}
	b.end()
}

// run lets the program start, waits for its end, and then stops the world.
func (b *behind) run(ctx context.Context, l *live, stop context.CancelCauseFunc) {
	defer close(b.over)
	defer stop(errEnded)
	if b.err = b.release(); b.err != nil {
		b.state = exitNotStarted
		return
	}
	b.state = b.wait(ctx)
	l.drain(ctx)
}

// release lets the program start. The error is why it could not.
func (b *behind) release() error {
	if _, err := b.here.Write([]byte{1}); err != nil {
		return fmt.Errorf("could not be started: %w", err)
	}
	var said ready
	err := json.NewDecoder(b.here).Decode(&said)
	if errors.Is(err, io.EOF) {
		return nil // exec has closed its end
	}
	return errors.Join(err, errors.New(said.Error))
}

// What a program has sent before its end goes out after it.
const (
	drainPoll  = 5 * time.Millisecond
	drainLimit = 2 * time.Second
)

// drain waits until the gateway has passed on what the program had sent when it
// ended.
func (l *live) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	ended := time.Now()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		answer := make(chan bool, 1)
		if !l.world.Look(ctx, func() { answer <- l.gate.Sending() || time.Since(ended) < l.onItsWay() }) {
			return
		}
		select {
		case busy := <-answer:
			if !busy {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// onItsWay is how long a packet of the program's may take to the gateway. The world's
// goroutine asks.
func (l *live) onItsWay() time.Duration {
	in := l.dev.Link().Impairments(sim.BA)
	return in.Delay + 4*in.Jitter
}

// resolvFile writes a resolv.conf(5) with these name servers; "" is none.
func resolvFile(servers []string) (string, error) {
	if len(servers) == 0 {
		return "", nil
	}
	f, err := os.CreateTemp("", "fivetuple-resolv-")
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "nameserver %s\n", strings.Join(servers, "\nnameserver "))
	return f.Name(), errors.Join(err, f.Chmod(0o644), f.Close())
}
