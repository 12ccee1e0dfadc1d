package main

import (
	"bytes"
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
	page := ""
	r := headReader{s: s, fd: fd}
	for {
		head, err := r.next()
		if err != nil || head == "" {
			return err
		}
		if page == "" {
			page = fiveTupleText(s, fd)
		}
		line, _, _ := strings.Cut(head, "\r\n")
		words := strings.Fields(line)
		last := len(words) < 3 || words[2] == "HTTP/1.0" || !readsOnly(words[0]) || // a body may follow
			wantsClose(head)
		if _, err := s.Send(fd, httpAnswer(s, page, words, last), sockapi.MSG_NOSIGNAL); err != nil || last {
			return err
		}
	}
}

// wantsClose reports whether a Connection field of a request's head has the option
// close (RFC 9110, 7.6.1).
func wantsClose(head string) bool {
	for line := range strings.SplitSeq(head, "\r\n") {
		name, list, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "Connection") {
			continue
		}
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "close") {
				return true
			}
		}
	}
	return false
}

// readsOnly reports whether the method is one that this server answers.
func readsOnly(method string) bool { return method == "GET" || method == "HEAD" }

// headReader takes the heads of requests from a connection.
type headReader struct {
	s    session
	fd   int
	buf  [4096]byte
	rest []byte // what has come behind the last head
}

// next reads up to the empty line that ends a request's head. An empty head is
// the end of the stream.
func (r *headReader) next() (head string, err error) {
	for {
		if i := bytes.Index(r.rest, []byte("\r\n\r\n")); i >= 0 {
			head, r.rest = string(r.rest[:i+2]), r.rest[i+4:]
			return head, nil
		}
		if len(r.rest) > maxRequest {
			return "", errors.New("request head too long")
		}
		n, err := r.s.RecvInto(r.fd, r.buf[:], 0)
		if err != nil || n == 0 {
			return "", err
		}
		if len(r.rest) == 0 {
			r.rest = nil // its memory need not grow for ever
		}
		r.rest = append(r.rest, r.buf[:n]...)
	}
}

func httpAnswer(s session, page string, request []string, last bool) []byte {
	status, body := "200 OK", page
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
