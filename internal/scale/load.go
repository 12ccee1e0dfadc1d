package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"
)

const (
	perClient = 10_000 // connections of one client host: its ports would end at 49,536
	rounds    = 5      // requests of a connection
	port      = 7
)

// The sizes of a request and of its answer in bytes.
const (
	requestBytes = 64
	answerBytes  = 512
)

// delay is each link's, one way.
const delay = 5 * time.Millisecond

// leave is when the clients of a load that has opened its connections end.
const leave = time.Hour

// load is a world with many connections.
type load struct {
	*sim.World
	server  *sim.Host
	clients []*sim.Host
	open    int // connections that are established, and have had their answers
}

// loads lists the loads by name: each sets up a world in which n connections
// are open just before leave.
var loads = map[string]func(l *load, n int){
	"epoll":   (*load).epoll,
	"idle":    (*load).idle,
	"threads": (*load).threads,
	"traced": func(l *load, n int) {
		l.Bus().Attach(nowhere{})
		l.epoll(n)
	},
}

// nowhere is a sink that keeps nothing: with it, every event is built.
type nowhere struct{}

func (nowhere) Event(*trace.Event) error { return nil }
func (nowhere) Close() error             { return nil }

// build makes the world of a load of n connections.
func build(kind string, n int) (*load, error) {
	setup, ok := loads[kind]
	if !ok {
		return nil, fmt.Errorf("no load is called %q", kind)
	}
	l := &load{World: sim.New(sim.Config{Seed: 7, MaxEvents: 1 << 40})}
	var err error
	if l.server, err = l.AddHost(sim.HostConfig{Name: "server", Addrs: prefix(0)}); err != nil {
		return nil, err
	}
	for i := 1; i <= (n+perClient-1)/perClient; i++ {
		c, err := l.AddHost(sim.HostConfig{Name: fmt.Sprintf("client%d", i), Addrs: prefix(i)})
		if err != nil {
			return nil, err
		}
		if _, err = l.Connect(c, l.server, sim.LinkConfig{Both: netem.Config{Delay: delay}}); err != nil {
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	setup(l, n)
	return l, nil
}

// prefix is the address of the server (0) or of a client (from 1).
func prefix(i int) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)}
}

func serverAddr() netip.AddrPort { return netip.AddrPortFrom(prefix(0)[0].Addr(), port) }

// opened runs until every connection is open.
func (l *load) opened(n int) error {
	if err := l.Run(context.Background(), sim.Until(leave-time.Second)); err != nil {
		return err
	}
	if l.open != n {
		return fmt.Errorf("%d of %d connections are open", l.open, n)
	}
	return nil
}

// close lets the clients' processes end, with their descriptors open, kills the
// server's, and runs until the last TIME-WAIT is over.
func (l *load) close() error {
	if err := l.Run(context.Background(), sim.Until(leave+time.Second)); err != nil {
		return err
	}
	l.Hangup()
	if err := l.Run(context.Background(), sim.UntilQuiet); err != nil {
		return err
	}
	for _, h := range l.Hosts() {
		if left := h.Sockets(); len(left) > 0 {
			return fmt.Errorf("%d sockets are left on %s", len(left), h.Name())
		}
	}
	l.Close()
	return nil
}

// stay keeps a process until it is time to leave.
func stay(p *sockapi.Proc) error {
	p.Sleep(leave - p.Now())
	return nil
}

// idle connects one after the other on each client, and sends nothing.
func (l *load) idle(n int) {
	l.server.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, func(p *sockapi.Proc) error {
		ls, err := listen(p)
		for err == nil {
			_, _, err = p.Accept(ls)
		}
		return err
	})
	for i, h := range l.clients {
		mine := min(perClient, n-i*perClient)
		h.Spawn("client", func(p *sockapi.Proc) error {
			for range mine {
				if _, err := dial(p, 0); err != nil {
					return err
				}
				l.open++
			}
			return stay(p)
		})
	}
}

// listen opens the server's listener.
func listen(p *sockapi.Proc) (int, error) {
	ls, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	return ls, errors.Join(p.Bind(ls, serverAddr()), p.Listen(ls, sockapi.SOMAXCONN))
}

// dial opens a connection, or starts to if flags has SOCK_NONBLOCK.
func dial(p *sockapi.Proc, flags int) (int, error) {
	s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM|flags, 0)
	if err != nil {
		return -1, err
	}
	if err = p.Connect(s, serverAddr()); errors.Is(err, sockapi.EINPROGRESS) {
		err = nil
	}
	return s, err
}
