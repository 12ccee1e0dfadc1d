package main

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

// headroom is in front of each packet, for the virtio-net header that
// wireguard-go's device writes there.
const headroom = 16

// startWireguard puts wireguard-go's netstack behind wireguard-go's TUN device,
// which exchanges super-packets with Linux and divides and joins them itself.
// Between the two, where WireGuard encrypts, packets are handed over as they
// are. Its congestion control is netstack's default, reno.
func startWireguard(c config) (func(uint16) (net.Listener, error), error) {
	device, err := tun.CreateTUN(c.tun, c.mtu)
	if err != nil {
		return nil, err
	}
	inside, stack, err := netstack.CreateNetTUN(c.addrs, nil, c.mtu)
	if err != nil {
		return nil, err
	}
	go pump(inside, device)
	go pump(device, inside)
	go func() {
		for range device.Events() { // a device that nobody listens to stops
		}
	}()
	return func(port uint16) (net.Listener, error) { return stack.ListenTCP(&net.TCPAddr{Port: int(port)}) }, nil
}

// pump moves packets in batches until the program ends, in one buffer each.
func pump(to, from tun.Device) {
	bufs := make([][]byte, from.BatchSize())
	sizes := make([]int, len(bufs))
	for i := range bufs {
		bufs[i] = make([]byte, headroom+1<<16)
	}
	batch := make([][]byte, 0, len(bufs))
	for {
		n, err := from.Read(bufs, sizes, headroom)
		if err != nil && !errors.Is(err, tun.ErrTooManySegments) {
			fmt.Fprintln(os.Stderr, "wireguard: read:", err)
			os.Exit(1)
		}
		batch = batch[:0]
		for i := range n {
			batch = append(batch, bufs[i][:headroom+sizes[i]])
		}
		if _, err := to.Write(batch, headroom); err != nil {
			fmt.Fprintln(os.Stderr, "wireguard: write:", err) // that packet is lost; TCP sends it again
		}
	}
}
