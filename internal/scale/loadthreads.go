package main

import (
	"io"

	"fivetuple/sim"
	"fivetuple/sockapi"
)

// threads gives each connection a thread of its own on both sides.
func (l *load) threads(n int) {
	l.server.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, threadServer)
	for i, h := range l.clients {
		mine := min(perClient, n-i*perClient)
		h.Spawn("client", func(p *sockapi.Proc) error {
			for range mine {
				p.Go(l.threadClient)
			}
			return nil
		})
	}
}

func threadServer(p *sockapi.Proc) error {
	ls, err := listen(p)
	if err != nil {
		return err
	}
	for {
		c, _, err := p.Accept(ls)
		if err != nil {
			return err
		}
		p.Go(func(p *sockapi.Proc) error {
			buf, answer := make([]byte, requestBytes), make([]byte, answerBytes)
			for {
				if err := serve(p, c, buf, answer); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
	}
}

func (l *load) threadClient(p *sockapi.Proc) error {
	s, err := dial(p, 0)
	if err != nil {
		return err
	}
	request, buf := make([]byte, requestBytes), make([]byte, answerBytes)
	for range rounds {
		if _, err := p.Send(s, request, 0); err != nil {
			return err
		}
		if _, err := p.RecvInto(s, buf, 0); err != nil {
			return err
		}
	}
	l.open++
	return stay(p)
}
