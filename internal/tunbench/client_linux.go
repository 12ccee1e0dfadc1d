package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a blocking socket of the kernel: no poller and no second thread
// stand between a packet and the client.
type socket int

func (s *server) connect(port int) (socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	timeout := unix.Timeval{Sec: 20} // what hangs fails
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), // no TIME-WAIT
		unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: s.addr}))
	return socket(fd), err
}

func (c socket) Read(b []byte) (int, error) {
	n, err := unix.Read(int(c), b)
	for err == unix.EINTR { // Go's preemption; a socket with a timeout does not restart
		n, err = unix.Read(int(c), b)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (c socket) Write(b []byte) (int, error) {
	n, err := unix.Write(int(c), b)
	for err == unix.EINTR {
		n, err = unix.Write(int(c), b)
	}
	return max(n, 0), err
}

func (c socket) close() { _ = unix.Close(int(c)) }

// send writes for some time and waits until everything has been read.
func send(c socket, d time.Duration) (total int, err error) {
	buf := make([]byte, ioSize)
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := c.Write(buf)
		if total += n; err != nil {
			return total, err
		}
	}
	if err := unix.Shutdown(int(c), unix.SHUT_WR); err != nil {
		return total, err
	}
	if _, err := c.Read(buf); err != io.EOF {
		return total, errors.New("the server answered")
	}
	return total, nil
}

func receive(c socket, d time.Duration) (total int, err error) {
	buf := make([]byte, ioSize)
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := c.Read(buf)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// bulk measures a transfer on one connection: Gbit/s, and the server's CPU
// seconds per GiB.
func (s *server) bulk(name string, port int, transfer func(socket, time.Duration) (int, error), d time.Duration) error {
	c, err := s.connect(port)
	if err != nil {
		return err
	}
	defer c.close()
	before, err := s.cpu()
	if err != nil {
		return err
	}
	start := time.Now()
	n, err := transfer(c, d)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	after, err := s.cpu()
	if err != nil {
		return err
	}
	s.add(name, float64(n)*8/1e9/seconds)
	s.add(name+"-cpu", (after-before).Seconds()/(float64(n)/(1<<30)))
	return nil
}

func (s *server) add(name string, v float64) { s.results[name] = append(s.results[name], v) }

// roundTrips measures the median time until one byte comes back, in µs.
func (s *server) roundTrips(d time.Duration) error {
	c, err := s.connect(7)
	if err != nil {
		return err
	}
	defer c.close()
	var times []time.Duration
	b := []byte("x")
	for end := time.Now().Add(d); ; {
		start := time.Now()
		if start.After(end) {
			break
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		if _, err := c.Read(b); err != nil {
			return err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	s.add("rtt", float64(times[len(times)/2].Nanoseconds())/1000)
	return nil
}

// parallel calls f in n threads until d is over, and returns the calls a second.
func parallel(n int, d time.Duration, f func(worker int) error) (float64, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	total, failed := 0, error(nil)
	start := time.Now()
	for w := range n {
		wg.Go(func() {
			done, err := 0, error(nil)
			for err == nil && time.Since(start) < d {
				if err = f(w); err == nil {
					done++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += done
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return float64(total) / time.Since(start).Seconds(), failed
}

// connections measures connections a second: each is made, echoes a byte, and
// is reset.
func (s *server) connections(name string, clients int, d time.Duration) error {
	rate, err := parallel(clients, d, func(int) error {
		c, err := s.connect(7)
		if err != nil {
			return err
		}
		defer c.close()
		b := []byte("x")
		if _, err := c.Write(b); err != nil {
			return err
		}
		_, err = c.Read(b)
		return err
	})
	s.add(name, rate)
	return err
}

// requests measures HTTP requests a second on connections that are kept.
func (s *server) requests(clients int, d time.Duration) error {
	conns, bufs := make([]socket, clients), make([][]byte, clients)
	for i := range conns {
		var err error
		if conns[i], err = s.connect(80); err != nil {
			return err
		}
		defer conns[i].close()
		bufs[i] = make([]byte, 4096)
	}
	request := []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
	rate, err := parallel(clients, d, func(w int) error {
		if _, err := conns[w].Write(request); err != nil {
			return err
		}
		for n := 0; ; { // an answer is all in one segment, and ends so
			m, err := conns[w].Read(bufs[w][n:])
			if err != nil {
				return err
			}
			if n += m; bytes.Contains(bufs[w][:n], []byte("\r\n\r\n")) && bytes.HasSuffix(bufs[w][:n], []byte(".\n")) {
				return nil
			}
		}
	})
	s.add("http", rate)
	return err
}
