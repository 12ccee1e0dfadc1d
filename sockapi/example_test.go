package sockapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/textproto"
	"os"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
)

// A client and a server that know net.Conn and nothing of fivetuple, in virtual
// time: 10 ms away, and the server forgets to answer the second question.
func ExampleProc_Net() {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	client, _ := w.AddHost(sim.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	server, _ := w.AddHost(sim.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if _, err := w.Connect(client, server, sim.LinkConfig{Both: netem.Config{Delay: 10 * time.Millisecond}}); err != nil {
		fmt.Println(err)
		return
	}
	server.Spawn("smtpd", func(p *sockapi.Proc) error {
		l, err := p.Net().Listen("tcp", ":25")
		if err != nil {
			return err
		}
		c, err := l.Accept()
		if err != nil {
			return err
		}
		line, err := textproto.NewReader(bufio.NewReader(c)).ReadLine()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c, "250 hello, you said %q\r\n", line)
		p.Sleep(time.Hour)
		return err
	})
	client.Spawn("mail", func(p *sockapi.Proc) error {
		n := p.Net()
		c, err := n.Dial("tcp", "10.0.0.2:25")
		if err != nil {
			return err
		}
		text := textproto.NewConn(c)
		for range 2 {
			if err := c.SetDeadline(n.Now().Add(5 * time.Second)); err != nil {
				return err
			}
			if err := text.PrintfLine("EHLO client"); err != nil {
				return err
			}
			_, answer, err := text.ReadResponse(250)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				answer = "no answer"
			} else if err != nil {
				return err
			}
			fmt.Println(p.Now(), answer)
		}
		return text.Close()
	})
	if err := w.Run(context.Background(), sim.UntilQuiet); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 40ms hello, you said "EHLO client"
	// 5.04s no answer
}
