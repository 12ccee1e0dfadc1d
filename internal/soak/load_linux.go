package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// fileSize is that of the file that is downloaded.
const fileSize = 1 << 30

// load is everything at once.
func (s *soak) load(ctx context.Context) error {
	sum, err := s.makeFile()
	if err != nil {
		return err
	}
	near, err := s.up(0, "--serve", "echo,iperf3", "--files", s.dir+"/files")
	if err != nil {
		return err
	}
	far, err := s.up(1, "--serve", "echo", "--netem", "delay 40ms loss 1%")
	if err != nil {
		return err
	}
	if err := near.echo(1 << 20); err != nil {
		return err
	}
	before, err := near.rss()
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.iperf(limit, near) })
	all.Go(func() { s.download(limit, near, sum) })
	all.Go(func() { s.pings(limit, near) })
	all.Go(func() { s.typing(limit, far) })
	all.Go(func() { s.looks(limit, near) })
	all.Wait()
	after, err := near.rss()
	s.claim("memory under load", err, "%d MiB before, %d MiB after %v", before>>20, after>>20, s.duration)
	s.ends("the near session", near)
	s.ends("the far session", far)
	return ctx.Err()
}

// makeFile writes the file that is downloaded, and returns its hash.
func (s *soak) makeFile() (sum string, err error) {
	if err := os.MkdirAll(s.dir+"/files", 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(s.dir + "/files/random")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{1}), fileSize)
	return fmt.Sprintf("%x", h.Sum(nil)), errors.Join(err, f.Close())
}

// iperf runs iperf3's client in its ways of use, one after the other.
func (s *soak) iperf(ctx context.Context, v *session) {
	ways := [][]string{nil, {"-R"}, {"-P", "4"}, {"--bidir"}}
	tests, total, failed := 0, 0.0, error(nil)
	for n := 0; ctx.Err() == nil && failed == nil; n++ {
		args := append([]string{"-J", "-t", "5", "-c", v.addr.String()}, ways[n%len(ways)]...)
		out, err := tool(context.WithoutCancel(ctx), "iperf3", args...)
		var r struct {
			End struct {
				Received struct{ Bytes float64 } `json:"sum_received"`
			}
		}
		if failed = errors.Join(err, json.Unmarshal([]byte(out), &r)); failed == nil && r.End.Received.Bytes == 0 {
			failed = fmt.Errorf("iperf3 %v: nothing was received", args)
		}
		tests, total = tests+1, total+r.End.Received.Bytes
	}
	s.claim("iperf3 -c, -R, -P 4, --bidir", failed, "%d tests, %.1f GB", tests, total/1e9)
}

// download fetches the file again and again, and compares its hash.
func (s *soak) download(ctx context.Context, v *session, sum string) {
	n, failed := 0, error(nil)
	for ctx.Err() == nil && failed == nil {
		h := sha256.New()
		cmd := exec.Command("curl", "-sS", "--fail", "http://"+v.addr.String()+"/random")
		var complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = h, &complaints
		if err := cmd.Run(); err != nil {
			failed = fmt.Errorf("curl: %w: %s", err, complaints.String())
		} else if got := fmt.Sprintf("%x", h.Sum(nil)); got != sum {
			failed = fmt.Errorf("the SHA-256 is %s, the file's is %s", got, sum)
		}
		n++
	}
	s.claim("curl of 1 GiB", failed, "%d times", n)
}

var received = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// pings floods. Linux drops what does not fit into the device's queue, so some may be
// lost beside the load: how many is printed, and most have to come back.
func (s *soak) pings(ctx context.Context, v *session) {
	sent, back, failed := 0, 0, error(nil)
	for ctx.Err() == nil && failed == nil {
		out, err := tool(context.WithoutCancel(ctx), "ping", "-f", "-q", "-c", "10000", v.addr.String())
		if m := received.FindStringSubmatch(out); m != nil {
			a, _ := strconv.Atoi(m[1])
			b, _ := strconv.Atoi(m[2])
			sent, back = sent+a, back+b
		} else {
			failed = errors.Join(err, fmt.Errorf("ping: %q", out))
		}
	}
	if failed == nil && back*10 < sent*9 {
		failed = errors.New("more than a tenth is lost")
	}
	s.claim("ping -f -c 10000", failed, "%d sent, %d answered", sent, back)
}

// keystroke is how often a person at a terminal presses a key.
const keystroke = 100 * time.Millisecond

// typing is a session as over ssh: one connection, small writes, each of which is
// echoed before the next.
func (s *soak) typing(ctx context.Context, v *session) {
	c, err := v.dial(7)
	keys := 0
	if err == nil {
		defer c.Close()
		tick := time.NewTicker(keystroke)
		defer tick.Stop()
		for ctx.Err() == nil && err == nil {
			<-tick.C
			line := []byte(fmt.Sprintf("key %d\n", keys))
			got := make([]byte, len(line))
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err = c.Write(line); err == nil {
				_, err = io.ReadFull(c, got)
			}
			if err == nil && !bytes.Equal(line, got) {
				err = fmt.Errorf("sent %q, got %q", line, got)
			}
			keys++
		}
	}
	s.claim("one session over 40 ms and 1 % loss", err, "%d keys, each echoed", keys)
}

// looks asks the session now and then what it is doing.
func (s *soak) looks(ctx context.Context, v *session) {
	n, failed := 0, error(nil)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil && failed == nil {
		<-tick.C
		for _, args := range [][]string{{"ss", v.control(), "-tani"}, {"stats", v.control()}, {"fds", v.control()}} {
			if _, err := s.command(context.WithoutCancel(ctx), args...); err != nil {
				failed = err
			}
			n++
		}
	}
	s.claim("ss, stats and fds beside the load", failed, "%d answers", n)
}

// echo sends n random bytes to the echo service, and compares what comes back.
func (v *session) echo(n int) error {
	c, err := v.dial(7)
	if err != nil {
		return err
	}
	defer c.Close()
	return echoOn(c, n)
}

func echoOn(c io.ReadWriter, n int) error {
	sent, got := make([]byte, n), make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(sent)
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		done <- err
	}()
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return errors.New("what came back is not what was sent")
	}
	return <-done
}
