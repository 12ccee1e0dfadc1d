package stack

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Stack is one host's IP stack. See the package comment for who may call it.
type Stack struct {
	cfg     Config
	clock   *clock
	net     *stack.Stack
	tcp     stack.TransportProtocol
	ifaces  []*Interface
	addrs   []netip.Prefix
	dirty   bool // the worker may have something to do
	transit bool // what netstack has in hand is for somebody else
	track   tracker
	closed  bool

	watches []*watch
	icmp    icmpTap
}

func init() {
	// netstack logs martians and malformed segments through a process-wide
	// logger, by the wall clock. What matters of it is in the trace.
	log.SetTarget(&log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}})
}

// New builds a stack without interfaces.
func New(cfg Config) (*Stack, error) {
	if cfg.Clock == nil {
		return nil, errors.New("stack: Config.Clock is required")
	}
	if cfg.Epoch.IsZero() {
		cfg.Epoch = Epoch
	}
	clk := &clock{c: cfg.Clock, epoch: cfg.Epoch}
	rng := stream(cfg.Seed, "host", cfg.Name, "secure")
	n := build(rng, stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			newIPv4(!cfg.Forwarding),
			// Duplicate address detection and router solicitation would add
			// packets to every trace; nobody else can hold our addresses.
			ipv6.NewProtocolWithOptions(ipv6.Options{}),
			arp.NewProtocol,
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		Clock:                    clk,
		RandSource:               source{stream(cfg.Seed, "host", cfg.Name, "rand")},
		SecureRNG:                rng,
		HandleLocal:              !cfg.Gateway,
		RawFactory:               raw.EndpointFactory{},
		AllowPacketEndpointWrite: true,
	})
	s := &Stack{cfg: cfg, clock: clk, net: n, tcp: n.TransportProtocolInstance(tcp.ProtocolNumber)}
	s.track.init(s)
	s.tcp.Pause()
	if err := s.configure(); err != nil {
		s.Close()
		return nil, fmt.Errorf("host %s: %w", cfg.Name, err)
	}
	return s, nil
}

// newIPv4 makes a host say which multicast groups it listens to, with IGMP
// (RFC 3376). A router does not: netstack would have it report 224.0.0.2 on
// each of its links, which Linux does not. The factory is made while build has
// replaced gVisor's random reader, from which it draws IPv4's identification
// counters.
func newIPv4(igmp bool) stack.NetworkProtocolFactory {
	return func(s *stack.Stack) stack.NetworkProtocol {
		return ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: igmp}})(s)
	}
}

func (s *Stack) configure() error {
	if err := s.cfg.TCP.apply(s); err != nil {
		return err
	}
	if f, l := s.cfg.EphemeralFirst, s.cfg.EphemeralLast; f != 0 || l != 0 {
		if err := s.net.SetPortRange(f, l); err != nil {
			return fmt.Errorf("ephemeral ports %d to %d: need 0 < first ≤ last", f, l)
		}
	}
	if s.cfg.Forwarding {
		for _, p := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
			if err := s.net.SetForwardingDefaultAndAllNICs(p, true); err != nil {
				return fmt.Errorf("forwarding: %s", err)
			}
		}
	}
	return nil
}

// Netstack is gVisor's stack, for sockapi.
func (s *Stack) Netstack() *stack.Stack { return s.net }

// Name is the host's name.
func (s *Stack) Name() string { return s.cfg.Name }

// Now is the time since the start of the run.
func (s *Stack) Now() time.Duration { return s.cfg.Clock.Now() }

// After calls f once, d from now, as a timer of the stack.
func (s *Stack) After(d time.Duration, f func()) Timer {
	return s.cfg.Clock.AfterFunc(d, &Callback{s.clock, f})
}

// Addrs lists the addresses in the order in which they were assigned.
func (s *Stack) Addrs() []netip.Prefix { return s.addrs }

// Interfaces lists the interfaces in the order in which they were added.
func (s *Stack) Interfaces() []*Interface { return s.ifaces }

// AddRoute sends packets for dst out of iface, through gateway if it is valid,
// else directly.
func (s *Stack) AddRoute(dst netip.Prefix, iface *Interface, gateway netip.Addr) error {
	subnet, err := tcpip.NewSubnet(Address(dst.Masked().Addr()), tcpip.MaskFromBytes(prefixMask(dst)))
	if err != nil {
		return fmt.Errorf("route %s: %w", dst, err)
	}
	r := tcpip.Route{Destination: subnet, NIC: iface.id}
	if gateway.IsValid() {
		if gateway.Is4() != dst.Addr().Is4() {
			return fmt.Errorf("route %s via %s: the gateway is of another address family", dst, gateway)
		}
		r.Gateway = Address(gateway)
	}
	s.net.AddRoute(r)
	return nil
}

// Settle runs the TCP worker until it has nothing left to do at this instant.
// It costs two goroutine switches, and nothing if no packet was delivered and
// [Stack.Touch] was not called since the last one.
func (s *Stack) Settle() {
	if !s.dirty || s.closed {
		return
	}
	s.dirty = false
	s.tcp.Resume()
	s.tcp.Pause()
	for _, w := range s.watches {
		w.settled()
	}
}

// watch is somebody who waits for what netstack does not announce.
type watch struct{ settled func() }

// Watch calls settled after every Settle that had something to do, until stop.
// It may mark a thread ready, and nothing else.
func (s *Stack) Watch(settled func()) (stop func()) {
	w := &watch{settled}
	s.watches = append(s.watches, w)
	return func() {
		s.watches = slices.DeleteFunc(s.watches, func(o *watch) bool { return o == w })
	}
}

// Touch tells the stack that a call or a timer may have left work for TCP's
// worker, so that the next Settle runs it.
func (s *Stack) Touch() { s.dirty = true }

// Close ends the stack's worker. Connections are not closed: their peers see
// the host fall silent.
func (s *Stack) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.tcp.Resume()
	s.tcp.Close()
	s.tcp.Wait()
}

// Address is a as netstack writes it; the zero Addr is its empty address.
func Address(a netip.Addr) tcpip.Address {
	switch {
	case !a.IsValid():
		return tcpip.Address{}
	case a.Is4():
		return tcpip.AddrFrom4(a.As4())
	}
	return tcpip.AddrFrom16(a.As16())
}

// Addr is the inverse of [Address].
func Addr(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

func netProto(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

func prefixMask(p netip.Prefix) []byte {
	m := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// ChecksumErrors counts the packets that were dropped because a checksum, or
// what it protects, was wrong.
func (s *Stack) ChecksumErrors() uint64 {
	st := s.net.Stats()
	return st.TCP.ChecksumErrors.Value() + st.UDP.ChecksumErrors.Value() + st.TCP.InvalidSegmentsReceived.Value() +
		st.UDP.MalformedPacketsReceived.Value() + st.IP.MalformedPacketsReceived.Value() +
		st.ICMP.V4.PacketsReceived.Invalid.Value() + st.ICMP.V6.PacketsReceived.Invalid.Value()
}
