package sim

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"fivetuple/stack"
	"fivetuple/trace"
)

// Node is what a link connects: a [Host] or a [RealHost].
type Node interface {
	// Name is the host's name.
	Name() string
	// attachEnd adds an interface.
	attachEnd(cfg *LinkConfig, addrs []netip.Prefix) (nodeEnd, error)
}

// nodeEnd is an interface of a node.
type nodeEnd interface {
	end
	// addresses are those of the interface.
	addresses() []netip.Prefix
	// peer adds a host route to an address at the other end.
	peer(p netip.Prefix) error
}

// attachEnd implements [Node].
func (h *Host) attachEnd(cfg *LinkConfig, addrs []netip.Prefix) (nodeEnd, error) {
	ic := stack.InterfaceConfig{MTU: cfg.MTU, Addrs: addrs}
	if cfg.Ethernet {
		ic.MAC = h.mac()
	}
	return h.attach(ic)
}

func (i *iface) addresses() []netip.Prefix { return i.addrs }

func (i *iface) peer(p netip.Prefix) error {
	i.peers = append(i.peers, p)
	return i.h.stack.AddRoute(p, i.stack, netip.Addr{})
}

// RealHost is a host of the world that is not simulated: a network namespace
// with real programs, whose interfaces lead into the world. The world must be
// run by [World.RunPaced].
type RealHost struct {
	w      *World
	cfg    HostConfig
	num    int
	ifaces []*RealInterface
}

// AddRealHost adds a host whose network stack is somebody else's. What cfg says of
// that stack is for whoever sets it up: [RealHost.Config].
func (w *World) AddRealHost(cfg HostConfig) (*RealHost, error) {
	if cfg.Name == "" {
		return nil, errors.New("a host needs a name")
	}
	for _, p := range cfg.Addrs {
		w.netdb.AddHost(cfg.Name, p.Addr())
	}
	r := &RealHost{w: w, cfg: cfg, num: w.nextNum()}
	w.reals = append(w.reals, r)
	return r, nil
}

// RealHosts lists the hosts that are not simulated, in the order in which they
// were added.
func (w *World) RealHosts() []*RealHost { return w.reals }

// Name is the host's name.
func (r *RealHost) Name() string { return r.cfg.Name }

// Config is what AddRealHost was given: what the host's stack is to be set to.
func (r *RealHost) Config() HostConfig { return r.cfg }

// Addrs lists the host's addresses.
func (r *RealHost) Addrs() []netip.Prefix { return r.cfg.Addrs }

// Interfaces lists the host's interfaces, one a link.
func (r *RealHost) Interfaces() []*RealInterface { return r.ifaces }

// AddRoute sends packets for dst by the interface that leads to gateway.
func (r *RealHost) AddRoute(dst netip.Prefix, gateway netip.Addr) error {
	for _, i := range r.ifaces {
		if i.reaches(gateway) {
			route := RealRoute{Dst: dst.Masked()}
			if i.mac != nil {
				route.Via = gateway // a point-to-point link has one other end
			}
			i.routes = append(i.routes, route)
			return nil
		}
	}
	return fmt.Errorf("host %s: no link leads to the gateway %s", r.cfg.Name, gateway)
}

// RealInterface is an interface of a RealHost: what a TUN device in its
// namespace has to be configured as, or a TAP device if it has a MAC address.
type RealInterface struct {
	dev    *Device
	mac    net.HardwareAddr // nil: point to point
	addrs  []netip.Prefix
	routes []RealRoute

	unnumbered bool // an earlier interface has addrs
}

// RealRoute is a route by an interface: through the router Via on an Ethernet
// interface, else without one.
type RealRoute struct {
	Dst netip.Prefix
	Via netip.Addr
}

// reaches reports whether the other end of the link may have an address.
func (i *RealInterface) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(i.addrs, func(p netip.Prefix) bool { return p.Contains(a) }) ||
		slices.ContainsFunc(i.routes, func(r RealRoute) bool { return !r.Via.IsValid() && r.Dst.Contains(a) })
}

