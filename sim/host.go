package sim

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/stack"
	"fivetuple/trace"
)

// HostConfig describes a host.
type HostConfig struct {
	// Name names the host in the trace and decides, with the seed, its random
	// numbers. Required, and unique in its world.
	Name string
	// Addrs are the host's addresses. Its first interface gets them with
	// their prefixes, further ones as host addresses.
	Addrs []netip.Prefix
	// Forwarding makes the host a router.
	Forwarding bool
	// Gateway allows its interfaces to take packets for all addresses, as in
	// [stack.Config].
	Gateway bool
	// TCP, EphemeralFirst and EphemeralLast are as in [stack.Config].
	TCP                           stack.TCPConfig
	EphemeralFirst, EphemeralLast uint16
}

// Host is one IP stack and its processes.
type Host struct {
	w       *World
	cfg     HostConfig
	num     int
	stack   *stack.Stack
	lo      *iface
	ifaces  []*iface
	out     []outgoing
	procs   roster[*sockapi.Process]
	pids    int
	settled bool // its addresses are on lo, for want of a link

	spawning *SpawnConfig // the process that Spawn is starting, for Start
}

var _ sockapi.Kernel = (*Host)(nil)

// outgoing is a packet that the stack has handed to an interface.
type outgoing struct {
	from *iface
	pkt  stack.Packet
}

// AddHost adds a host with a loopback interface and no link.
func (w *World) AddHost(cfg HostConfig) (*Host, error) {
	if cfg.Name == "" {
		return nil, fmt.Errorf("a host needs a name")
	}
	if _, dup := w.Host(cfg.Name); dup {
		return nil, fmt.Errorf("host %q exists already: names are unique", cfg.Name)
	}
	h := &Host{w: w, cfg: cfg, num: w.nextNum()}
	h.procs.over = func(ps *sockapi.Process) bool { return ps.Live() == 0 }
	st, err := stack.New(stack.Config{
		Name: cfg.Name, Seed: w.cfg.Seed, Clock: hostClock{h}, Epoch: w.cfg.Epoch, Bus: &w.bus,
		Forwarding: cfg.Forwarding, Gateway: cfg.Gateway, TCP: cfg.TCP,
		EphemeralFirst: cfg.EphemeralFirst, EphemeralLast: cfg.EphemeralLast,
	})
	if err != nil {
		return nil, err
	}
	h.stack = st
	if err := h.addLoopback(); err != nil {
		st.Close()
		return nil, fmt.Errorf("host %s: %w", cfg.Name, err)
	}
	w.hosts = append(w.hosts, h)
	h.name(cfg.Addrs)
	return h, nil
}

// name puts the host into the world's hosts file.
func (h *Host) name(addrs []netip.Prefix) {
	for _, a := range addrs {
		h.w.netdb.AddHost(h.cfg.Name, a.Addr())
	}
}

// addLoopback makes "lo": a link from the host to itself.
func (h *Host) addLoopback() error {
	h.lo = &iface{h: h}
	si, err := h.stack.AddInterface(stack.InterfaceConfig{
		Name: "lo", Loopback: true, Output: h.lo.output,
		Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	})
	if err != nil {
		return err
	}
	h.lo.stack = si
	link := &Link{w: h.w, name: "lo"}
	h.lo.pipe, err = newPipe(link, h.lo, h.lo, netem.Config{}, minDelay, h.w.cfg.Seed)
	return err
}

// Name is the host's name.
func (h *Host) Name() string { return h.cfg.Name }

// Stack implements [sockapi.Kernel].
func (h *Host) Stack() *stack.Stack { return h.stack }

// Bus implements [sockapi.Kernel].
func (h *Host) Bus() *trace.Bus { return &h.w.bus }

// Netdb implements [sockapi.Kernel].
func (h *Host) Netdb() *sockapi.Netdb { return h.w.netdb }

// NextCall implements [sockapi.Kernel].
func (h *Host) NextCall() uint64 {
	h.w.calls++
	return h.w.calls
}

// NextPID implements [sockapi.Kernel].
func (h *Host) NextPID() int {
	h.pids++
	return h.pids
}

// Running implements [sockapi.Kernel].
func (h *Host) Running() *sockapi.Proc {
	if h.w.current == nil {
		return nil
	}
	return h.w.current.p
}

