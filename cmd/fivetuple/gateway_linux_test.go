package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"fivetuple/tun"

	"github.com/stretchr/testify/require"
)

// The outside of the gateway's tests: addresses that the test's namespace has
// on lo. The machine's own 203.0.113.0/24 leads nowhere.
const (
	outside4, outside6 = "192.0.2.5", "2001:db8::5"
	nowhere            = "203.0.113.7:80"
)

// served is a namespace whose only way out is a gateway.
type served struct {
	t  *testing.T
	ns string
}

// makeOutside gives this namespace the outside: echo servers on port 7, and UDP
// servers on port 53.
func makeOutside(t *testing.T) {
	t.Helper()
	require.NoError(t, tun.LoopbackUp())
	for _, a := range []string{outside4 + "/32", outside6 + "/128"} {
		tool(t, nil, "ip", "addr", "add", a, "dev", "lo", "nodad")
	}
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0))
	for _, a := range []string{outside4, outside6, "127.0.0.1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(a, "7"))
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go echoAll(l)
	}
	for _, a := range []string{outside4, outside6} {
		c, err := net.ListenPacket("udp", net.JoinHostPort(a, "53"))
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		go answerAll(c)
	}
}

// otherNamespace makes a network namespace, and returns the number of a process there.
func otherNamespace(t *testing.T) string {
	t.Helper()
	sleeper := exec.CommandContext(t.Context(), "sleep", "infinity")
	sleeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	return strconv.Itoa(sleeper.Process.Pid)
}

// behindGateway makes a namespace, and starts `up --gateway` for it.
func behindGateway(t *testing.T, dir string, more ...string) (*served, *process) {
	t.Helper()
	pid := otherNamespace(t)
	args := append([]string{"up", "--gateway", "--netns", pid, "--control", filepath.Join(dir, "gate.sock")}, more...)
	p := start(t, dir, "fivetuple", args...)
	p.await("; gateway of /proc/" + pid + "/ns/net")
	return &served{t, "/proc/" + pid + "/ns/net"}, p
}

func echoAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c)
			c.Close()
		}()
	}
}

func answerAll(c net.PacketConn) {
	b := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(b[:n], from)
	}
}

// in calls f in the namespace.
func (s *served) in(f func() error) {
	s.t.Helper()
	require.NoError(s.t, tun.InNamespace(s.ns, f))
}

// dial is net.Dial there.
func (s *served) dial(network, addr string) (c net.Conn, err error) {
	return c, tun.InNamespace(s.ns, func() error {
		c, err = net.DialTimeout(network, addr, 20*time.Second)
		return err
	})
}

// run runs a program there, and returns its output.
func (s *served) run(name string, args ...string) string {
	s.t.Helper()
	requireTool(s.t, name)
	var out []byte
	s.in(func() (err error) {
		out, err = exec.CommandContext(s.t.Context(), name, args...).CombinedOutput()
		return err
	})
	return string(out)
}

// TestGateway: programs in a namespace reach the outside, over every kind of
// device: bytes of TCP in both directions, datagrams and pings, IPv4 and IPv6;
// and they hear what is wrong there.
func TestGateway(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	t.Run("offload", func(t *testing.T) { passGateway(t, "-q") })
	t.Run("raw", func(t *testing.T) { passGateway(t, "--device", "raw", "--jsonl", "s.jsonl") })
	t.Run("water", func(t *testing.T) { passGateway(t, "-q", "--device", "water") })
}

func passGateway(t *testing.T, more ...string) {
	dir := t.TempDir()
	s, p := behindGateway(t, dir, append(more, "--gateway-map", "10.77.0.9:70=127.0.0.1:7")...)
	for _, a := range []string{outside4, outside6} {
		c, err := s.dial("tcp", net.JoinHostPort(a, "7"))
		require.NoError(t, err)
		echoRandom(t, c, 8<<20)
		_, err = s.dial("tcp", net.JoinHostPort(a, "8"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		u, err := s.dial("udp", net.JoinHostPort(a, "53"))
		require.NoError(t, err)
		roundTrip(t, u)
		u.Close()
		// After its last request ping waits for as long as the interval alone.
		require.Contains(t, s.run("ping", "-c", "2", "-i", "0.5", a), " 0% packet loss")
	}
	_, err := s.dial("tcp", nowhere)
	require.ErrorIs(t, err, syscall.ENETUNREACH)
	_, err = s.dial("tcp", "10.77.0.9:7")
	require.Error(t, err, "the mapping is for port 70")
	c, err := s.dial("tcp", "10.77.0.9:70")
	require.NoError(t, err)
	roundTrip(t, c)
	here := c.LocalAddr().String()

	ctl := "@" + filepath.Join(dir, "gate.sock")
	require.Regexp(t, `(?m)^tcp +open +`+here+` +-> 10\.77\.0\.9:70 +\d+ +127\.0\.0\.1:\d+ +-> 127\.0\.0\.1:7 +\d+ +\d+ +\d+$`,
		tool(t, nil, "fivetuple", "gateway", ctl))
	require.Contains(t, tool(t, nil, "fivetuple", "stats", ctl), "\ngateway: ")
	require.Regexp(t, `(?m)^ESTAB .* 10\.77\.0\.9:70 +`+here+` +users:\(\("gateway",pid=\d+,fd=\d+\)\)`, tool(t, nil, "fivetuple", "ss", ctl, "-tanp"))
	c.Close()
	p.stop()
	require.Regexp(t, `\ngateway: \d+ flows open; 3 tcp, 2 udp, 2 echo so far; `, p.stderr())
	if _, err := os.Stat(filepath.Join(dir, "s.jsonl")); err == nil {
		require.Regexp(t, `"outside: tcp 192\.0\.2\.5:\d+ -> 192\.0\.2\.5:7, for 10\.77\.0\.1:\d+ -> 192\.0\.2\.5:7"`, read(t, dir, "s.jsonl"))
	}
}

// echoRandom sends n random bytes while it receives them, closes its direction,
// and compares by SHA-256.
func echoRandom(t *testing.T, c net.Conn, n int64) {
	t.Helper()
	defer c.Close()
	sent, got := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.MultiWriter(c, sent), io.LimitReader(rand.NewChaCha8([32]byte{7}), n))
		done <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	back, err := io.Copy(got, c)
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, n, back)
	require.Equal(t, fmt.Sprintf("%x", sent.Sum(nil)), fmt.Sprintf("%x", got.Sum(nil)))
}

// TestGatewayNetem: what is behind the gateway is as far away as the link says:
// a handshake cannot take less than a round trip of it. Services of the stack
// itself answer at its own address, and not at others.
func TestGatewayNetem(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	makeOutside(t)
	write(t, dir, "file", "of the stack")
	s, p := behindGateway(t, dir, "--netem", "delay 20ms", "--serve", "echo,http", "--files", dir, "--ladder", "s.txt")
	start := time.Now()
	c, err := s.dial("tcp", outside4+":7")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
	roundTrip(t, c)
	c.Close()
	require.Contains(t, s.run("curl", "-sS", "--max-time", "20", "http://10.77.0.2:8080/file"), "of the stack")
	require.Contains(t, s.run("curl", "-gsS", "--max-time", "20", "http://[fd77::2]/"), "local IP     fd77::2")
	_, err = s.dial("tcp", outside4+":80")
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "the http service is the stack's, not the outside's")
	p.stop()
	require.Regexp(t, `mark: outside: tcp 192\.0\.2\.5:\d+ -> 192\.0\.2\.5:7, for 10\.77\.0\.1:\d+`, read(t, dir, "s.txt"))
}
