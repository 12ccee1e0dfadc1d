package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/stack"
	"fivetuple/trace"
)

// liveConfig is what a live run's world is built from: the part of `up`'s
// command line that a recording has to have.
type liveConfig struct {
	Host       string         `json:"host"`
	Addrs      []netip.Prefix `json:"addrs"`
	HostAddrs  []netip.Prefix `json:"host_addrs"`
	Device     string         `json:"device"`
	MTU        int            `json:"mtu"`
	Port       bool           `json:"port"`    // the loop reads the device itself
	Offload    bool           `json:"offload"` // with super-packets
	Ethernet   bool           `json:"ethernet,omitempty"`
	Peer       string         `json:"peer,omitempty"` // who is behind the device; default linux
	Also       []liveDevice   `json:"also,omitempty"` // more devices
	Forward    bool           `json:"forward,omitempty"`
	Congestion string         `json:"congestion,omitempty"`
	Serve      []string       `json:"serve,omitempty"`
	Out        string         `json:"out,omitempty"`   // impairments towards Linux, in netem's words
	In         string         `json:"in,omitempty"`    // and towards the stack
	Files      bool           `json:"files,omitempty"` // net/http is here, whose calls are recorded
	Script     *source        `json:"script,omitempty"`
	// Gateway is that of --gateway, whose machine answers in the recording.
	Gateway *gateway.Config `json:"gateway,omitempty"`
}

// build makes the world's one host and its devices. The outside of the devices is
// in dc.
func (c *liveConfig) build(w *sim.World, dc sim.DeviceConfig) (*sim.Host, []*sim.Device, error) {
	addrs := slices.Clone(c.Addrs)
	for _, a := range c.Also {
		addrs = append(addrs, a.Addrs...)
	}
	h, err := w.AddHost(sim.HostConfig{Name: c.Host, Addrs: addrs, Forwarding: c.Forward, Gateway: c.Gateway != nil, TCP: stack.TCPConfig{Congestion: c.Congestion}})
	if err != nil {
		return nil, nil, err
	}
	dc.Name, dc.MTU, dc.Offload, dc.Ethernet = c.Device, c.MTU, c.Offload, c.Ethernet
	for _, a := range c.HostAddrs {
		dc.Gateways = append(dc.Gateways, a.Addr())
	}
	if dc.Out, err = netem.Parse(c.Out); err != nil {
		return nil, nil, err
	}
	if dc.In, err = netem.Parse(c.In); err != nil {
		return nil, nil, err
	}
	dc.Peer, dc.Addrs = c.peerName(), c.Addrs
	d, err := h.AttachDevice(dc)
	if err != nil {
		return nil, nil, err
	}
	more, err := c.attachAlso(h, dc)
	for _, p := range c.peers() {
		w.Netdb().AddHost(p.Name, p.Addrs...)
	}
	w.HandleCommands(func(text []byte) error { return carryOut(w, text) })
	return h, append([]*sim.Device{d}, more...), err
}

// filesName is the process of --files.
const filesName = "files"

// carryOut does what a recorded command says: an array of words.
func carryOut(w *sim.World, text []byte) error {
	var args []string
	if err := json.Unmarshal(text, &args); err != nil || len(args) < 2 {
		return fmt.Errorf("command %q: unknown", text)
	}
	switch args[0] {
	case "link":
		return setLink(w, args[1:])
	case "mark":
		w.Bus().Emit(trace.Origin{}, &trace.Mark{Text: strings.Join(args[1:], " ")})
		return nil
	}
	return fmt.Errorf("command %q: unknown", args[0])
}

// serve starts the services.
func (c *liveConfig) serve(w *sim.World, h *sim.Host) error {
	for _, name := range c.Serve {
		i := slices.IndexFunc(services, func(s service) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("there is no service %q here", name)
		}
		services[i].spawn(h, w.Epoch())
	}
	return nil
}
