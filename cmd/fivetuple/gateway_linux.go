package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"fivetuple/gateway"
	"fivetuple/tun"

	"github.com/spf13/pflag"
)

// gatewayFlags is what a gateway was asked for, as it was typed.
type gatewayFlags struct {
	on      bool
	maps    []string
	publish []string
	flows   int
}

func (g *gatewayFlags) define(f *pflag.FlagSet) {
	f.BoolVar(&g.on, "gateway", false, "pass TCP, UDP and pings for any address on, through sockets of this machine")
	f.StringArrayVar(&g.maps, "gateway-map", nil, "send what is for one address to another, `INSIDE=OUTSIDE`, as 10.77.0.3=127.0.0.1 or\n10.77.0.3:53=127.0.0.53:53; may be repeated. Loopback is reached in no other way")
	f.StringArrayVar(&g.publish, "publish", nil, "let connections in: `SPEC` is [HOST-ADDR:]PORT[-PORT]:[ADDR:]PORT[/udp], as 8080:80 or\n0.0.0.0:8080:10.77.0.1:80; may be repeated. HOST-ADDR is 127.0.0.1 if it is left out,\nADDR the first --host-addr of that version")
	f.IntVar(&g.flows, "gateway-flows", gateway.DefaultMaxFlows, "most `flows` at a time")
}

// config checks the flags; own are the addresses that the stack itself has, inside
// those at the other ends of its devices.
func (g *gatewayFlags) config(own, inside []netip.Prefix) (*gateway.Config, error) {
	if !g.on {
		if len(g.maps) > 0 || g.flows != gateway.DefaultMaxFlows {
			return nil, usagef("--gateway-map and --gateway-flows are for --gateway")
		}
		return nil, nil
	}
	if g.flows < 1 {
		return nil, usagef("--gateway-flows %d: at least 1", g.flows)
	}
	c := &gateway.Config{MaxFlows: g.flows}
	for _, text := range g.maps {
		m, err := gateway.ParseMapping(text)
		if err == nil {
			err = reachable(m, c.Map, own, inside)
		}
		if err != nil {
			return nil, usagef("--gateway-map %w", err)
		}
		c.Map = append(c.Map, m)
	}
	return c, nil
}

// reachable refuses a mapping that nothing sent inside would come to; before are those
// that are asked first.
func reachable(m gateway.Mapping, before []gateway.Mapping, own, inside []netip.Prefix) error {
	to := m.Inside.Addr()
	i := slices.IndexFunc(before, func(o gateway.Mapping) bool { return o.Takes(m) })
	switch {
	case slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Addr() == to }):
		return fmt.Errorf("%s: %s is the stack's own address: choose another one, as %s", m, to, to.Next())
	case slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Addr() == to }):
		return fmt.Errorf("%s: %s is the inside's own address, so nothing for it comes out: choose one that nobody has", m, to)
	case !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Addr().Is4() == to.Is4() }):
		return fmt.Errorf("%s: the inside has no %s address, so it sends nothing to %s: add a --host-addr and an --addr", m, version(to), to)
	case i >= 0 && before[i].Inside == m.Inside:
		return fmt.Errorf("%s: %s says otherwise; write one of them", m, before[i])
	case i >= 0:
		return fmt.Errorf("%s: %s, which is before it, takes all of it: write this one first", m, before[i])
	}
	return nil
}

// gatewayAddrs are the addresses of a session with a gateway that was given
// none.
var gatewayAddrs, gatewayHostAddrs = []string{"10.77.0.2/24", "fd77::2/64"}, []string{"10.77.0.1/24", "fd77::1/64"}

// startGateway makes the gateway of --gateway.
func (l *live) startGateway() (err error) {
	if l.rec != nil {
		l.gate, err = gateway.NewRecorded(*l.gateway, l.world)
	} else {
		l.gate, err = gateway.New(*l.gateway)
	}
	if err != nil {
		return err
	}
	l.gate.Notice(func(text string) { fmt.Fprintln(l.complaints, "note: "+text) })
	return serveGateway(l.world, l.host, l.gate)
}

