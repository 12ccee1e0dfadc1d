package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/trace/ladder"
	"fivetuple/trace/table"
	"fivetuple/tun"

	"github.com/spf13/cobra"
)

// upConfig is what `fivetuple up` was asked for.
type upConfig struct {
	tun, serve, scenario, name string
	addrs, hostAddrs           []string
	mtu                        int
	seed                       uint64
	out                        outputs
}

func upCommand() *cobra.Command {
	var c upConfig
	cmd := &cobra.Command{
		Use:   "up --tun NAME --addr PREFIX --host-addr PREFIX",
		Short: "attach the stack to a TUN device, so that curl, ping and nc can talk to it",
		Example: `  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --serve echo,http
  curl http://10.77.0.2/
  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --scenario client.star`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&c.tun, "tun", "ft0", "`name` of the TUN device, made for this run")
	f.StringArrayVar(&c.addrs, "addr", nil, "address of the stack, as 10.77.0.2/24; may be repeated")
	f.StringArrayVar(&c.hostAddrs, "host-addr", nil, "address of Linux's end of the device, as 10.77.0.1/24; may be repeated")
	f.IntVar(&c.mtu, "mtu", tun.DefaultMTU, "largest packet in `bytes`")
	f.StringVar(&c.serve, "serve", "", "built-in `services`, separated by commas: echo, discard, daytime, chargen, http")
	f.StringVar(&c.scenario, "scenario", "", "run this `scenario` here: host(\"lab\") is the host with the device")
	f.StringVar(&c.name, "host", "lab", "`name` of the host in the trace")
	f.Uint64Var(&c.seed, "seed", 1, "decides every random choice of the stack")
	c.out.flags(cmd)
	return cmd
}

// live is a running `fivetuple up`.
type live struct {
	cfg   *upConfig
	world *sim.World
	host  *sim.Host
	tun   tun.Device
	dev   *sim.Device
	lad   *ladder.Ladder
	text  io.Writer
}

func (c *upConfig) run(cmd *cobra.Command) (err error) {
	addrs, err := parsePrefixes("--addr", c.addrs)
	if err != nil {
		return err
	}
	hostAddrs, err := parsePrefixes("--host-addr", c.hostAddrs)
	if err != nil {
		return err
	}
	if len(addrs) == 0 || len(hostAddrs) == 0 {
		return usagef("up needs --addr and --host-addr, as in --addr 10.77.0.2/24 --host-addr 10.77.0.1/24")
	}
	serve, err := chooseServices(c.serve)
	if err != nil {
		return err
	}
	var script *star.Scenario
	if c.scenario != "" {
		if script, err = load(c.scenario); err != nil {
			return err
		}
	}
	l := &live{cfg: c}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.setUp(cmd, addrs, hostAddrs); err != nil {
		return err
	}
	for _, s := range serve {
		s.spawn(l.host)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	go l.readDevice(ctx)
	go l.flushOften(ctx)
	fmt.Fprintf(cmd.ErrOrStderr(), "up: %s on %s, Linux is %s; stop with Ctrl-C\n", c.addrs[0], l.tun.Name(), c.hostAddrs[0])
	if script == nil {
		err = l.world.RunPaced(ctx, sim.Forever)
	} else {
		_, err = script.Run(ctx, star.Config{Seed: c.seed, World: l.world, Run: l.world.RunPaced})
	}
	l.summary(cmd.ErrOrStderr())
	return err
}

// setUp makes device, world and outputs.
func (l *live) setUp(cmd *cobra.Command, addrs, hostAddrs []netip.Prefix) (err error) {
	c := l.cfg
	if l.tun, err = tun.Open(tun.Config{Name: c.tun, MTU: c.mtu}); err != nil {
		return usageError{err}
	}
	if err := tun.Configure(l.tun.Name(), hostAddrs, nil, l.tun.MTU()); err != nil {
		return usageError{err}
	}
	liveEpoch = time.Now()
	l.world = sim.New(sim.Config{Seed: c.seed, Epoch: liveEpoch})
	if l.host, err = l.world.AddHost(sim.HostConfig{Name: c.name, Addrs: addrs}); err != nil {
		return err
	}
	l.dev, err = l.host.AttachDevice(sim.DeviceConfig{Name: l.tun.Name(), MTU: l.tun.MTU(), Write: func(b []byte) error {
		_, err := l.tun.Write(b)
		return err
	}})
	if err != nil {
		return err
	}
	if err := c.out.open("up", c.seed, liveEpoch); err != nil {
		return err
	}
	for _, s := range c.out.sinks {
		l.world.Bus().Attach(s)
	}
	if l.text, err = c.out.ladderWriter(cmd.OutOrStdout()); err != nil || l.text == nil {
		return err
	}
	peer := ladder.Host{Name: "linux"}
	for _, a := range hostAddrs {
		peer.Addrs = append(peer.Addrs, a.Addr())
	}
	l.lad = c.out.newLadder(l.text, l.world, "up", "", true, peer)
	l.world.Bus().Attach(l.lad)
	return nil
}

// readDevice posts every packet from the device to the world.
func (l *live) readDevice(ctx context.Context) {
	buf := make([]byte, l.tun.MTU())
	for {
		n, err := l.tun.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				l.world.Post(ctx, func() { l.world.Fail(fmt.Errorf("read from %s: %w", l.tun.Name(), err)) })
			}
			return
		}
		packet := append([]byte(nil), buf[:n]...)
		if !l.world.Post(ctx, func() { l.dev.Inject(packet) }) {
			return
		}
	}
}

// flushInterval is how long a person waits for a line that is held back.
const flushInterval = 100 * time.Millisecond

// flushOften shows what the writers hold back.
func (l *live) flushOften(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.world.Post(ctx, l.flush)
		}
	}
}

// flush writes what is held back. A writer that failed has reported it to the
// bus, which reports it at the end.
func (l *live) flush() {
	if l.lad != nil {
		_ = l.lad.Flush()
	}
	for _, f := range l.cfg.out.live {
		_ = f.Flush()
	}
}

// summary says what happened, and which sockets are left.
func (l *live) summary(w io.Writer) {
	in, out := l.dev.Link().Stats(sim.BA), l.dev.Link().Stats(sim.AB)
	fmt.Fprintf(w, "\n%s: %d packets in, %d out, in %s\n", l.tun.Name(), in.Packets, out.Packets, l.world.Now().Round(time.Millisecond))
	_ = table.SS(w, l.host.Sockets(), table.SSOptions{Processes: true, Header: true})
}

// close takes everything down; the device goes with its descriptor.
func (l *live) close() error {
	var errs []error
	if l.world != nil {
		l.world.Close()
		errs = append(errs, l.world.Bus().Close())
	}
	if l.lad != nil {
		fmt.Fprintln(l.text, l.lad.Footer())
	}
	errs = append(errs, l.cfg.out.close(nil))
	if l.tun != nil {
		errs = append(errs, l.tun.Close())
	}
	return errors.Join(errs...)
}

// parsePrefixes reads addresses with their prefix lengths.
func parsePrefixes(flag string, args []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, a := range args {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, usagef("%s %q: an address with its prefix length is written 10.77.0.2/24", flag, a)
		}
		out = append(out, p)
	}
	return out, nil
}
