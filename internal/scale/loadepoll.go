package main

import (
	"fmt"
	"io"

	"fivetuple/sim"
	"fivetuple/sockapi"
)

// batch is the most events that one epoll_wait takes.
const batch = 256

// epoll serves n connections by one thread with epoll, and makes them by
// another.
func (l *load) epoll(n int) {
	l.server.SpawnConfig(sim.SpawnConfig{Name: "server", Daemon: true}, epollServer)
	for i, h := range l.clients {
		c := &epollClient{l: l, n: min(perClient, n-i*perClient)}
		h.Spawn("client", c.run)
	}
}

// epollServer answers every request, and closes what its peer has closed.
func epollServer(p *sockapi.Proc) error {
	ls, err := listen(p)
	if err != nil {
		return err
	}
	ep, err := p.EpollCreate(0)
	if err != nil {
		return err
	}
	if err = watch(p, ep, ls, sockapi.EPOLLIN); err != nil {
		return err
	}
	buf, answer := make([]byte, requestBytes), make([]byte, answerBytes)
	for {
		events, err := p.EpollWait(ep, batch, -1)
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Data == ls {
				c, _, err := p.Accept4(ls, sockapi.SOCK_NONBLOCK)
				if err != nil {
					return err
				}
				if err = watch(p, ep, c, sockapi.EPOLLIN); err != nil {
					return err
				}
				continue
			}
			if err := serve(p, e.Data, buf, answer); err != nil && err != io.EOF {
				return err
			}
		}
	}
}

// serve answers one request, or closes a connection whose peer has: then it
// returns io.EOF.
func serve(p *sockapi.Proc, c int, buf, answer []byte) error {
	switch got, err := p.RecvInto(c, buf, 0); {
	case err != nil:
		return err
	case got == 0:
		if err := p.Close(c); err != nil {
			return err
		}
		return io.EOF
	case got != requestBytes:
		return fmt.Errorf("a request of %d bytes", got)
	}
	_, err := p.Send(c, answer, 0)
	return err
}

// epollClient makes n connections at once, then, in each round, sends a request
// over every one of them at once and takes the answers.
type epollClient struct {
	l   *load
	n   int
	ep  int
	fds []int
}

func (c *epollClient) run(p *sockapi.Proc) error {
	var err error
	if c.ep, err = p.EpollCreate(0); err != nil {
		return err
	}
	for range c.n {
		s, err := dial(p, sockapi.SOCK_NONBLOCK)
		if err != nil {
			return err
		}
		if err = watch(p, c.ep, s, sockapi.EPOLLOUT); err != nil {
			return err
		}
		c.fds = append(c.fds, s)
	}
	if err := c.each(p, c.connected); err != nil {
		return err
	}
	request, buf := make([]byte, requestBytes), make([]byte, answerBytes)
	for range rounds {
		for _, s := range c.fds {
			if _, err := p.Send(s, request, 0); err != nil {
				return err
			}
		}
		err := c.each(p, func(p *sockapi.Proc, s int) error {
			got, err := p.RecvInto(s, buf, 0)
			if err == nil && got != answerBytes {
				err = fmt.Errorf("an answer of %d bytes", got)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	c.l.open += c.n
	return stay(p)
}

// each waits until every connection has had one event, and handles it.
func (c *epollClient) each(p *sockapi.Proc, handle func(*sockapi.Proc, int) error) error {
	for left := c.n; left > 0; {
		events, err := p.EpollWait(c.ep, batch, -1)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := handle(p, e.Data); err != nil {
				return err
			}
		}
		left -= len(events)
	}
	return nil
}

// connected turns to waiting for answers on a connection that is established.
func (c *epollClient) connected(p *sockapi.Proc, s int) error {
	errno, err := p.Getsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_ERROR)
	if err == nil && errno != 0 {
		err = fmt.Errorf("connect: SO_ERROR is %v", errno)
	}
	if err != nil {
		return err
	}
	return p.EpollCtl(c.ep, sockapi.EPOLL_CTL_MOD, s, sockapi.EpollEvent{Events: sockapi.EPOLLIN, Data: s})
}

// watch adds a descriptor to an epoll instance.
func watch(p *sockapi.Proc, ep, fd, events int) error {
	return p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, fd, sockapi.EpollEvent{Events: events, Data: fd})
}
