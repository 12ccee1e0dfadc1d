package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
)

// simulated makes the calls on sockapi, in a process of a host without links.
type simulated struct{ p *sockapi.Proc }

// runSimulated runs a program in a world of its own.
func runSimulated(program func(*run)) (string, error) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	h, err := w.AddHost(sim.HostConfig{Name: "host"})
	if err != nil {
		return "", err
	}
	var r *run
	h.Spawn("program", func(p *sockapi.Proc) error {
		r = newRun(simulated{p})
		program(r)
		return nil
	})
	err = w.Run(context.Background(), sim.UntilQuiet)
	return r.transcript(), err
}

func (s simulated) Socket(family, typ, proto int) (int, error) { return s.p.Socket(family, typ, proto) }
func (s simulated) Bind(fd int, a netip.AddrPort) error        { return s.p.Bind(fd, a) }
func (s simulated) Listen(fd, backlog int) error               { return s.p.Listen(fd, backlog) }
func (s simulated) Accept(fd int) (int, netip.AddrPort, error) { return s.p.Accept(fd) }
func (s simulated) Connect(fd int, a netip.AddrPort) error     { return s.p.Connect(fd, a) }
func (s simulated) Shutdown(fd, how int) error                 { return s.p.Shutdown(fd, how) }
func (s simulated) Close(fd int) error                         { return s.p.Close(fd) }
func (s simulated) Dup(fd int) (int, error)                    { return s.p.Dup(fd) }
func (s simulated) Getsockname(fd int) (netip.AddrPort, error) { return s.p.Getsockname(fd) }
func (s simulated) Getpeername(fd int) (netip.AddrPort, error) { return s.p.Getpeername(fd) }
func (s simulated) Ioctl(fd, request int) (int, error)         { return s.p.Ioctl(fd, request) }
func (s simulated) Settle()                                    { s.p.Sleep(time.Millisecond) }

func (s simulated) Sendto(fd int, b []byte, flags int, to netip.AddrPort) (int, error) {
	return s.p.Sendto(fd, b, flags, to)
}

func (s simulated) Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error) {
	return s.p.Recvfrom(fd, n, flags)
}

func (s simulated) SetInt(fd, level, opt, v int) error { return s.p.Setsockopt(fd, level, opt, v) }

func (s simulated) GetInt(fd, level, opt int) (int, error) {
	v, err := s.p.Getsockopt(fd, level, opt)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case int:
		return v, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	}
	return 0, errors.New("not an int")
}

func (s simulated) SetLinger(fd int, on bool, seconds int) error {
	return s.p.Setsockopt(fd, sockapi.SOL_SOCKET, sockapi.SO_LINGER, sockapi.Linger{On: on, Seconds: seconds})
}

func (s simulated) SetTimeout(fd, opt int, d time.Duration) error {
	return s.p.Setsockopt(fd, sockapi.SOL_SOCKET, opt, d)
}

func (s simulated) SetNonblock(fd int, on bool) error {
	flags := 0
	if on {
		flags = sockapi.O_NONBLOCK
	}
	_, err := s.p.Fcntl(fd, sockapi.F_SETFL, flags)
	return err
}

func (s simulated) Poll(fd, events int, timeout time.Duration) (int, error) {
	fds := []sockapi.PollFD{{FD: fd, Events: events}}
	_, err := s.p.Poll(fds, timeout)
	return fds[0].Revents, err
}

func (s simulated) Name(err error) string {
	var e sockapi.Errno
	if errors.As(err, &e) {
		return e.Name()
	}
	return err.Error()
}
