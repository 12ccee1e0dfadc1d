package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/trace/ladder"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// programExit ends fivetuple with the exit status of the program it ran.
type programExit struct{ status int }

func (p programExit) Error() string { return fmt.Sprintf("the program ended with status %d", p.status) }

// execConfig is the command line of `fivetuple exec`.
type execConfig struct {
	net, as string
	with    []string
	seed    uint64
	diag    diag
	out     outputs

	up  upFlags        // of the session that --gateway makes
	dns []string       // its name servers
	own *pflag.FlagSet // what has no use without --gateway
}

func execCommand() *cobra.Command {
	var c execConfig
	cmd := &cobra.Command{
		Use:   "exec {--net LAB [--as HOST] [--with HOST=COMMAND]... | --gateway} -- PROGRAM [ARGUMENT]...",
		Short: "run real programs as hosts of a lab, or one behind a gateway",
		Long: `Run unmodified programs inside a lab: each takes the place of one of its hosts.

The program runs in a network namespace of its own, whose interfaces are the
host's links: what it sends crosses the simulated links, with their delays and
losses, to simulated hosts or to other real programs. Addresses, routes and
/etc/hosts are those of the lab. The world runs by the wall clock, until PROGRAM
ends; then the programs of --with are ended too.

With --gateway there is no lab, and one program: its way out is netstack, which
passes on what it sends to any address, through sockets of this machine, as
"up --gateway" does for a whole namespace. --publish lets connections in.

Without root it needs unprivileged user namespaces, in which the program sees
itself as root. /dev/net/tun must be there.

Exit status: PROGRAM's; 125 if it could not be started; 2 if the command line or
the lab is wrong.`,
		Example: `  fivetuple exec --net ping --as client -- ping -c 3 server
  fivetuple exec --net lab.star --as client --with 'server=python3 -m http.server 80' -- curl http://server/
  fivetuple exec --net lab.star --as client --pcap c.pcapng -- ping -c 3 server
  fivetuple exec --gateway --delay 40ms --loss 1% --ladder l.txt -- curl http://192.0.2.5/
  fivetuple exec --gateway --publish 8080:80 -- python3 -m http.server 80`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("exec: which program? Write it after --, as in `fivetuple exec --net ping --as client -- ping server`")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.checkMode(cmd); err != nil {
				return err
			}
			if c.up.gateway.on {
				return c.runGateway(cmd, args)
			}
			return c.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.net, "net", "", "the lab: a built-in scenario's name, or a .star `file`")
	f.StringVar(&c.as, "as", "client", "the `host` of the lab whose place the program takes")
	f.StringArrayVar(&c.with, "with", nil, "another host and its program, `HOST=COMMAND`, run by sh -c; it may be repeated")
	f.Uint64Var(&c.seed, "seed", 1, "decides what links lose, and other choices")
	c.defineGateway(f)
	c.diag.flag(f)
	c.out.flags(cmd)
	f.Lookup("quiet").Hidden = true // the program has standard output to itself
	f.SetInterspersed(false)
	return cmd
}

// programs reads --as, --with and the arguments: which program runs on which
// host, the main one last.
func (c *execConfig) programs(args []string) ([]*program, error) {
	if c.net == "" || c.as == "" {
		return nil, usagef("exec needs --net LAB, and --as HOST if the host is not called client")
	}
	var out []*program
	for _, w := range c.with {
		host, command, ok := strings.Cut(w, "=")
		if !ok || host == "" || command == "" {
			return nil, usagef("--with %q: write HOST=COMMAND, as in 'server=python3 -m http.server 80'", w)
		}
		out = append(out, &program{host: host, args: []string{"/bin/sh", "-c", "exec " + command}})
	}
	out = append(out, &program{host: c.as, args: args})
	for i, p := range out {
		if slices.ContainsFunc(out[:i], func(o *program) bool { return o.host == p.host }) {
			return nil, usagef("host %s is given two programs: one each", p.host)
		}
	}
	return out, nil
}

// lab is a running `fivetuple exec`.
type lab struct {
	*execConfig
	world    *sim.World
	programs []*program
	started  bool
	status   int
	err      error // why the programs did not run, or the world stopped
	lad      *ladder.Ladder
	text     io.Writer // where the ladder goes; nil: nowhere
}

// errEnded ends the script when the program has.
var errEnded = errors.New("the program has ended")

