package sim

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/stack"
	"fivetuple/trace"
)

// DeviceConfig describes a link end outside the world: a TUN or TAP device, or a test.
type DeviceConfig struct {
	// Name is the device's name, "ft0"; Peer names who is behind it in the
	// trace. Default "linux".
	Name, Peer string
	// MTU is the largest IP packet in bytes. Default 1500.
	MTU int
	// Ethernet means that packets are Ethernet frames: the host has a MAC
	// address, and finds others by ARP and neighbor discovery.
	Ethernet bool
	// Gateways are whom the host sends to what is not on the device's networks, one
	// for each version of IP. Without Ethernet there is one other end, and no need
	// for its address.
	Gateways []netip.Addr
	// NoDefault leaves the default route to another device: packets for this
	// one's networks alone go here.
	NoDefault bool
	// Addrs are the addresses of the host's interface. Default: the host's.
	Addrs []netip.Prefix
	// Out impairs packets that leave the world, In those that enter it.
	Out, In netem.Config
	// Write takes a packet that has reached the device; it may not keep the
	// slice. An error is a warning in the trace: the packet is lost.
	Write func(packet []byte) error
	// Port takes the place of Write, and of [Device.Inject]: the loop itself
	// reads and writes it. A world has one at most, to which all its devices
	// belong, as lines 0, 1, 2 ... in the order in which they are attached.
	Port Port
	// Lost is told of packets that the outside did not take, which are lost. Nil:
	// nobody is; the trace says it all the same.
	Lost func(n int, err error)
	// Offload means that the port takes and gives super-packets and open
	// checksums ([stack.Offload]).
	Offload bool
	// OffloadUDP: it takes super-packets of UDP too. It may always give them.
	OffloadUDP bool
}

// Port is the outside of a world's devices, and carries many packets at a time.
// All packets of a line that are there when it is read arrive at one instant, and
// what the world sends on a line at one instant leaves together.
type Port interface {
	// Receive appends to ps packets that are there on one line, and returns it
	// with the line. It waits for the first of them for at most timeout (less
	// than 0: without limit; 0: not at all), or until Wake. A line that always has
	// packets must not keep it from the others.
	Receive(ps []stack.Packet, timeout time.Duration) (in []stack.Packet, line int, err error)
	// Send uses up the packets. Those that fail are lost; it returns how many
	// they were, with the first error.
	Send(line int, ps []stack.Packet) (lost int, err error)
	// Wake ends the Receive that waits, or else the next one that would. Any
	// goroutine may call it.
	Wake()
}

// Device is a host's link to the outside. Unlike simulated links it may take
// no time at all: real round trips are never zero.
type Device struct {
	cfg  DeviceConfig
	w    *World
	num  int // of the world's devices, as recordings have it; less than 0: it is a RealHost's
	line int // of the port
	in   *pipe
	link *Link

	inside *iface
	out    []byte // the packet that is being written

	lostPackets int

	sent  []stack.Packet // what has reached the port at this instant
	given []given        // what obs has to know of each; empty without it
	merge stack.Merger   // of both directions
	udp   stack.DatagramMerger

	refuse []record.Input // what it refused when it was recorded

	obs  *Observer // of who is behind it; nil: nobody looks
	held []report  // what it saw of the flows of packets that are about to arrive
}

// AttachDevice links the host to the outside. Packets for anywhere else go
// there: it is the default route, with Ethernet through the gateways.
func (h *Host) AttachDevice(cfg DeviceConfig) (*Device, error) {
	switch {
	case cfg.Write == nil && cfg.Port == nil:
		return nil, fmt.Errorf("device %s: DeviceConfig.Write is required, or Port", cfg.Name)
	case cfg.Offload && cfg.Port == nil:
		return nil, fmt.Errorf("device %s: offloads need a port", cfg.Name)
	case cfg.Port != nil && h.w.port != nil && h.w.port != cfg.Port:
		return nil, fmt.Errorf("device %s: %s has another port, and the loop waits for one", cfg.Name, h.w.lines[0].cfg.Name)
	}
	if cfg.Peer == "" {
		cfg.Peer = "linux"
	}
	ic := stack.InterfaceConfig{MTU: cfg.MTU, Addrs: cfg.Addrs, Offload: cfg.Offload}
	if cfg.Ethernet {
		ic.MAC = h.mac()
	}
	i, err := h.attach(ic)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", cfg.Name, err)
	}
	routes := cfg.defaultRoutes()
	if cfg.NoDefault {
		routes = nil
	}
	for _, r := range routes {
		if err := h.stack.AddRoute(r.dst, i.stack, r.via); err != nil {
			return nil, fmt.Errorf("device %s: %w", cfg.Name, err)
		}
	}
	d := &Device{cfg: cfg, w: h.w, inside: i, merge: stack.Merger{Ethernet: cfg.Ethernet}, udp: stack.DatagramMerger{Ethernet: cfg.Ethernet}}
	d.link, err = h.w.join(cfg.Name, i, d, cfg.Out, cfg.In, 0, nil, nil)
	if err != nil {
		return nil, err
	}
	d.num = h.w.devices
	h.w.devices++
	if cfg.Port != nil {
		d.link.ab.direct, d.link.ba.direct = true, true
		d.line = len(h.w.lines)
		h.w.lines = append(h.w.lines, d)
		h.w.port, h.w.loop.late = cfg.Port, true
	}
	return d, nil
}

