package stack

import (
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// InterfaceConfig describes an interface.
type InterfaceConfig struct {
	// Name is the interface's name, such as "eth0".
	Name string
	// MTU is the largest IP packet in bytes. Zero means 1500, or 65536 on a
	// loopback interface, as on Linux.
	MTU int
	// Addrs are the interface's addresses with their on-link prefixes.
	Addrs []netip.Prefix
	// MAC makes it an Ethernet interface, with ARP and neighbor discovery. Nil
	// means point to point: IP packets and nothing else.
	MAC net.HardwareAddr
	// Loopback marks "lo": checksums are neither computed nor checked.
	Loopback bool
	// Offload means that the far end divides super-packets of up to 64 KiB and
	// completes checksums, and may send such packets itself: a TUN or TAP device
	// with offloads. What arrives without a promise is verified as elsewhere. The host may be no router: netstack does not divide what it
	// forwards.
	Offload bool
	// Output receives every packet that the interface sends. It must only
	// store the packet: it is called in the middle of the stack's work.
	Output func(Packet)
}

// Interface is one attachment of a stack to a link.
type Interface struct {
	s   *Stack
	id  tcpip.NICID
	cfg InterfaceConfig
	ep  *endpoint

	rule      func(*Arrival) Ruling // of Divert
	discarded string
}

// AddInterface attaches a new interface and assigns its addresses. Each
// prefix becomes an on-link route.
func (s *Stack) AddInterface(cfg InterfaceConfig) (*Interface, error) {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
		if cfg.Loopback {
			cfg.MTU = 65536
		}
	}
	if cfg.MTU < header.IPv4MinimumMTU {
		return nil, fmt.Errorf("interface %s: mtu %d is below IPv4's minimum of %d", cfg.Name, cfg.MTU, header.IPv4MinimumMTU)
	}
	i := &Interface{s: s, id: s.net.NextNICID(), cfg: cfg, ep: &endpoint{s: s, mtu: uint32(cfg.MTU), out: cfg.Output}}
	if cfg.Offload && (cfg.Loopback || s.cfg.Forwarding) {
		return nil, fmt.Errorf("interface %s: offloads need an interface to the outside, of a host that does not forward", cfg.Name)
	}
	link := i.link()
	if err := s.net.CreateNICWithOptions(i.id, link, stack.NICOptions{Name: cfg.Name, DeliverLinkPackets: true, QDisc: i.ep}); err != nil {
		return nil, fmt.Errorf("interface %s: %s", cfg.Name, err)
	}
	s.ifaces = append(s.ifaces, i)
	for _, a := range cfg.Addrs {
		if err := i.AddAddr(a); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// link sets the end point up for the interface's kind, and returns it as netstack
// gets it.
func (i *Interface) link() (link stack.LinkEndpoint) {
	link = i.ep
	if i.cfg.Offload {
		link = offloading{i.ep}
	}
	switch {
	case i.cfg.Loopback:
		i.ep.caps = stack.CapabilityLoopback | stack.CapabilityRXChecksumOffload | stack.CapabilityTXChecksumOffload
	case i.cfg.MAC != nil:
		i.ep.mtu += header.EthernetMinimumSize
		i.ep.mac = tcpip.LinkAddress(i.cfg.MAC)
		link = ethernet.New(link) // it passes on what offloading says
	}
	return link
}

// AddAddr assigns an address; its prefix becomes an on-link route.
func (i *Interface) AddAddr(p netip.Prefix) error {
	if !p.IsValid() {
		return fmt.Errorf("interface %s: invalid address", i.cfg.Name)
	}
	pa := tcpip.ProtocolAddress{
		Protocol:          netProto(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: Address(p.Addr()), PrefixLen: p.Bits()},
	}
	if err := i.s.net.AddProtocolAddress(i.id, pa, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("interface %s: address %s: %s", i.cfg.Name, p, err)
	}
	i.s.addrs = append(i.s.addrs, p)
	return i.s.AddRoute(p.Masked(), i, netip.Addr{})
}

// Name is the interface's name.
func (i *Interface) Name() string { return i.cfg.Name }

// Index is the interface's number, from 1: if_nametoindex(3). "lo" is 1.
func (i *Interface) Index() int { return int(i.id) }

// InterfaceNamed finds an interface by name; nil if there is none.
func (s *Stack) InterfaceNamed(name string) *Interface {
	for _, i := range s.ifaces {
		if i.cfg.Name == name {
			return i
		}
	}
	return nil
}

// MTU is the largest IP packet in bytes.
func (i *Interface) MTU() int { return i.cfg.MTU }

// MAC is the Ethernet address, nil on a point-to-point interface.
func (i *Interface) MAC() net.HardwareAddr { return i.cfg.MAC }

// Deliver hands a packet that arrived on the link to the stack and uses it up.
// What TCP makes of it happens in the next [Stack.Settle]. It reports false if
// the interface does not take the packet: a frame for another MAC address, or
// no IP packet.
func (i *Interface) Deliver(p Packet) bool {
	defer p.Release()
	if i.cfg.MAC != nil {
		return i.deliverFrame(p)
	}
	if i.rule != nil && i.divert(p) {
		return true
	}
	return i.deliverPacket(p)
}

// deliverPacket hands over a packet of a point-to-point link.
func (i *Interface) deliverPacket(p Packet) bool {
	first, ok := p.pb.Data().PullUp(1)
	if !ok {
		return false
	}
	if e := i.expire(p, 0); e != p {
		defer e.Release()
		p = e
	}
	switch first[0] >> 4 {
	case 4:
		i.handOver(header.IPv4ProtocolNumber, p, 0)
	case 6:
		i.handOver(header.IPv6ProtocolNumber, p, 0)
	default:
		return false
	}
	return true
}

// vouch says whether the packet that is handed over next has to be verified:
// netstack asks for the capability anew with each.
func (i *Interface) vouch(p Packet) { i.ep.trust = i.cfg.Offload && p.off.trusted() }

// deliverFrame filters by destination as network hardware does.
func (i *Interface) deliverFrame(p Packet) bool {
	hdr, ok := p.pb.Data().PullUp(header.EthernetMinimumSize)
	if !ok {
		return false
	}
	dst := header.Ethernet(hdr).DestinationAddress()
	if dst != i.ep.mac && dst != header.EthernetBroadcastAddress && !header.IsMulticastEthernetAddress(dst) {
		return false
	}
	if t := header.Ethernet(hdr).Type(); t != header.IPv4ProtocolNumber && t != header.IPv6ProtocolNumber && t != header.ARPProtocolNumber {
		i.deliverOther(p, dst, t)
		return true
	}
	if e := i.expire(p, header.EthernetMinimumSize); e != p {
		defer e.Release()
		p = e
	}
	i.handOver(0, p, header.EthernetMinimumSize)
	return true
}

// deliverOther hands a frame of a protocol that the stack does not have to
// packet sockets: netstack drops it before they see it.
func (i *Interface) deliverOther(p Packet, dst tcpip.LinkAddress, t tcpip.NetworkProtocolNumber) {
	p.pb.LinkHeader().Consume(header.EthernetMinimumSize)
	switch {
	case dst == header.EthernetBroadcastAddress:
		p.pb.PktType = tcpip.PacketBroadcast
	case header.IsMulticastEthernetAddress(dst):
		p.pb.PktType = tcpip.PacketMulticast
	}
	i.ep.disp.DeliverLinkPacket(t, p.pb)
}

// endpoint is the link end point that netstack writes to.
type endpoint struct {
	s     *Stack
	disp  stack.NetworkDispatcher
	mtu   uint32
	mac   tcpip.LinkAddress
	caps  stack.LinkEndpointCapabilities
	out   func(Packet)
	trust bool // the packet being delivered needs no verification
}

var _ stack.LinkEndpoint = (*endpoint)(nil)

// WritePackets implements [stack.LinkWriter].
func (e *endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	list := pkts.AsSlice()
	for _, pb := range list {
		e.WritePacket(pb)
	}
	return len(list), nil
}

// WritePacket implements [stack.QueueingDiscipline]: netstack's own makes a list of
// each packet.
func (e *endpoint) WritePacket(pb *stack.PacketBuffer) tcpip.Error {
	e.s.clock.sent()
	e.out(Packet{pb: pb.CloneToInbound(), off: offloadOf(pb)})
	return nil
}

// Capabilities implements [stack.LinkEndpoint].
func (e *endpoint) Capabilities() stack.LinkEndpointCapabilities {
	caps := e.caps
	if e.trust {
		caps |= stack.CapabilityRXChecksumOffload
	}
	if e.s.transit {
		caps |= stack.CapabilityTXChecksumOffload
	}
	return caps
}

func (e *endpoint) MTU() uint32                          { return e.mtu }
func (e *endpoint) SetMTU(mtu uint32)                    { e.mtu = mtu }
func (e *endpoint) MaxHeaderLength() uint16              { return 0 }
func (e *endpoint) LinkAddress() tcpip.LinkAddress       { return e.mac }
func (e *endpoint) SetLinkAddress(a tcpip.LinkAddress)   { e.mac = a }
func (e *endpoint) Attach(d stack.NetworkDispatcher)     { e.disp = d }
func (e *endpoint) IsAttached() bool                     { return e.disp != nil }
func (e *endpoint) Wait()                                {}
func (e *endpoint) Close()                               {}
func (e *endpoint) SetOnCloseAction(func())              {}
func (e *endpoint) AddHeader(*stack.PacketBuffer)        {}
func (e *endpoint) ParseHeader(*stack.PacketBuffer) bool { return true }
func (e *endpoint) ARPHardwareType() header.ARPHardwareType {
	if e.caps&stack.CapabilityLoopback != 0 {
		return header.ARPHardwareLoopback
	}
	return header.ARPHardwareNone
}