// Epoch implements [sockapi.Kernel].
func (h *Host) Epoch() time.Time { return h.w.cfg.Epoch }

// AfterCall implements [sockapi.Kernel].
func (h *Host) AfterCall(ep stack.Endpoint, all bool) { h.flush(ep, all) }

// World is the world the host lives in.
func (h *Host) World() *World { return h.w }

// Addrs lists the host's addresses.
func (h *Host) Addrs() []netip.Prefix { return h.cfg.Addrs }

// Processes lists the processes that have not ended, in the order in which
// they were spawned.
func (h *Host) Processes() []*sockapi.Process { return h.procs.all() }

// Sockets lists the host's transport end points as ss -a does.
func (h *Host) Sockets() []trace.Socket { return h.stack.Sockets() }

// AddRoute sends packets for dst to gateway, which must be on a link of the host.
func (h *Host) AddRoute(dst netip.Prefix, gateway netip.Addr) error {
	var via *iface
	best := -1
	for _, i := range h.ifaces {
		if n := i.reaches(gateway); n > best {
			via, best = i, n
		}
	}
	if via == nil {
		return fmt.Errorf("host %s: no link leads to the gateway %s", h.Name(), gateway)
	}
	if via.stack.MAC() == nil {
		gateway = netip.Addr{} // a point-to-point link has one other end
	}
	return h.stack.AddRoute(dst, via.stack, gateway)
}

// flush lets the stack finish what it has to do at this instant, reports the
// state changes of ep, or of all end points, and moves the packets that the
// stack has sent onto their links.
func (h *Host) flush(ep stack.Endpoint, all bool) {
	for {
		h.stack.Settle()
		switch {
		case all:
			h.stack.SampleAll()
		case ep != nil:
			h.stack.SampleEndpoint(ep)
		}
		if len(h.out) == 0 {
			return
		}
		batch := h.out
		h.out = nil
		for _, o := range batch {
			o.from.pipe.send(o.pkt)
		}
		h.out = batch[:0]
	}
}

// iface is one interface of a host: a link end.
type iface struct {
	h     *Host
	stack *stack.Interface
	pipe  *pipe // the direction that leaves here
	addrs []netip.Prefix
	peers []netip.Prefix // what a point-to-point link leads to

	last trace.FiveTuple // of the packet that was received last; zero when nobody listens
}

// output implements [stack.InterfaceConfig.Output].
func (i *iface) output(p stack.Packet) { i.h.out = append(i.h.out, outgoing{i, p}) }

// reaches is the length of the longest prefix on the link that contains a, -1
// if there is none.
func (i *iface) reaches(a netip.Addr) int {
	best := -1
	for _, list := range [][]netip.Prefix{i.peers, i.addrs} {
		for _, p := range list {
			if p.Contains(a) {
				best = max(best, p.Bits())
			}
		}
	}
	return best
}

// mac is the Ethernet address of a host's next interface: locally
// administered, readable in a trace (host and interface number).
func (h *Host) mac() net.HardwareAddr { return macOf(h.num, len(h.ifaces)+1) }

func macOf(host, iface int) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, byte(host >> 8), byte(host), byte(iface)}
}

// nextNum is the number of the next host, which one that is not simulated has, too:
// its addresses are the same either way.
func (w *World) nextNum() int { return len(w.hosts) + len(w.reals) + 1 }

// attach adds an interface with a pipe yet to be set.
func (h *Host) attach(cfg stack.InterfaceConfig) (*iface, error) {
	i := &iface{h: h, addrs: cfg.Addrs}
	cfg.Name = fmt.Sprintf("eth%d", len(h.ifaces))
	cfg.Output = i.output
	if len(cfg.Addrs) == 0 {
		cfg.Addrs = h.cfg.Addrs
		i.addrs = h.cfg.Addrs
		if len(h.ifaces) > 0 { // only the first interface is on the host's subnets
			cfg.Addrs = nil
			for _, a := range h.cfg.Addrs {
				cfg.Addrs = append(cfg.Addrs, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
			}
			i.addrs = cfg.Addrs
		}
	}
	si, err := h.stack.AddInterface(cfg)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name(), err)
	}
	i.stack = si
	h.ifaces = append(h.ifaces, i)
	h.name(cfg.Addrs)
	return i, nil
}
