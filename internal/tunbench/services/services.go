// Package services has the services of `fivetuple up` that tunbench uses, for
// listeners of any stack: echo, discard, chargen and http. The kernel's own TCP
// and the peers are measured with them.
package services

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// IOSize is how many bytes a bulk transfer reads or writes at a time.
const IOSize = 256 << 10

// Ports are the services, by TCP port.
var Ports = map[uint16]func(net.Conn){7: echo, 9: discard, 19: chargen, 80: page}

// Start listens on every port of Ports and returns: each connection is served
// by a goroutine of its own, and closed when its service is over. The error is
// of the first port that could not be listened on.
func Start(listen func(port uint16) (net.Listener, error)) error {
	for port, serve := range Ports {
		l, err := listen(port)
		if err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
		go accept(l, serve)
	}
	return nil
}

// accept serves until its listener is closed; any other end ends the program,
// which would be measured wrongly without one of its services.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "accept on %s: %v\n", l.Addr(), err)
			os.Exit(1)
		}
		go func() {
			serve(c)
			_ = c.Close()
		}()
	}
}

func echo(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
		if n == len(buf) && n < IOSize {
			buf = make([]byte, IOSize)
		}
	}
}

func discard(c net.Conn) {
	buf := make([]byte, IOSize)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func chargen(c net.Conn) {
	text := []byte(strings.Repeat("0123456789abcdef", IOSize/16))
	for {
		if _, err := c.Write(text); err != nil {
			return
		}
	}
}

func page(c net.Conn) {
	var pending []byte
	buf := make([]byte, 4096)
	for {
		i := strings.Index(string(pending), "\r\n\r\n")
		if i < 0 {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			pending = append(pending, buf[:n]...)
			continue
		}
		words := strings.Fields(string(pending[:i]))
		pending = pending[i+4:]
		if len(words) < 2 {
			return // not a request of ours
		}
		if _, err := c.Write([]byte(answer(c, words[1]))); err != nil {
			return
		}
	}
}

// answer is the page that `up` serves, for a path, with its head.
func answer(c net.Conn, path string) string {
	body := fmt.Sprintf("This connection is named by five things:\n\n"+
		"  protocol     tcp\n  local IP     %s\n  remote IP    %s\n\nYou asked for %s.\n", c.LocalAddr(), c.RemoteAddr(), path)
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: tunbench\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s",
		time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), len(body), body)
}
