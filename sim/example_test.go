package sim_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
)

// Two hosts, 10 ms apart: a connection takes one round trip to open.
func Example() {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	client, _ := w.AddHost(sim.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	server, _ := w.AddHost(sim.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if _, err := w.Connect(client, server, sim.LinkConfig{Both: netem.Config{Delay: 10 * time.Millisecond}}); err != nil {
		fmt.Println(err)
		return
	}
	addr := netip.MustParseAddrPort("10.0.0.2:80")
	server.Spawn("httpd", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := p.Bind(s, addr); err != nil {
			return err
		}
		if err := p.Listen(s, 16); err != nil {
			return err
		}
		_, _, err = p.Accept(s)
		return err
	})
	client.Spawn("curl", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		err = p.Connect(s, addr)
		fmt.Println("connected after", p.Now())
		return err
	})
	if err := w.Run(context.Background(), sim.UntilQuiet); err != nil {
		fmt.Println(err)
	}
	// Output: connected after 20ms
}