// attendGateway makes the world hear of the gateway's sockets: through the
// device's wait, or in a goroutine until ctx is done.
func (l *live) attendGateway(ctx context.Context) {
	if l.gate == nil {
		return
	}
	if d, ok := l.tun.(interface{ AlsoAwait(fd int) }); ok && l.built.Port {
		d.AlsoAwait(l.gate.FD())
		return
	}
	go l.gate.Feed(ctx, l.world.Ask)
}

// defaultRoutes are the routes of a device behind which everything is.
func defaultRoutes(addrs []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		p := netip.MustParsePrefix(all)
		if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is4() == p.Addr().Is4() }) {
			out = append(out, p)
		}
	}
	return out
}

// openDevice makes the device and configures Linux's end of it, in the namespace
// of --netns if there is one.
func (l *live) openDevice() error {
	if l.behind != nil {
		return l.openBehind()
	}
	if l.netns == "" {
		return l.openDeviceHere(l.routesOf(&alsoDevice{hostAddrs: l.hostAddrs}))
	}
	var routes []netip.Prefix
	if l.gateway != nil || l.forward {
		routes = defaultRoutes(l.hostAddrs)
	}
	return inNamed(l.netns, func() error { return l.openDeviceHere(routes) })
}

func (l *live) openDeviceHere(routes []netip.Prefix) (err error) {
	if l.tun, err = tun.Open(l.upConfig.tun); err != nil {
		return err
	}
	l.devs = []tun.Device{l.tun}
	if l.netns != "" {
		quieten(planInterface{Name: l.tun.Name(), Addrs: l.hostAddrs})
	}
	return tun.Configure(l.tun.Name(), l.hostAddrs, routes, l.tun.MTU())
}

// checkGateway reads --gateway, --netns and what goes with them.
func (c *upConfig) checkGateway(u *upFlags) (err error) {
	c.netns = u.netns
	if c.gateway, err = u.gateway.config(c.allAddrs()); err != nil {
		return err
	}
	if err := c.checkPublish(u); err != nil || c.gateway == nil {
		return err
	}
	switch {
	case u.tap != "":
		return usagef("--gateway and --tap: netstack takes packets for all addresses at a TUN device alone: write --tun %s", u.tap)
	case u.forward:
		return usagef("--gateway and --forward: a gateway sends from this machine what is for other addresses, those behind other devices among them: leave one of the two out")
	case u.netns == "" && !u.inside:
		return usagef("--gateway needs --netns NAME, the network namespace whose programs it serves: `ip netns add NAME` makes one. In the machine's own, the gateway's sockets would come back to it")
	case isOwnNamespace(u.netns):
		return usagef("--gateway --netns %s: fivetuple is in that namespace itself, so the gateway's sockets would come back to it: name another one; `ip netns add NAME` makes it", u.netns)
	}
	return nil
}

// isOwnNamespace reports whether this process is in the network namespace that
// --netns names. One that there is not is for the device's making to report.
func isOwnNamespace(netns string) bool {
	if netns == "" {
		return false
	}
	named, err := os.Stat(tun.NamespacePath(netns))
	own, ownErr := os.Stat("/proc/self/ns/net")
	return err == nil && ownErr == nil && os.SameFile(named, own)
}

// allAddrs are the addresses of the stack, and those at the other ends of its
// devices.
func (c *upConfig) allAddrs() (own, inside []netip.Prefix) {
	own, inside = slices.Clone(c.addrs), slices.Clone(c.hostAddrs)
	for _, d := range c.also {
		own, inside = append(own, d.addrs...), append(inside, d.hostAddrs...)
	}
	return own, inside
}

// gatewayReady is what the line that says that the session is up has of it.
func (c *upConfig) gatewayReady() string {
	if c.gateway == nil {
		return ""
	}
	text := fmt.Sprintf("; gateway of %s", tun.NamespacePath(c.netns))
	for _, m := range c.gateway.Map {
		text += fmt.Sprintf(", %s is %s", end(m.Inside), end(m.Outside))
	}
	return text + c.publishReady()
}
