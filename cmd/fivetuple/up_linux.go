package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fivetuple/gateway"
	"fivetuple/scenarios/star"
	"fivetuple/sim/netem"
	"fivetuple/tun"

	"github.com/spf13/cobra"
)

// upFlags is what `fivetuple up` was asked for, as it was typed.
type upFlags struct {
	tun, tap, serve, files, scenario, name, duration, control, record string
	device, offload, congestion, netem, user, netns                   string
	delay, loss, rate                                                 string
	addrs, hostAddrs, also                                            []string
	forward, inside                                                   bool // inside: the namespace is that of exec's program
	mtu                                                               int
	seed                                                              uint64
	gateway                                                           gatewayFlags
	wait                                                              waitFlags
	diag                                                              diag
	out                                                               outputs
}

// upConfig is the same, checked.
type upConfig struct {
	tun              tun.Config
	awake            func() (*tun.Awake, error) // what tun.Awake will be; nil: none
	name, congestion string
	seed             uint64
	addrs, hostAddrs []netip.Prefix
	serve            []service
	files            string          // directory to serve; "": none
	script           *star.Scenario  // nil: serve until told to stop
	duration         time.Duration   // 0: no limit
	control          string          // name or path of the control socket
	record           string          // file of the recording; "": none
	user             *privileges     // whom to become once all is set up; nil: nobody else
	netns            string          // the device's network namespace; "": this one
	also             []alsoDevice    // more devices
	forward          bool            // the stack is a router between them
	gateway          *gateway.Config // nil: none
	netemOut         string          // impairments of the packets to Linux
	netemIn          string          // and of those from it
	diag             *diag
	out              *outputs
}

func upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up --addr PREFIX --host-addr PREFIX",
		Short: "attach the stack to a TUN device, so that curl, ping and nc can talk to it",
		Long: `Make a TUN device with a host of the lab at its other end, and show what happens
there as it happens. Once it is ready, a line that begins with "up:" goes to
standard error. SIGINT, SIGTERM or the end of --duration ends it: the device is
removed, and a summary with the sockets that were open goes to standard error.

With --gateway the stack is the way out of a network namespace: what programs in
it send to any address goes on through sockets of this machine. --publish is the
way in: a port of this machine leads to one in the namespace.

Services for --serve:
` + serviceTable() + `
Exit status: 0 if it was told to stop or the scenario ran to its end, 1 if
something failed, 2 if the command line is wrong or the device cannot be made,
130 (143) if SIGINT (SIGTERM) ended a scenario early.`,
		Example: `  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --serve echo,http
  curl http://10.77.0.2/
  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --files .
  sudo fivetuple up --tun ft0 --addr 10.77.0.2/24 --host-addr 10.77.0.1/24 --scenario client.star
  sudo fivetuple up --gateway --netns lab --netem "delay 40ms"
  sudo ip netns exec lab curl http://192.0.2.5/
  sudo fivetuple up --gateway --netns lab --publish 8080:80`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.check()
			if err != nil {
				return err
			}
			return c.run(cmd)
		},
	}
	f.define(cmd)
	return cmd
}