func (c *execConfig) run(cmd *cobra.Command, args []string) error {
	programs, err := c.programs(args)
	if err != nil {
		return err
	}
	c.out.quiet = true
	if err := c.out.check(); err != nil {
		return err
	}
	if err := c.diag.check(c.out.observed()); err != nil {
		return err
	}
	script, err := load(c.net)
	if err != nil {
		return err
	}
	if isPath(c.net) {
		c.out.protect("the lab", c.net)
	}
	l := &lab{execConfig: c, programs: programs, world: sim.New(sim.Config{Seed: c.seed, Epoch: time.Now()})}
	defer l.world.Close()
	defer c.diag.close()
	if err := c.out.open(script.Name, c.seed, l.world.Epoch()); err != nil {
		return err
	}
	for _, s := range c.out.sinks {
		l.world.Bus().Attach(s)
	}
	runErr := l.play(cmd, script)
	if l.lad != nil {
		_ = l.lad.Flush() // its error is reported when it is closed
		fmt.Fprintf(l.text, "\n%s\n", l.lad.Footer())
	}
	err = errors.Join(runErr, l.err, c.out.close(l.world.Bus().Close()))
	if l.status != 0 && runErr == nil {
		err = errors.Join(err, programExit{l.status})
	}
	return err
}

// play builds the lab and runs the programs in it.
func (l *lab) play(cmd *cobra.Command, script *star.Scenario) error {
	var hosts []string
	for _, p := range l.programs {
		hosts = append(hosts, p.host)
	}
	var err error
	if l.text, err = l.out.ladderWriter(cmd.OutOrStdout()); err != nil {
		return err
	}
	result, err := script.Run(cmd.Context(), star.Config{
		Seed: l.seed, World: l.world, Real: hosts,
		Print: func(line string) { fmt.Fprintln(os.Stderr, "fivetuple: "+line) },
		Run:   func(ctx context.Context, _ sim.Limit) error { return l.live(ctx) },
		Started: func(w *sim.World) {
			if l.text == nil {
				return
			}
			var peers []ladder.Host
			for _, r := range w.RealHosts() {
				peer := ladder.Host{Name: r.Name()}
				for _, a := range r.Addrs() {
					peer.Addrs = append(peer.Addrs, a.Addr())
				}
				peers = append(peers, peer)
			}
			l.lad = l.out.newLadder(l.text, w, script.Name, script.Claim, true, peers...)
			w.Bus().Attach(l.lad)
		},
	})
	switch {
	case errors.Is(err, errEnded):
		return nil
	case err != nil && !result.Ran:
		return usageError{err}
	}
	return err
}

// live starts the programs, and runs the world until the main one ends. Then
// the script ends too: its error is errEnded in any case.
func (l *lab) live(ctx context.Context) error {
	if !l.started {
		l.started = true
		l.err = l.runWorld(ctx)
	}
	return errEnded
}

func (l *lab) runWorld(ctx context.Context) error {
	for _, p := range l.programs {
		i := slices.IndexFunc(l.world.RealHosts(), func(r *sim.RealHost) bool { return r.Name() == p.host })
		if i < 0 {
			return usagef("the lab %s has no host %q%s", l.net, p.host, hostHint(l.world, p.host))
		}
		p.world, p.real = l.world, l.world.RealHosts()[i]
		if len(p.real.Interfaces()) == 0 {
			return usagef("host %s has no link: a program there would reach nobody", p.host)
		}
		cfg := p.real.Config()
		var err error
		if p.settings, err = settingsOf(&cfg); err != nil {
			return err
		}
	}
	names, err := hostsFile(l.world)
	if err != nil {
		return err
	}
	defer os.Remove(names)
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- l.runPrograms(running, stop, names) }()
	err = l.world.RunPaced(running, sim.Forever)
	stop(nil)
	if startErr := <-done; startErr != nil {
		return startErr
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// runPrograms starts the programs, one after the other, waits for the last one,
// and ends the others.
func (l *lab) runPrograms(ctx context.Context, stop context.CancelCauseFunc, names string) error {
	defer stop(nil)
	defer func() {
		for _, p := range l.programs {
			p.end()
		}
	}()
	for i, p := range l.programs {
		if err := p.start(ctx, names, l.diag.wantedNow()); err != nil {
			if ctx.Err() != nil {
				return nil // the world has ended meanwhile, and says why
			}
			l.status = exitNotStarted
			return fmt.Errorf("host %s: %w", p.host, err)
		}
		if err := l.askKernelOf(ctx, p); err != nil {
			l.status = exitNotStarted
			return fmt.Errorf("host %s: %w", p.host, err)
		}
		if i < len(l.programs)-1 {
			p.waitUntilServing(ctx)
		}
	}
	l.status = l.programs[len(l.programs)-1].wait(ctx)
	return nil
}
