package main

import (
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/gateway"
)

// publications reads what --publish, or the command publish, was given. hostAddrs
// are the addresses inside, own those of the stack.
func publications(texts []string, hostAddrs, own []netip.Prefix) (out []gateway.Publication, err error) {
	for _, text := range texts {
		p, err := gateway.ParsePublication(text)
		if err == nil {
			err = completePublication(&p, text, hostAddrs, own)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// completePublication fills in the address inside, and refuses one that no
// connection reaches.
func completePublication(p *gateway.Publication, text string, hostAddrs, own []netip.Prefix) error {
	to := p.Inside.Addr()
	like := to
	if !to.IsValid() {
		like = p.Host.Addr()
	}
	i := slices.IndexFunc(hostAddrs, func(a netip.Prefix) bool { return a.Addr().Is4() == like.Is4() })
	switch {
	case i < 0 && to.IsValid():
		return fmt.Errorf("%q: the inside has no %s address, so nothing reaches %s: choose one of %s, or add a --host-addr and an --addr", text, version(like), to, words(hostAddrs))
	case i < 0:
		return fmt.Errorf("%q: the inside has no %s address: write which one is meant, as %s", text, version(like), example(*p, hostAddrs[0].Addr()))
	case !to.IsValid():
		p.Inside = netip.AddrPortFrom(hostAddrs[i].Addr(), p.Inside.Port())
	case to.IsLoopback() || to.IsUnspecified():
		return fmt.Errorf("%q: %s is not reached from outside of the namespace: let the program listen at %s or at all addresses, and write %s", text, to, hostAddrs[i].Addr(), example(*p, hostAddrs[i].Addr()))
	case slices.ContainsFunc(own, func(a netip.Prefix) bool { return a.Addr() == to }):
		return fmt.Errorf("%q: %s is the stack's own address; that of the inside is %s", text, to, hostAddrs[i].Addr())
	}
	return nil
}

// example is a publication with another address inside.
func example(p gateway.Publication, a netip.Addr) gateway.Publication {
	p.Inside = netip.AddrPortFrom(a, p.Inside.Port())
	return p
}

func version(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// checkPublish reads --publish.
func (c *upConfig) checkPublish(u *upFlags) (err error) {
	if len(u.gateway.publish) == 0 {
		return nil
	}
	if !u.gateway.on {
		return usagef("--publish is for --gateway")
	}
	hostAddrs, own := slices.Clone(c.hostAddrs), slices.Clone(c.addrs)
	for _, d := range c.also {
		hostAddrs, own = append(hostAddrs, d.hostAddrs...), append(own, d.addrs...)
	}
	if c.publish, err = publications(u.gateway.publish, hostAddrs, own); err != nil {
		return usagef("--publish %w", err)
	}
	return nil
}

// openPublished makes the listeners of --publish.
func (l *live) openPublished() error {
	for _, p := range l.publish {
		if err := l.gate.Publish(p); err != nil {
			return usagef("--publish %s: %w", p, err)
		}
	}
	return nil
}

// publishReady is what the line that says that the session is up has of it.
func (c *upConfig) publishReady() (text string) {
	for _, p := range c.publish {
		text += fmt.Sprintf(", %s %s leads to %s", p.Proto, p.Ends(p.Host), p.Ends(p.Inside))
	}
	return text
}