func (u *upFlags) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.tun, "tun", "", "`name` of the TUN device, made for this run (default \"ft0\")")
	f.StringVar(&u.tap, "tap", "", "`name` of a TAP device, in place of a TUN device: Ethernet frames, ARP and neighbor discovery")
	f.StringArrayVar(&u.addrs, "addr", nil, "address of the stack, as 10.77.0.2/24; may be repeated")
	f.StringArrayVar(&u.also, "also", nil, "another device, `NAME[@NETNS]=ADDR,HOST-ADDR`, as ft1@blue=10.78.0.2/24,10.78.0.1/24; may be repeated")
	f.BoolVar(&u.forward, "forward", false, "pass packets on from one device to another: the stack is a router")
	f.StringArrayVar(&u.hostAddrs, "host-addr", nil, "address of Linux's end of the device, as 10.77.0.1/24; may be repeated")
	f.IntVar(&u.mtu, "mtu", tun.DefaultMTU, "largest packet in `bytes`")
	f.StringVar(&u.device, "device", "auto", "how the device is driven: offload, raw or water; auto is the best that the\nkernel has, in this `mode`'s order")
	f.StringVar(&u.offload, "offload", "auto", "exchange packets of up to 64 KiB with Linux, `on` or off; auto is on while\nnobody looks at packets or impairs them: with -q, and without a file of them")
	u.wait.define(f)
	f.StringVar(&u.congestion, "congestion", "cubic", "congestion control, cubic or `reno`")
	f.StringVar(&u.serve, "serve", "", "built-in `services`, separated by commas")
	f.StringVar(&u.files, "files", "", "serve this `directory` with Go's net/http, on port 80, or 8080 beside the http service")
	f.StringVar(&u.scenario, "scenario", "", "run this `scenario` here: host(\"lab\") is the host with the device")
	f.StringVar(&u.duration, "duration", "", "end by itself after this `time`, as 10s")
	f.StringVar(&u.netns, "netns", "", "put the device into this network namespace: a `name` of ip-netns(8), a process's number, or a path")
	u.gateway.define(f)
	u.defineNetem(f)
	f.StringVar(&u.user, "user", "", "become this `user`, a name or a number, when device and files are open")
	f.StringVar(&u.record, "record", "", "write all inputs to this `file`, for fivetuple replay: what --files sends and what\n--gateway receives from outside is in it")
	f.StringVar(&u.control, "control", "", "`name` of the session, for ss @NAME, trace @NAME and so on (that of the device), or a path")
	f.StringVar(&u.name, "host", "lab", "`name` of the host in the trace")
	f.Uint64Var(&u.seed, "seed", 1, "decides every random choice of the stack")
	u.diag.flag(f)
	u.out.flags(cmd)
}

// check reads the flags. Everything that is wrong with them is found before
// anything is made.
func (u *upFlags) check() (c *upConfig, err error) {
	c = &upConfig{control: u.control, record: u.record, tun: tun.Config{Name: u.tun, MTU: u.mtu}, name: u.name, seed: u.seed, files: u.files, diag: &u.diag, out: &u.out}
	if err := c.out.check(); err != nil {
		return nil, err
	}
	if err := c.diag.check(c.out.observed()); err != nil {
		return nil, err
	}
	if err := u.joinNetem(); err != nil {
		return nil, err
	}
	if err := c.checkDevice(u); err != nil {
		return nil, err
	}
	if u.gateway.on && len(u.addrs)+len(u.hostAddrs) == 0 {
		u.addrs, u.hostAddrs = gatewayAddrs, gatewayHostAddrs
	}
	if c.addrs, err = parsePrefixes("--addr", u.addrs); err != nil {
		return nil, err
	}
	if c.hostAddrs, err = parsePrefixes("--host-addr", u.hostAddrs); err != nil {
		return nil, err
	}
	if err := c.checkAddrs(); err != nil {
		return nil, err
	}
	if err := c.checkAlso(u); err != nil {
		return nil, err
	}
	if err := c.checkGateway(u); err != nil {
		return nil, err
	}
	if err := c.checkName(); err != nil {
		return nil, err
	}
	if c.serve, err = chooseServices(u.serve); err != nil {
		return nil, err
	}
	if err := checkFiles(u.files); err != nil {
		return nil, err
	}
	if c.netemOut, c.netemIn, err = readNetem(u.netem); err != nil {
		return nil, err
	}
	if c.user, err = lookUpUser(u.user); err != nil {
		return nil, err
	}
	if u.duration != "" {
		if c.duration, err = netem.ParseDuration(u.duration); err != nil || c.duration <= 0 {
			return nil, usagef("--duration %q: a duration is written 10s or 500ms, and is more than 0", u.duration)
		}
	}
	if u.scenario != "" {
		if c.script, err = load(u.scenario); err != nil {
			return nil, err
		}
		c.out.protect("the scenario", u.scenario)
	}
	if c.script != nil && c.user != nil && c.out.pcapDir != "" {
		return nil, usagef("--pcap-dir and --user: the files of the scenario's other hosts would be made by %s, who may not: --pcap has all hosts in one file", u.user)
	}
	return c, nil
}

