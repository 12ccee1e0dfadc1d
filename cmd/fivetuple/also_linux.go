package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fivetuple/tun"
)

// alsoDevice is a device beside the session's first, as --also asks for it.
type alsoDevice struct {
	name, netns      string
	addrs, hostAddrs []netip.Prefix
}

// parseAlso reads NAME[@NETNS]=ADDR,HOST-ADDR[,ADDR,HOST-ADDR].
func parseAlso(text string) (d alsoDevice, err error) {
	wrong := func(why string) error {
		return usagef("--also %q: %s; it is written ft1=10.78.0.2/24,10.78.0.1/24 or ft1@NETNS=..., the stack's address before Linux's", text, why)
	}
	name, list, ok := strings.Cut(text, "=")
	if !ok {
		return d, wrong("there is no =")
	}
	d.name, d.netns, _ = strings.Cut(name, "@")
	if d.name == "" {
		return d, wrong("the device has no name")
	}
	if strings.HasSuffix(name, "@") {
		return d, wrong("no network namespace is named after the @")
	}
	all, err := parsePrefixes("--also "+d.name, strings.Split(list, ","))
	if err != nil {
		return d, err
	}
	if len(all)%2 != 0 {
		return d, wrong(fmt.Sprintf("%d addresses are no pairs", len(all)))
	}
	for pair := range slices.Chunk(all, 2) {
		if pair[0].Addr() == pair[1].Addr() || !pair[1].Contains(pair[0].Addr()) || !pair[0].Contains(pair[1].Addr()) {
			return d, wrong(fmt.Sprintf("%s and %s are not two addresses of one network", pair[0], pair[1]))
		}
		d.addrs, d.hostAddrs = append(d.addrs, pair[0]), append(d.hostAddrs, pair[1])
	}
	return d, nil
}

// checkAlso reads --also and --forward.
func (c *upConfig) checkAlso(u *upFlags) error {
	c.forward = u.forward
	seen := []string{c.tun.Name}
	used := slices.Clone(c.addrs)
	for _, text := range u.also {
		d, err := parseAlso(text)
		if err != nil {
			return err
		}
		if slices.Contains(seen, d.name) {
			return usagef("--also %s: there is a device of that name already", d.name)
		}
		for _, p := range d.addrs {
			if i := slices.IndexFunc(used, p.Overlaps); i >= 0 {
				return usagef("--also %s: %s overlaps %s, so the stack could not tell where a packet goes", d.name, p, used[i])
			}
		}
		seen, used = append(seen, d.name), append(used, d.addrs...)
		c.also = append(c.also, d)
	}
	switch {
	case len(c.also) > 0 && c.tun.Mode == tun.Water:
		return usagef("--also: devices of --device water cannot be waited for together; offload and raw can")
	case c.forward && u.offload == "on":
		return usagef("--forward and --offload on: netstack does not divide what it forwards")
	case c.forward && len(c.also) == 0 && u.scenario == "":
		return usagef("--forward: there is one device, and nothing to pass packets on to: add another with --also")
	case c.forward:
		c.tun.Offload = false
	}
	return nil
}

// peerName is what Linux at the other end of a device is called in the trace: its
// namespace's name, if that has one.
func peerName(netns string) string {
	if netns == "" || strings.Contains(netns, "/") || strings.Trim(netns, "0123456789") == "" {
		return "linux"
	}
	return netns
}

// openAlso makes the devices of --also, in the modes of the first.
func (l *live) openAlso() error {
	for i := range l.upConfig.also {
		d := &l.upConfig.also[i]
		here := func() error {
			cfg := l.upConfig.tun
			cfg.Name = d.name
			dev, err := tun.Open(cfg)
			if err != nil {
				return err
			}
			l.devs = append(l.devs, dev)
			if d.netns != "" {
				quieten(planInterface{Name: dev.Name(), Addrs: d.hostAddrs})
			}
			return tun.Configure(dev.Name(), d.hostAddrs, l.routesOf(d), dev.MTU())
		}
		if err := inNamed(d.netns, here); err != nil {
			return err
		}
	}
	return nil
}

// inNamed calls f in a network namespace that has a name, or here.
func inNamed(netns string, f func() error) error {
	if netns == "" {
		return f()
	}
	return tun.InNamespace(tun.NamespacePath(netns), func() error {
		if err := tun.LoopbackUp(); err != nil {
			return err
		}
		return f()
	})
}

// routesOf are Linux's routes into a device of a session that forwards: to
// everywhere from another namespace, and from this one to the networks of others.
func (l *live) routesOf(d *alsoDevice) (out []netip.Prefix) {
	switch {
	case !l.forward:
	case d.netns != "":
		return defaultRoutes(d.hostAddrs)
	default:
		for _, o := range l.upConfig.also {
			for _, p := range o.addrs {
				if o.netns != "" && slices.ContainsFunc(d.hostAddrs, func(h netip.Prefix) bool { return h.Addr().Is4() == p.Addr().Is4() }) {
					out = append(out, p.Masked())
				}
			}
		}
	}
	return out
}

// askKernels lets the kernels' states into the trace, of each device its own.
func (l *live) askKernels() error {
	if !l.diag.wanted() {
		return nil
	}
	if l.behind != nil {
		return l.askKernelBehind()
	}
	netns := []string{l.netns}
	for _, d := range l.upConfig.also {
		netns = append(netns, d.netns)
	}
	for i, dev := range l.devs {
		err := inNamed(netns[i], func() error { return l.askKernel(dev, l.simDevs[i]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// closeDevices takes the devices away.
func (l *live) closeDevices() error {
	errs := []error{l.upConfig.tun.Awake.Close()}
	for _, d := range l.devs {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