// deviceRoute is a route through a device; via is the zero address where there is
// one other end.
type deviceRoute struct {
	dst netip.Prefix
	via netip.Addr
}

// defaultRoutes are the routes to everywhere.
func (c *DeviceConfig) defaultRoutes() (rs []deviceRoute) {
	all4, all6 := netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if !c.Ethernet {
		return []deviceRoute{{dst: all4}, {dst: all6}}
	}
	for _, all := range []netip.Prefix{all4, all6} {
		for _, g := range c.Gateways {
			if g.BitLen() == all.Addr().BitLen() {
				rs = append(rs, deviceRoute{all, g})
				break
			}
		}
	}
	return rs
}

// Lost is how many packets the outside has not taken.
func (d *Device) Lost() int { return d.lostPackets }

// Peer is the name of who is behind the device.
func (d *Device) Peer() string { return d.cfg.Peer }

// Link is the device's link, for its impairments and counts: AB leads out.
func (d *Device) Link() *Link { return d.link }

// Inject lets a packet from outside enter the world now, as an input of its
// own. The world's goroutine calls it: others [World.Post] it.
func (d *Device) Inject(packet []byte) {
	d.w.bus.SetCause(0)
	p := stack.NewPacket(packet)
	d.place([]stack.Packet{p})
	d.in.send(p)
	d.release(0)
}

// Post is Inject for other goroutines: see [World.Post].
func (d *Device) Post(ctx context.Context, packet []byte) bool {
	if ctx.Err() != nil {
		return false
	}
	return d.w.post(ctx.Done(), input{packet: packet, dev: d, f: func() { d.Inject(packet) }})
}

func (d *Device) host() string      { return d.cfg.Peer }
func (d *Device) name() string      { return d.cfg.Name }
func (d *Device) ethernet() bool    { return d.cfg.Ethernet }
func (d *Device) connect(out *pipe) { d.in = out }

func (d *Device) forwards(*trace.Summary) bool { return false }

func (d *Device) owner(*trace.Summary, bool) trace.Origin { return trace.Origin{Host: d.cfg.Peer} }

// receive hands a packet to the outside, or keeps it until the instant is over.
func (d *Device) receive(f *flight) {
	if d.cfg.Port != nil {
		cause := d.w.bus.Cause() // of what else is sent
		g := d.delivered(f)
		d.w.bus.SetCause(cause)
		if d.obs.looks() {
			d.given = append(d.given, g)
		}
		d.sent = append(d.sent, f.pkt)
		return
	}
	g := d.delivered(f)
	d.out = f.pkt.AppendTo(d.out[:0])
	err := d.cfg.Write(d.out)
	f.pkt.Release()
	if _, why := d.refused(); why != nil {
		err = why
	}
	if err != nil {
		d.noteLost(1, err)
		d.lost(1, err)
	}
	d.obs.after(g)
}

// delivered puts the arrival of a packet at the outside into the trace.
func (d *Device) delivered(f *flight) (g given) {
	f.delivered(d.w)
	if f.seen != nil && d.obs.looks() {
		g = givenBy(&f.seen.body.Summary, d.w.bus.Cause())
	}
	return g
}

func (d *Device) lost(n int, err error) {
	if d.lostPackets += n; d.cfg.Lost != nil {
		d.cfg.Lost(n, err)
	}
	what := "packet"
	if n > 1 {
		what = fmt.Sprintf("%d packets", n)
	}
	d.w.bus.Emit(trace.Origin{Host: d.cfg.Peer}, &trace.Warning{Text: fmt.Sprintf("device %s: %s lost: %v", d.cfg.Name, what, err)})
}

func (d *Device) settled() {}

// send writes what has reached the port.
func (d *Device) send() {
	all := d.sent
	d.sent = all[:0]
	ps := all
	if d.cfg.Offload {
		ps = d.merge.Merge(all)
	}
	if d.cfg.OffloadUDP {
		ps = d.udp.Merge(ps)
	}
	n, err := d.hand(ps)
	clear(all)
	d.given = d.given[:0]
	if m, why := d.refused(); m > 0 {
		n, err = m, why
	}
	if n > 0 {
		d.noteLost(n, err)
		d.lost(n, err)
	}
}

func (d *Device) flow(p stack.Packet) stack.Flow { return p.Flow(d.cfg.Ethernet) }

// arrive lets packets from outside enter the world now, before anything else
// happens. The stack works once for each run of packets of one flow: so that the
// cause of what follows is one of the flow's.
func (d *Device) arrive(ps []stack.Packet) {
	if d.cfg.Offload {
		ps = d.merge.Merge(stack.DivideDatagrams(ps, d.cfg.Ethernet)) // TCP that somebody on the way has divided
	}
	d.place(ps)
	for n, p := range ps {
		last := n == len(ps)-1
		if !last {
			flow := d.flow(p)
			last = !flow.Known() || d.flow(ps[n+1]) != flow
		}
		d.w.bus.SetCause(0)
		d.in.send(p)
		d.release(n)
		if last {
			d.inside.settled()
		}
	}
}
