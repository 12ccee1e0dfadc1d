package main

import (
	"fmt"

	"fivetuple/gateway"
)

// checkPublish reads --publish.
func (c *upConfig) checkPublish(u *upFlags) (err error) {
	if c.gateway == nil && len(u.gateway.publish) > 0 {
		return usagef("--publish is for --gateway")
	}
	if c.gateway == nil {
		return nil
	}
	if c.gateway.Publish, err = c.publications(u.gateway.publish); err != nil {
		return usagef("--publish %w", err)
	}
	return nil
}

// publications reads publications of this session's.
func (c *upConfig) publications(texts []string) ([]gateway.Publication, error) {
	own, hostAddrs := c.allAddrs()
	return publications(texts, hostAddrs, own)
}

// publishReady is what the line that says that the session is up has of it.
func (c *upConfig) publishReady() (text string) {
	for _, p := range c.gateway.Publish {
		text += fmt.Sprintf(", %s %s leads to %s", p.Proto, p.Ends(p.Host), p.Ends(p.Inside))
	}
	return text
}