// attachEnd implements [Node].
func (r *RealHost) attachEnd(cfg *LinkConfig, addrs []netip.Prefix) (nodeEnd, error) {
	unnumbered := len(addrs) == 0 && len(r.ifaces) > 0
	if len(addrs) == 0 {
		addrs = r.cfg.Addrs
	}
	if unnumbered { // only the first interface is on the host's subnets
		addrs = slices.Clone(addrs)
		for n, p := range addrs {
			addrs[n] = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
		}
	}
	for _, p := range addrs {
		r.w.netdb.AddHost(r.cfg.Name, p.Addr())
	}
	i := &RealInterface{addrs: addrs, unnumbered: unnumbered, dev: &Device{w: r.w, num: -1, cfg: DeviceConfig{
		Name: fmt.Sprintf("eth%d", len(r.ifaces)), Peer: r.cfg.Name, MTU: cfg.MTU, Ethernet: cfg.Ethernet,
	}}}
	i.dev.cfg.Write = i.absent
	if cfg.Ethernet {
		i.mac = macOf(r.num, len(r.ifaces)+1)
	}
	if i.dev.cfg.MTU == 0 {
		i.dev.cfg.MTU = 1500
	}
	r.ifaces = append(r.ifaces, i)
	return i, nil
}

// absent takes the place of the device until that is opened. What is for somebody
// else, or for all stations of a switch, is not lost: nobody is there to take it.
func (i *RealInterface) absent(packet []byte) error {
	if i.mac != nil && (len(packet) < len(i.mac) || !bytes.Equal(packet[:len(i.mac)], i.mac)) {
		return nil
	}
	return errors.New("no program runs there yet")
}

// Name is the interface's name in its namespace, "eth0".
func (i *RealInterface) Name() string { return i.dev.cfg.Name }

// MTU is the largest IP packet in bytes.
func (i *RealInterface) MTU() int { return i.dev.cfg.MTU }

// MAC is the interface's Ethernet address: packets are frames then. Nil on a
// point-to-point link.
func (i *RealInterface) MAC() net.HardwareAddr { return i.mac }

// Addrs are the interface's addresses, with their on-link prefixes: none if they
// are those of the host, which its first interface has.
func (i *RealInterface) Addrs() []netip.Prefix {
	if i.unnumbered {
		return nil
	}
	return i.addrs
}

// Routes are the further destinations that are reached by the interface.
func (i *RealInterface) Routes() []RealRoute { return i.routes }

// Open connects the interface to its device: write takes packets that leave the
// world, and may not keep the slice; [Device.Post] takes those that enter it. The
// world's goroutine calls it, in [World.Look], unless the world does not run yet.
func (i *RealInterface) Open(write func(packet []byte) error) *Device {
	i.dev.cfg.Write = write
	return i.dev
}

func (i *RealInterface) addresses() []netip.Prefix { return i.addrs }

func (i *RealInterface) peer(p netip.Prefix) error {
	for _, own := range i.addrs {
		if own.Contains(p.Addr()) {
			return nil // on link
		}
	}
	i.routes = append(i.routes, RealRoute{Dst: p})
	return nil
}

func (i *RealInterface) host() string                                 { return i.dev.host() }
func (i *RealInterface) name() string                                 { return i.dev.name() }
func (i *RealInterface) ethernet() bool                               { return i.mac != nil }
func (i *RealInterface) settled()                                     {}
func (i *RealInterface) connect(out *pipe)                            { i.dev.connect(out) }
func (i *RealInterface) receive(f *flight)                            { i.dev.receive(f) }
func (i *RealInterface) forwards(*trace.Summary) bool                 { return false }
func (i *RealInterface) owner(s *trace.Summary, in bool) trace.Origin { return i.dev.owner(s, in) }
