package main

import (
	"fmt"
	"slices"

	"fivetuple/gateway"
)

// checkPublish reads --publish.
func (c *upConfig) checkPublish(u *upFlags) (err error) {
	if len(u.gateway.publish) == 0 {
		return nil
	}
	if !u.gateway.on {
		return usagef("--publish is for --gateway")
	}
	if c.publish, err = c.publications(u.gateway.publish); err != nil {
		return usagef("--publish %w", err)
	}
	return nil
}

// publications reads publications of this session's.
func (c *upConfig) publications(texts []string) ([]gateway.Publication, error) {
	if c.record != "" {
		return nil, fmt.Errorf("%q: --record has no such connections: leave one of the two out", texts[0])
	}
	hostAddrs, own := slices.Clone(c.hostAddrs), slices.Clone(c.addrs)
	for _, d := range c.also {
		hostAddrs, own = append(hostAddrs, d.hostAddrs...), append(own, d.addrs...)
	}
	return publications(texts, hostAddrs, own)
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
