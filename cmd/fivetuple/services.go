package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fivetuple/internal/spell"
	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/stack"
)

// service is a built-in server: an ordinary process on sockapi.
type service struct {
	name   string
	port   uint16
	source string
	// stream serves one TCP connection, datagram answers one UDP datagram; nil
	// means the service does not speak that protocol.
	stream   func(s session, fd int) error
	datagram func(s session, b []byte) []byte
	// instance makes stream anew for each host, where connections share state.
	instance func() func(s session, fd int) error
}

// session is a service's process, or one of its threads.
type session struct {
	*sockapi.Proc
	epoch time.Time // wall-clock time at the start of the run
}

// wall is the wall-clock time.
func (s session) wall() time.Time { return s.epoch.Add(s.Now()) }

var services = []service{
	{name: "echo", port: 7, source: "RFC 862", stream: echoStream, datagram: func(_ session, b []byte) []byte { return b }},
	{name: "discard", port: 9, source: "RFC 863", stream: discardStream, datagram: func(session, []byte) []byte { return nil }},
	{name: "daytime", port: 13, source: "RFC 867", stream: daytimeStream, datagram: func(s session, _ []byte) []byte { return []byte(daytime(s)) }},
	{name: "chargen", port: 19, source: "RFC 864", stream: chargenStream, datagram: func(session, []byte) []byte { return chargenLine(0) }},
	{name: "dns", port: 53, source: "RFC 1035", stream: dnsStream, datagram: dnsDatagram},
	{name: "http", port: 80, source: "RFC 9112", stream: httpStream},
	{name: "iperf3", port: 5201, source: "iperf3 -s", instance: newIperf},
}

// serviceTable describes the services for --help.
func serviceTable() string {
	var b strings.Builder
	for _, s := range services {
		protocols := "TCP and UDP"
		if s.datagram == nil && s.instance == nil {
			protocols = "TCP"
		}
		fmt.Fprintf(&b, "  %-8s port %-4d %-18s %s\n", s.name, s.port, protocols, s.source)
	}
	return b.String()
}

// chooseServices reads --serve's list.
func chooseServices(list string) ([]service, error) {
	var names []string
	for _, s := range services {
		names = append(names, s.name)
	}
	var out []service
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		i := slices.Index(names, name)
		if i < 0 {
			return nil, usagef("--serve: no service is called %q%s; there are %s", name, spell.Hint(name, names), strings.Join(names, ", "))
		}
		if slices.ContainsFunc(out, func(s service) bool { return s.name == name }) {
			return nil, usagef("--serve: %s is listed twice", name)
		}
		out = append(out, services[i])
	}
	return out, nil
}

// spawn starts the service on a host: a process for TCP, and one for UDP.
func (s service) spawn(h *sim.Host, epoch time.Time) {
	if diverts(h) {
		for _, a := range h.Addrs() {
			s.spawnAt(h, epoch, a.Addr())
		}
		return
	}
	addr := netip.IPv4Unspecified()
	if slices.ContainsFunc(h.Addrs(), func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		addr = netip.IPv6Unspecified() // dual stack: IPv4 too
	}
	s.spawnAt(h, epoch, addr)
}

// diverts reports whether a host has addresses that are not its own, so that a
// server must name the one it means.
func diverts(h *sim.Host) bool {
	return slices.ContainsFunc(h.Stack().Interfaces(), (*stack.Interface).Diverts)
}

// spawnAt is spawn for one address.
func (s service) spawnAt(h *sim.Host, epoch time.Time, addr netip.Addr) {
	family := sockapi.AF_INET
	if addr.Is6() {
		family = sockapi.AF_INET6
	}
	at := netip.AddrPortFrom(addr, s.port)
	if s.instance != nil {
		s.stream = s.instance()
	}
	if s.stream != nil {
		h.SpawnConfig(sim.SpawnConfig{Name: s.name, Daemon: true}, func(p *sockapi.Proc) error {
			return s.acceptLoop(session{p, epoch}, family, at)
		})
	}
	if s.datagram != nil {
		h.SpawnConfig(sim.SpawnConfig{Name: s.name + "-udp", Daemon: true}, func(p *sockapi.Proc) error {
			return s.datagramLoop(session{p, epoch}, family, at)
		})
	}
}

