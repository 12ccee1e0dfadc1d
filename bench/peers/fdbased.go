package main

import (
	"errors"
	"fmt"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/link/tun"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const nic = 1

// startFDBased puts a netstack behind gVisor's own endpoint for descriptors,
// set up for a TUN device as tun2socks sets it up: a packet for each readv and
// each writev.
func startFDBased(c config) (func(uint16) (net.Listener, error), error) {
	fd, err := tun.Open(c.tun)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.tun, err)
	}
	link, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: uint32(c.mtu), PacketDispatchMode: fdbased.Readv})
	if err != nil {
		return nil, err
	}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := configure(s, link, c); err != nil {
		return nil, err
	}
	return func(port uint16) (net.Listener, error) {
		// No address and IPv6's protocol: both families.
		return gonet.ListenTCP(s, tcpip.FullAddress{NIC: nic, Port: port}, ipv6.ProtocolNumber)
	}, nil
}

// configure gives the stack its interface, addresses, routes and what `up`
// gives to its own: SACK and reno.
func configure(s *stack.Stack, link stack.LinkEndpoint, c config) error {
	if err := s.CreateNIC(nic, link); err != nil {
		return errors.New(err.String())
	}
	for _, a := range c.addrs {
		protocol := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
		if a.Is6() {
			protocol = ipv6.ProtocolNumber
		}
		addr := tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix()}
		if err := s.AddProtocolAddress(nic, addr, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("%s: %s", a, err)
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	sack, reno := tcpip.TCPSACKEnabled(true), tcpip.CongestionControlOption("reno")
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &reno} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return errors.New(err.String())
		}
	}
	return nil
}
