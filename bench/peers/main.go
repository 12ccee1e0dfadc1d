// Command peers serves what `fivetuple up` serves, on a TUN device, with the
// endpoint of another user-space stack. internal/tunbench measures it; it is a
// module of its own so that the product does not depend on its peers.
//
//	peers -peer fdbased -tun NAME -addr 10.88.4.2 -addr fd88:4::2
//
// It makes the device in its network namespace, brings nothing up, gives Linux
// no address, and serves until it is killed.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"

	"fivetuple/internal/tunbench/services"
)

// config is what a peer is to be.
type config struct {
	tun   string       // name of the device
	mtu   int          // bytes
	addrs []netip.Addr // the stack's
}

// peers start a stack on a device and return how to listen on its addresses.
var peers = map[string]func(config) (func(port uint16) (net.Listener, error), error){
	"fdbased":   startFDBased,
	"wireguard": startWireguard,
}

func main() {
	var c config
	name := flag.String("peer", "", "fdbased or wireguard")
	flag.StringVar(&c.tun, "tun", "", "name of the TUN device")
	flag.IntVar(&c.mtu, "mtu", 1500, "largest packet in bytes")
	flag.Func("addr", "address of the stack; may be repeated", func(s string) error {
		a, err := netip.ParseAddr(s)
		c.addrs = append(c.addrs, a)
		return err
	})
	flag.Parse()
	if err := serve(*name, c); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", *name, err)
		os.Exit(1)
	}
	select {}
}

func serve(name string, c config) error {
	start, ok := peers[name]
	if !ok {
		return fmt.Errorf("-peer %q: there are fdbased and wireguard", name)
	}
	listen, err := start(c)
	if err != nil {
		return err
	}
	return services.Start(listen)
}