func (s service) acceptLoop(p session, family int, at netip.AddrPort) error {
	l, err := p.Socket(family, sockapi.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(p.Setsockopt(l, sockapi.SOL_SOCKET, sockapi.SO_REUSEADDR, 1), p.Bind(l, at), p.Listen(l, sockapi.SOMAXCONN)); err != nil {
		return err
	}
	for {
		fd, _, err := p.Accept(l)
		if err != nil {
			return err
		}
		p.Go(func(thread *sockapi.Proc) error {
			// What a peer does to its connection is in the trace, and must not
			// end the service.
			_ = s.stream(session{thread, p.epoch}, fd)
			return thread.Close(fd)
		})
	}
}

func (s service) datagramLoop(p session, family int, at netip.AddrPort) error {
	fd, err := p.Socket(family, sockapi.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := p.Bind(fd, at); err != nil {
		return err
	}
	for {
		b, from, err := p.Recvfrom(fd, 65536, 0)
		if err != nil {
			return err
		}
		if answer := s.datagram(p, b); answer != nil {
			_, _ = p.Sendto(fd, answer, 0, from) // who asked may be gone
		}
	}
}

// serviceBuffer is large enough to keep the stack busy.
const serviceBuffer = 256 << 10

// firstBuffer is what a connection starts with that may carry little: a large
// buffer costs more than the connection.
const firstBuffer = 4 << 10

// echoBuffer bounds what the echo service holds for a client that sends faster
// than it reads. It is generous: see docs/limits.md on closed windows.
const echoBuffer = 64 << 20

// echoStream sends back what comes in. It receives while it cannot send: a
// client may send much before it reads anything.
func echoStream(s session, fd int) error {
	var pending, all []byte // all is pending's memory
	in := make([]byte, firstBuffer)
	open := true
	for open || len(pending) > 0 {
		flags, readable := 0, true
		if len(pending) > 0 {
			var err error
			if readable, err = pollEcho(s, fd, open && len(pending) < echoBuffer); err != nil {
				return err
			}
			flags = sockapi.MSG_DONTWAIT
		}
		if readable {
			n, err := s.RecvInto(fd, in, flags)
			if err != nil {
				return err
			}
			open = n > 0
			if len(pending) == 0 {
				pending = all[:0]
			}
			pending = append(pending, in[:n]...)
			all = pending
			if n == len(in) && n < serviceBuffer {
				in = make([]byte, serviceBuffer)
			}
		}
		if len(pending) > 0 { // what has just come mostly fits: no need to ask first
			n, err := s.Send(fd, pending, sockapi.MSG_NOSIGNAL|sockapi.MSG_DONTWAIT)
			if err != nil && !errors.Is(err, sockapi.EAGAIN) {
				return err
			}
			pending = pending[max(n, 0):]
		}
	}
	return nil
}

// pollEcho waits until what is pending can be sent on, or more received if there is
// room for it, and reports the latter.
func pollEcho(s session, fd int, room bool) (readable bool, err error) {
	events := sockapi.POLLOUT
	if room {
		events |= sockapi.POLLIN
	}
	fds := []sockapi.PollFD{{FD: fd, Events: events}}
	_, err = s.Poll(fds, -1)
	return room && fds[0].Revents&^sockapi.POLLOUT != 0, err
}

func discardStream(s session, fd int) error {
	buf := make([]byte, serviceBuffer)
	for {
		n, err := s.RecvInto(fd, buf, 0)
		if err != nil || n == 0 {
			return err
		}
	}
}

func daytime(s session) string {
	return s.wall().Format("Monday, January 2, 2006 15:04:05-MST\r\n")
}

func daytimeStream(s session, fd int) error {
	_, err := s.Send(fd, []byte(daytime(s)), sockapi.MSG_NOSIGNAL)
	return err
}

// chargenLines is after how many lines the pattern of RFC 864 starts over: it
// has 95 characters.
const chargenLines = 95

// chargenLine is a line of 72 of the 95 printable characters, shifted by n.
func chargenLine(n int) []byte {
	line := make([]byte, 74)
	for i := range 72 {
		line[i] = byte(' ' + (n+i)%chargenLines)
	}
	copy(line[72:], "\r\n")
	return line
}

// chargenStream sends until the client is gone, the whole pattern several times
// a call: a call for each line would keep the world from its other packets.
func chargenStream(s session, fd int) error {
	var pattern []byte
	for n := range chargenLines {
		pattern = append(pattern, chargenLine(n)...)
	}
	pattern = bytes.Repeat(pattern, serviceBuffer/len(pattern))
	for {
		if _, err := s.Send(fd, pattern, sockapi.MSG_NOSIGNAL); err != nil {
			return err
		}
	}
}
