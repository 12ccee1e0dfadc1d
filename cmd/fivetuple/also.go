package main

import (
	"net/netip"
	"slices"

	"fivetuple/sim"
	"fivetuple/trace/ladder"
)

// A liveDevice is a device of --also, as a recording has it.
type liveDevice struct {
	Device    string         `json:"device"`
	Peer      string         `json:"peer"`
	Addrs     []netip.Prefix `json:"addrs"`
	HostAddrs []netip.Prefix `json:"host_addrs"`
	Offload   bool           `json:"offload,omitempty"`
}

// attachAlso attaches the devices of --also. Their outside is that of the first.
func (c *liveConfig) attachAlso(h *sim.Host, first sim.DeviceConfig) ([]*sim.Device, error) {
	var out []*sim.Device
	for _, a := range c.Also {
		dc := first
		dc.Name, dc.Peer, dc.Addrs, dc.Offload, dc.NoDefault = a.Device, a.Peer, a.Addrs, a.Offload, true
		d, err := h.AttachDevice(dc)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// peers are Linux's ends of the devices, as lanes of the ladder: one for each
// namespace.
func (c *liveConfig) peers() []ladder.Host {
	out := []ladder.Host{{Name: c.peerName()}}
	add := func(name string, prefixes []netip.Prefix) {
		i := slices.IndexFunc(out, func(h ladder.Host) bool { return h.Name == name })
		if i < 0 {
			i, out = len(out), append(out, ladder.Host{Name: name})
		}
		for _, p := range prefixes {
			out[i].Addrs = append(out[i].Addrs, p.Addr())
		}
	}
	add(c.peerName(), c.HostAddrs)
	for _, a := range c.Also {
		add(a.Peer, a.HostAddrs)
	}
	return out
}

// peerName is the name of Linux at the first device's other end.
func (c *liveConfig) peerName() string {
	if c.Peer == "" {
		return "linux"
	}
	return c.Peer
}
