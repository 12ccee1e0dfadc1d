package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// replay records a session under load, whose link changes on the way, and runs the
// recording again. The link is slow, since a recording has every byte.
func (s *soak) replay(ctx context.Context) error {
	file := s.dir + "/live.ft"
	v, err := s.up(7, "--serve", "echo,http,iperf3", "--netem", "rate 200mbit", "--record", file)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, s.record)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.iperf(limit, v) })
	all.Go(func() { s.pings(limit, v) })
	all.Go(func() { s.typing(limit, v) })
	all.Go(func() { s.changes(limit, v) })
	all.Wait()
	if err := v.stop(); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	s.claim("up --record", nil, "%d MiB", info.Size()>>20)
	for _, procs := range []string{"1", "2", "8"} {
		s.again(file, procs)
	}
	s.claim("a byte of the recording changed", nil, "%s", s.changed(file))
	return ctx.Err()
}

// changes changes the link now and then.
func (s *soak) changes(ctx context.Context, v *session) {
	failed, n := error(nil), 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for words := []string{"rate 200mbit delay 2ms", "rate 100mbit loss 0.5%", "rate 200mbit"}; ctx.Err() == nil && failed == nil; n++ {
		<-tick.C
		args := append([]string{"link", v.control(), "set"}, strings.Fields(words[n%len(words)])...)
		_, failed = s.command(context.WithoutCancel(ctx), args...)
	}
	s.claim("link set beside the load", failed, "%d times", n)
}

// again replays the recording on so many processors.
func (s *soak) again(file, procs string) {
	cmd := exec.Command(s.bin, "replay", file, "--check")
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	s.claim("replay --check, GOMAXPROCS="+procs, err, "in %v: %s", time.Since(start).Round(time.Millisecond), lastLine(out))
}

// changed flips a bit in the middle, and returns what replay says of it.
func (s *soak) changed(file string) string {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return s.unexpected(err)
	}
	info, err := f.Stat()
	b := make([]byte, 1)
	if err == nil {
		_, err = f.ReadAt(b, info.Size()/2)
	}
	if err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b, info.Size()/2)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return s.unexpected(err)
	}
	out, err := exec.Command(s.bin, "replay", file, "--check").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the file was changed") {
		return s.unexpected(fmt.Errorf("replay said %q", out))
	}
	return lastLine(out)
}

func (s *soak) unexpected(err error) string {
	s.failed++
	return "FAIL: " + err.Error()
}
