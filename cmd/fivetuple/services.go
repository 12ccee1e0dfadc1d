package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fivetuple/sim"
	"fivetuple/sockapi"
)

// service is a built-in server: an ordinary process on sockapi.
type service struct {
	name   string
	port   uint16
	source string
	// stream serves one TCP connection, datagram answers one UDP datagram; nil
	// means the service does not speak that protocol.
	stream   func(p *sockapi.Proc, fd int) error
	datagram func(p *sockapi.Proc, b []byte) []byte
}

var services = []service{
	{"echo", 7, "RFC 862", echoStream, func(_ *sockapi.Proc, b []byte) []byte { return b }},
	{"discard", 9, "RFC 863", discardStream, func(*sockapi.Proc, []byte) []byte { return nil }},
	{"daytime", 13, "RFC 867", daytimeStream, func(p *sockapi.Proc, _ []byte) []byte { return []byte(daytime(p)) }},
	{"chargen", 19, "RFC 864", chargenStream, func(*sockapi.Proc, []byte) []byte { return chargenLine(0) }},
	{"http", 80, "RFC 9112", httpStream, nil},
}

// chooseServices reads --serve's list.
func chooseServices(list string) ([]service, error) {
	var out []service
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		i := slices.IndexFunc(services, func(s service) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range services {
				names = append(names, s.name)
			}
			return nil, usagef("--serve: no service is called %q; there are %s", name, strings.Join(names, ", "))
		}
		out = append(out, services[i])
	}
	return out, nil
}

// spawn starts the service on a host, for TCP and UDP.
func (s service) spawn(h *sim.Host) {
	addr, family := netip.IPv4Unspecified(), sockapi.AF_INET
	if slices.ContainsFunc(h.Addrs(), func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		addr, family = netip.IPv6Unspecified(), sockapi.AF_INET6 // dual stack: IPv4 too
	}
	at := netip.AddrPortFrom(addr, s.port)
	if s.stream != nil {
		h.SpawnConfig(sim.SpawnConfig{Name: s.name, Daemon: true}, func(p *sockapi.Proc) error {
			return s.acceptLoop(p, family, at)
		})
	}
	if s.datagram != nil {
		h.SpawnConfig(sim.SpawnConfig{Name: s.name, Daemon: true}, func(p *sockapi.Proc) error {
			return s.datagramLoop(p, family, at)
		})
	}
}

func (s service) acceptLoop(p *sockapi.Proc, family int, at netip.AddrPort) error {
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
		p.Go(func(p *sockapi.Proc) error {
			// What a peer does to its connection is in the trace, and must not
			// end the service.
			_ = s.stream(p, fd)
			return p.Close(fd)
		})
	}
}

func (s service) datagramLoop(p *sockapi.Proc, family int, at netip.AddrPort) error {
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
			continue // an ICMP error for an earlier answer
		}
		if answer := s.datagram(p, b); answer != nil {
			_, _ = p.Sendto(fd, answer, 0, from)
		}
	}
}

// serviceBuffer is large enough to keep the stack busy.
const serviceBuffer = 256 << 10

// echoBuffer bounds what the echo service holds for a client that sends faster
// than it reads. It is generous: see docs/limits.md on closed windows.
const echoBuffer = 64 << 20

// echoStream sends back what comes in. It receives while it cannot send: a
// client may send much before it reads anything.
func echoStream(p *sockapi.Proc, fd int) error {
	if _, err := p.Fcntl(fd, sockapi.F_SETFL, sockapi.O_NONBLOCK); err != nil {
		return err
	}
	var pending []byte
	in := make([]byte, serviceBuffer)
	open := true
	for open || len(pending) > 0 {
		events := 0
		if open && len(pending) < echoBuffer {
			events |= sockapi.POLLIN
		}
		if len(pending) > 0 {
			events |= sockapi.POLLOUT
		}
		fds := []sockapi.PollFD{{FD: fd, Events: events}}
		if _, err := p.Poll(fds, -1); err != nil {
			return err
		}
		ready := fds[0].Revents
		if events&sockapi.POLLIN != 0 && ready&^sockapi.POLLOUT != 0 {
			n, err := p.RecvInto(fd, in, 0)
			if err != nil {
				return err
			}
			open = n > 0
			pending = append(pending, in[:n]...)
		}
		if len(pending) > 0 && ready&sockapi.POLLOUT != 0 {
			n, err := p.Send(fd, pending, sockapi.MSG_NOSIGNAL)
			if err != nil {
				return err
			}
			pending = pending[n:]
		}
	}
	return nil
}

