package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fivetuple/internal/tunbench/services"

	"golang.org/x/sys/unix"
)

// send writes for some time and waits until everything has been read.
func send(c socket, d time.Duration) (total int, err error) {
	buf := make([]byte, services.IOSize)
	for end := time.Now().Add(d); total == 0 || time.Now().Before(end); {
		n, err := c.Write(buf)
		if total += n; err != nil {
			return total, err
		}
	}
	if err := unix.Shutdown(int(c), unix.SHUT_WR); err != nil {
		return total, err
	}
	if _, err := c.Read(buf); err != io.EOF {
		return total, fmt.Errorf("waiting for the server to close: %w", orAnswer(err))
	}
	return total, nil
}

// orAnswer names what a read that should have failed gave instead.
func orAnswer(err error) error {
	if err == nil {
		return errors.New("it answered")
	}
	return err
}

func receive(c socket, d time.Duration) (total int, err error) {
	buf := make([]byte, services.IOSize)
	for end := time.Now().Add(d); total == 0 || time.Now().Before(end); {
		n, err := c.Read(buf)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// bulk measures a transfer on some connections at once: Gbit/s, and the
// server's CPU seconds per GiB.
func (s *server) bulk(name string, streams int, to netip.AddrPort, transfer func(socket, time.Duration) (int, error), d time.Duration) error {
	conns := make([]socket, 0, streams)
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	err := s.client.do(func() error {
		for range streams {
			c, err := connect(to, patience)
			if err != nil {
				return err
			}
			conns = append(conns, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var moved atomic.Int64
	used, elapsed, err := s.timed(streams, func(w int) error {
		n, err := transfer(conns[w], d)
		moved.Add(int64(n))
		return err
	})
	if err != nil {
		return err
	}
	n := float64(moved.Load())
	s.add(name, n*8/1e9/elapsed.Seconds())
	s.add(name+"-cpu", used.Seconds()/(n/(1<<30)))
	return nil
}

// timed runs f in some threads of the client's namespace, and returns the time
// that it took and the processor time of the server meanwhile.
func (s *server) timed(workers int, f func(worker int) error) (used, elapsed time.Duration, err error) {
	before, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	errs := make([]error, workers)
	start := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { errs[w] = s.client.do(func() error { return f(w) }) })
	}
	wg.Wait()
	elapsed = time.Since(start)
	after, err := s.cpu()
	return after - before, elapsed, errors.Join(append(errs, err)...)
}

// roundTrips measures the time until one byte comes back: median and 99th
// percentile, in µs.
func (s *server) roundTrips(d time.Duration) error {
	var times []float64
	_, _, err := s.timed(1, func(int) error {
		c, err := connect(s.to(7), patience)
		if err != nil {
			return err
		}
		defer c.close()
		for end := time.Now().Add(d); ; {
			start := time.Now()
			if len(times) > 0 && start.After(end) {
				return nil
			}
			if err := c.echo(); err != nil {
				return err
			}
			times = append(times, float64(time.Since(start).Nanoseconds())/1000)
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(times)
	s.add("rtt", median(times))
	s.add("rtt-p99", times[len(times)*99/100])
	return nil
}

// rate calls f in n threads until d is over: calls a second, and the server's
// processor time for each in µs.
func (s *server) rate(name string, n int, d time.Duration, f func(worker int) error) error {
	var total atomic.Int64
	start := time.Now()
	used, elapsed, err := s.timed(n, func(w int) error {
		for {
			if err := f(w); err != nil {
				return err
			}
			if total.Add(1); time.Since(start) >= d {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	s.add(name, float64(total.Load())/elapsed.Seconds())
	s.add(name+"-cpu", float64(used.Microseconds())/float64(total.Load()))
	return nil
}

// connections measures connections a second: each is made, echoes a byte, and
// is reset.
func (s *server) connections(name string, clients int, d time.Duration) error {
	return s.rate(name, clients, d, func(int) error {
		c, err := connect(s.to(7), patience)
		if err != nil {
			return err
		}
		defer c.close()
		return c.echo()
	})
}

var (
	request = []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
	blank   = []byte("\r\n\r\n")
)

// requests measures HTTP requests a second on connections that are kept.
func (s *server) requests(clients int, d time.Duration) error {
	conns, bufs := make([]socket, 0, clients), make([][]byte, clients)
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	for i := range clients {
		c, err := connect(s.to(80), patience)
		if err != nil {
			return err
		}
		conns, bufs[i] = append(conns, c), make([]byte, 4096)
	}
	return s.rate("http", clients, d, func(w int) error {
		if _, err := conns[w].Write(request); err != nil {
			return err
		}
		for n := 0; ; { // an answer is all in one segment, and ends so
			m, err := conns[w].Read(bufs[w][n:])
			if err != nil {
				return err
			}
			if n += m; bytes.Contains(bufs[w][:n], blank) && bytes.HasSuffix(bufs[w][:n], []byte(".\n")) {
				return nil
			}
		}
	})
}

// idleTime is how long connections are opened: what is not open by then is not
// measured.
const idleTime = 8 * time.Second

// idleConnections opens connections one after the other, each of which echoes
// a byte so that it is known to be served, and measures how many a second,
// and the bytes of memory that each has added to the server.
func (s *server) idleConnections(want int) error {
	var conns []socket
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	open := func() error {
		c, err := connect(s.to(7), patience)
		if err != nil {
			return err
		}
		conns = append(conns, c)
		return c.echo()
	}
	if err := open(); err != nil { // what the first one needs for all is not counted
		return err
	}
	before, err := s.memory()
	if err != nil {
		return err
	}
	start, n := time.Now(), 0
	for ; n < want && time.Since(start) < idleTime; n++ {
		if err := open(); err != nil {
			return fmt.Errorf("connection %d: %w", n+1, err)
		}
	}
	elapsed := time.Since(start)
	after, err := s.memory()
	if err != nil {
		return err
	}
	s.add("idle", float64(n))
	s.add("idle-bytes", float64(after-before)/float64(n))
	s.add("idle-rate", float64(n)/elapsed.Seconds())
	return nil
}