// checkDevice reads how the device is driven.
func (c *upConfig) checkDevice(u *upFlags) error {
	switch {
	case u.tun != "" && u.tap != "":
		return usagef("--tun and --tap: the device is one of the two")
	case u.tap != "":
		c.tun.Name, c.tun.Ethernet = u.tap, true
	case u.tun == "":
		c.tun.Name = "ft0"
	}
	if u.mtu < tun.MinMTU || u.mtu > tun.MaxMTU {
		return usagef("--mtu %d: an MTU is %d to %d bytes", u.mtu, tun.MinMTU, tun.MaxMTU)
	}
	if u.device != "auto" {
		c.tun.Mode = tun.Mode(u.device)
		if !slices.Contains(tun.Modes(), c.tun.Mode) {
			return usagef("--device %q: there are auto, offload, raw and water", u.device)
		}
	}
	if err := u.wait.check(c); err != nil {
		return err
	}
	switch u.offload {
	case "auto":
		c.tun.Offload = !c.out.observed() && u.netem == "" // an impairment is about segments
	case "on":
		c.tun.Offload = true
		if c.tun.Mode == tun.Raw || c.tun.Mode == tun.Water {
			return usagef("--offload on: a device of --device %s has none", u.device)
		}
	case "off":
	default:
		return usagef("--offload %q: there are auto, on and off", u.offload)
	}
	if c.congestion = u.congestion; c.congestion != "cubic" && c.congestion != "reno" {
		return usagef("--congestion %q: there are cubic and reno", u.congestion)
	}
	return nil
}

// run brings everything up, runs it until its end, and takes it down.
func (c *upConfig) run(cmd *cobra.Command) (err error) {
	l := &live{upConfig: c, complaints: cmd.ErrOrStderr()}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.setUp(cmd); err != nil {
		return err
	}
	if err := c.user.become(); err != nil {
		return usageError{err}
	}
	if err := l.built.serve(l.world, l.host); err != nil {
		return err
	}
	ready := func() {
		fmt.Fprintln(cmd.ErrOrStderr(), c.ready(l.tun.Name())+"; session @"+l.session)
		notifyReady(cmd.ErrOrStderr())
	}
	ctx, stop := context.WithCancelCause(cmd.Context())
	ended := make(chan struct{})
	s := &liveSession{world: l.world, stop: stop, end: ended, looks: c.diag.follow, peers: l.built.peers(), kernels: l.kernels}
	if l.gate != nil {
		s.gate, s.publications = l.gate, c.publications
	}
	defer func() {
		stop(nil)
		close(ended)
		s.answers.Wait()
	}()
	if l.session, err = s.serveControl(ctx, c.control, l.tun.Name()); err != nil {
		return usageError{err}
	}
	if c.user != nil { // another user than the one who reads it
		l.session = controlPath(l.session)
	}
	if c.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.duration, errDuration)
		defer cancel()
	}
	if c.files == "" {
		l.world.At(0, ready) // services are bound by then: processes run before the first event
	} else {
		go l.serveFiles(ctx, l.host.Net(filesName), ready)
	}
	if c.tun.Mode == tun.Water {
		go l.readDevice(ctx)
	}
	l.attendGateway(ctx)
	if l.lad != nil || len(l.out.live) > 0 || l.rec != nil {
		go l.flushOften(ctx)
	}
	go sweepOften(ctx, c.diag.observers...)
	err = l.run(ctx)
	c.diag.end()
	if l.rec != nil {
		err = errors.Join(err, l.endRecording(endReason(ctx, err)))
	}
	l.summary(cmd.ErrOrStderr())
	return err
}

// endReason says in a recording why the run ended.
func endReason(ctx context.Context, err error) string {
	if err != nil {
		return err.Error()
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause.Error()
	}
	return "done"
}

// errDuration ends a scenario that takes longer than it may.
var errDuration = errors.New("--duration is over")

// ready is the line that says that packets are answered from now on.
func (c *upConfig) ready(device string) string {
	line := fmt.Sprintf("up: %s on %s, Linux is %s", words(c.addrs), device, words(c.hostAddrs))
	for _, d := range c.also {
		line += fmt.Sprintf("; %s on %s, %s is %s", words(d.addrs), d.name, peerName(d.netns), words(d.hostAddrs))
	}
	if len(c.serve) > 0 {
		var names []string
		for _, s := range c.serve {
			names = append(names, s.name)
		}
		line += "; serving " + strings.Join(names, ", ")
	}
	if c.files != "" {
		line += fmt.Sprintf("; files of %s on port %d", c.files, c.filesPort())
	}
	line += c.gatewayReady()
	if c.script != nil {
		return line + "; running " + c.script.Name
	}
	if c.duration > 0 {
		return line + fmt.Sprintf("; for %s", c.duration)
	}
	return line + "; stop with Ctrl-C"
}

// words writes prefixes with spaces between them.
func words(ps []netip.Prefix) string {
	return strings.Trim(fmt.Sprint(ps), "[]")
}
