package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// spareFiles is how many descriptors this program needs beside its connections.
const spareFiles = 200

// hold keeps idle connections, as many as the limit on descriptors allows.
func (s *soak) hold(ctx context.Context) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	n := min(s.idle, int(min(limit.Max, 1<<20))-spareFiles)
	v, err := s.up(5, "--serve", "echo")
	if err != nil {
		return err
	}
	before, err := v.rss()
	if err != nil {
		return err
	}
	var held []net.Conn
	start := time.Now()
	for len(held) < n && ctx.Err() == nil && err == nil {
		var c net.Conn
		if c, err = v.dial(7); err == nil {
			held = append(held, c)
		}
	}
	took := time.Since(start)
	after, rerr := v.rss()
	for i := 0; i < len(held) && err == nil; i += 100 { // they live
		_ = held[i].SetDeadline(time.Now().Add(patience))
		err = echoOn(held[i], 100)
	}
	for _, c := range held {
		_ = c.Close()
	}
	s.claim("idle connections", errors.Join(err, rerr), "%d of %d asked for, %.0f a second, %.1f KB each (%d MiB, %d MiB)",
		len(held), s.idle, float64(len(held))/took.Seconds(), float64(after-before)/1e3/float64(max(len(held), 1)), before>>20, after>>20)
	s.ends("the session", v)
	return ctx.Err()
}

// Short connections: how many are made at once, and what is too much to have been
// kept of them. The smallest thing that could leak, an end point, has 1.8 KB: of
// 900,000 that would be 1.6 GB. 64 MiB are 75 bytes each.
const (
	clients  = 8
	leakedOK = 64 << 20
)

// churn makes short connections, and compares the memory after the first tenth
// with that at the end.
func (s *soak) churn(ctx context.Context) error {
	v, err := s.up(6, "--serve", "echo")
	if err != nil {
		return err
	}
	start := time.Now()
	if err := v.short(ctx, s.conns/10); err != nil {
		return err
	}
	before, err := v.rss()
	if err != nil {
		return err
	}
	err = v.short(ctx, s.conns-s.conns/10)
	after, rerr := v.rss()
	if err = errors.Join(err, rerr); err == nil && after-before > leakedOK {
		err = fmt.Errorf("it grew by %d MiB", (after-before)>>20)
	}
	s.claim("short connections", err, "%d, %.0f a second; %d MiB after a tenth of them, %d MiB at the end",
		s.conns, float64(s.conns)/time.Since(start).Seconds(), before>>20, after>>20)
	s.ends("the session", v)
	return ctx.Err()
}

// short makes n connections: each echoes a byte, and is reset.
func (v *session) short(ctx context.Context, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, clients)
	var all sync.WaitGroup
	for w := range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil && errs[w] == nil {
				errs[w] = v.once()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (v *session) once() error {
	c, err := v.dial(7)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil { // no TIME-WAIT
		return err
	}
	b := []byte("x")
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = c.Read(b)
	return err
}