func discardStream(p *sockapi.Proc, fd int) error {
	buf := make([]byte, serviceBuffer)
	for {
		n, err := p.RecvInto(fd, buf, 0)
		if err != nil || n == 0 {
			return err
		}
	}
}

// now is the wall-clock time of the run.
func now(p *sockapi.Proc) time.Time { return liveEpoch.Add(p.Now()) }

// liveEpoch is the wall-clock time at which a live run began.
var liveEpoch = time.Unix(0, 0)

func daytime(p *sockapi.Proc) string {
	return now(p).Format("Monday, January 2, 2006 15:04:05-MST\r\n")
}

func daytimeStream(p *sockapi.Proc, fd int) error {
	_, err := p.Send(fd, []byte(daytime(p)), sockapi.MSG_NOSIGNAL)
	return err
}

// chargenLine is a line of 72 of the 95 printable characters, shifted by n.
func chargenLine(n int) []byte {
	line := make([]byte, 74)
	for i := range 72 {
		line[i] = byte(' ' + (n+i)%95)
	}
	copy(line[72:], "\r\n")
	return line
}

func chargenStream(p *sockapi.Proc, fd int) error {
	for n := 0; ; n++ {
		if _, err := p.Send(fd, chargenLine(n), sockapi.MSG_NOSIGNAL); err != nil {
			return err
		}
	}
}

// maxRequest bounds the head of an HTTP request.
const maxRequest = 64 << 10

// httpStream answers requests with a page that shows the connection's own
// five-tuple, until the client wants to close.
func httpStream(p *sockapi.Proc, fd int) error {
	var pending []byte
	for {
		head, rest, err := readHead(p, fd, pending)
		if err != nil || head == "" {
			return err
		}
		pending = rest
		line, _, _ := strings.Cut(head, "\r\n")
		parts := strings.Fields(line)
		last := len(parts) < 3 || parts[2] == "HTTP/1.0" || strings.Contains(strings.ToLower(head), "\r\nconnection: close")
		if _, err := p.Send(fd, httpAnswer(p, fd, parts, last), sockapi.MSG_NOSIGNAL); err != nil || last {
			return err
		}
	}
}

// readHead reads up to the empty line that ends a request's head. An empty
// head is the end of the stream.
func readHead(p *sockapi.Proc, fd int, pending []byte) (head string, rest []byte, err error) {
	buf := pending
	for {
		if i := strings.Index(string(buf), "\r\n\r\n"); i >= 0 {
			return string(buf[:i+2]), buf[i+4:], nil
		}
		if len(buf) > maxRequest {
			return "", nil, errors.New("request head too long")
		}
		b, err := p.Recv(fd, 4096, 0)
		if err != nil || len(b) == 0 {
			return "", nil, err
		}
		buf = append(buf, b...)
	}
}

func httpAnswer(p *sockapi.Proc, fd int, request []string, last bool) []byte {
	status, body := "200 OK", fiveTupleText(p, fd)
	switch {
	case len(request) < 3 || !strings.HasPrefix(request[2], "HTTP/1."):
		status, body = "400 Bad Request", "that is not an HTTP/1 request\n"
	case request[0] != "GET" && request[0] != "HEAD":
		status, body = "405 Method Not Allowed", "this server answers GET and HEAD\n"
	}
	connection := "keep-alive"
	if last {
		connection = "close"
	}
	head := fmt.Sprintf("HTTP/1.1 %s\r\nServer: fivetuple\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n",
		status, now(p).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), len(body), connection)
	if len(request) > 0 && request[0] == "HEAD" {
		body = ""
	}
	return []byte(head + body)
}

func fiveTupleText(p *sockapi.Proc, fd int) string {
	local, err1 := p.Getsockname(fd)
	remote, err2 := p.Getpeername(fd)
	if err1 != nil || err2 != nil {
		return "the connection is gone\n"
	}
	unmap := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	local, remote = unmap(local), unmap(remote)
	return fmt.Sprintf("This connection is named by five things:\n\n"+
		"  protocol     tcp\n  local IP     %s\n  local port   %d\n  remote IP    %s\n  remote port  %d\n\n"+
		"Local is this server, remote is you. It is descriptor %d of process %s (pid %d).\n",
		local.Addr(), local.Port(), remote.Addr(), remote.Port(), fd, p.Name, p.PID)
}
