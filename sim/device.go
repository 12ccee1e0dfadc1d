package sim

import (
	"context"
	"fmt"
	"net/netip"

	"fivetuple/sim/netem"
	"fivetuple/stack"
	"fivetuple/trace"
)

// DeviceConfig describes a link end outside the world: a TUN device, or a test.
type DeviceConfig struct {
	// Name is the device's name, "ft0"; Peer names who is behind it in the
	// trace. Default "linux".
	Name, Peer string
	// MTU is the largest IP packet in bytes. Default 1500.
	MTU int
	// Addrs are the addresses of the host's interface. Default: the host's.
	Addrs []netip.Prefix
	// Out impairs packets that leave the world, In those that enter it.
	Out, In netem.Config
	// Write takes a packet that has reached the device; it may not keep the
	// slice. An error is a warning in the trace: the packet is lost.
	Write func(packet []byte) error
}

// Device is a host's link to the outside. Unlike simulated links it may take
// no time at all: real round trips are never zero.
type Device struct {
	cfg  DeviceConfig
	w    *World
	in   *pipe
	link *Link
	out  []byte // the packet that is being written
}

// AttachDevice links the host to the outside. Packets for anywhere else go
// there: it is the default route.
func (h *Host) AttachDevice(cfg DeviceConfig) (*Device, error) {
	if cfg.Write == nil {
		return nil, fmt.Errorf("device %s: DeviceConfig.Write is required", cfg.Name)
	}
	if cfg.Peer == "" {
		cfg.Peer = "linux"
	}
	i, err := h.attach(stack.InterfaceConfig{MTU: cfg.MTU, Addrs: cfg.Addrs})
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", cfg.Name, err)
	}
	for _, p := range []string{"0.0.0.0/0", "::/0"} {
		if err := h.stack.AddRoute(netip.MustParsePrefix(p), i.stack, netip.Addr{}); err != nil {
			return nil, fmt.Errorf("device %s: %w", cfg.Name, err)
		}
	}
	d := &Device{cfg: cfg, w: h.w}
	d.link, err = h.w.join(cfg.Name, i, d, cfg.Out, cfg.In, 0, nil, nil)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Link is the device's link, for its impairments and counts: AB leads out.
func (d *Device) Link() *Link { return d.link }

// Inject lets a packet from outside enter the world now, as an input of its
// own. The world's goroutine calls it: others [World.Post] it.
func (d *Device) Inject(packet []byte) {
	d.w.bus.SetCause(0)
	d.in.send(stack.NewPacket(packet))
}

// Post is Inject for other goroutines: see [World.Post].
func (d *Device) Post(ctx context.Context, packet []byte) bool {
	if ctx.Err() != nil {
		return false
	}
	return d.w.post(ctx.Done(), post{f: func() { d.Inject(packet) }})
}

func (d *Device) host() string      { return d.cfg.Peer }
func (d *Device) name() string      { return d.cfg.Name }
func (d *Device) ethernet() bool    { return false }
func (d *Device) connect(out *pipe) { d.in = out }

func (d *Device) forwards(*trace.Summary) bool { return false }

func (d *Device) owner(*trace.Summary, bool) trace.Origin { return trace.Origin{Host: d.cfg.Peer} }

// receive hands a packet to the outside.
func (d *Device) receive(f *flight) {
	f.delivered(d.w)
	d.out = f.pkt.AppendTo(d.out[:0])
	err := d.cfg.Write(d.out)
	f.pkt.Release()
	if err != nil {
		d.w.bus.Emit(trace.Origin{Host: d.cfg.Peer}, &trace.Warning{Text: fmt.Sprintf("device %s: packet lost: %v", d.cfg.Name, err)})
	}
}
