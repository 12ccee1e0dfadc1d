package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"fivetuple/sockapi"
)

// maxRequest bounds the head of an HTTP request.
const maxRequest = 64 << 10

// httpStream answers requests with a page that shows the connection's own
// five-tuple, until the client wants to close.
func httpStream(s session, fd int) error {
	var pending []byte
	for {
		head, rest, err := readHead(s, fd, pending)
		if err != nil || head == "" {
			return err
		}
		pending = rest
		line, _, _ := strings.Cut(head, "\r\n")
		words := strings.Fields(line)
		last := len(words) < 3 || words[2] == "HTTP/1.0" || !readsOnly(words[0]) || // a body may follow
			strings.Contains(strings.ToLower(head), "\r\nconnection: close")
		if _, err := s.Send(fd, httpAnswer(s, fd, words, last), sockapi.MSG_NOSIGNAL); err != nil || last {
			return err
		}
	}
}

// readsOnly reports whether the method is one that this server answers.
func readsOnly(method string) bool { return method == "GET" || method == "HEAD" }

// readHead reads up to the empty line that ends a request's head. An empty
// head is the end of the stream.
func readHead(s session, fd int, pending []byte) (head string, rest []byte, err error) {
	buf := pending
	for {
		if i := strings.Index(string(buf), "\r\n\r\n"); i >= 0 {
			return string(buf[:i+2]), buf[i+4:], nil
		}
		if len(buf) > maxRequest {
			return "", nil, errors.New("request head too long")
		}
		b, err := s.Recv(fd, 4096, 0)
		if err != nil || len(b) == 0 {
			return "", nil, err
		}
		buf = append(buf, b...)
	}
}

func httpAnswer(s session, fd int, request []string, last bool) []byte {
	status, body := "200 OK", fiveTupleText(s, fd)
	switch {
	case len(request) < 3 || !strings.HasPrefix(request[2], "HTTP/1."):
		status, body = "400 Bad Request", "that is not an HTTP/1 request\n"
	case !readsOnly(request[0]):
		status, body = "405 Method Not Allowed", "this server answers GET and HEAD\n"
	}
	connection := "keep-alive"
	if last {
		connection = "close"
	}
	head := fmt.Sprintf("HTTP/1.1 %s\r\nServer: fivetuple\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n",
		status, s.wall().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), len(body), connection)
	if len(request) > 0 && request[0] == "HEAD" {
		body = ""
	}
	return []byte(head + body)
}

func fiveTupleText(s session, fd int) string {
	local, err1 := s.Getsockname(fd)
	remote, err2 := s.Getpeername(fd)
	if err1 != nil || err2 != nil {
		return "the connection is gone\n"
	}
	unmap := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	local, remote = unmap(local), unmap(remote)
	return fmt.Sprintf("This connection is named by five things:\n\n"+
		"  protocol     tcp\n  local IP     %s\n  local port   %d\n  remote IP    %s\n  remote port  %d\n\n"+
		"Local is this server, remote is you. It is descriptor %d of process %s (pid %d).\n",
		local.Addr(), local.Port(), remote.Addr(), remote.Port(), fd, s.Name, s.PID)
}
