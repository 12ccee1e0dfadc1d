package main

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a blocking socket of the kernel: no poller and no second thread
// stand between a packet and the client.
type socket int

// patience is after how long what hangs fails.
const patience = 10 * time.Second

// connect makes a connection from the network namespace of the calling thread.
// No call on it takes longer than timeout.
func connect(to netip.AddrPort, timeout time.Duration) (socket, error) {
	family, addr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(to.Port())})
	if to.Addr().Is6() {
		family, addr = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	} else {
		addr.(*unix.SockaddrInet4).Addr = to.Addr().As4()
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), // no TIME-WAIT
		unix.Connect(fd, addr))
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return socket(fd), nil
}

func (c socket) Read(b []byte) (int, error) {
	n, err := unix.Read(int(c), b)
	for err == unix.EINTR { // Go's preemption; a socket with a timeout does not restart
		n, err = unix.Read(int(c), b)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), named(err)
}

func (c socket) Write(b []byte) (int, error) {
	n, err := unix.Write(int(c), b)
	for err == unix.EINTR {
		n, err = unix.Write(int(c), b)
	}
	return max(n, 0), named(err)
}

// named says what a socket's timeout is.
func named(err error) error {
	if err == unix.EAGAIN {
		return errors.New("nothing moved until the time-out")
	}
	return err
}

func (c socket) close() { _ = unix.Close(int(c)) }

// echo sends one byte and waits until it comes back.
func (c socket) echo() error {
	b := []byte("x")
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := c.Read(b)
	return err
}
