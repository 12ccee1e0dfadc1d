package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// listen makes an echo server in the namespace.
func (s *served) listen(addr string) {
	s.t.Helper()
	s.in(func() error {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			s.t.Cleanup(func() { l.Close() })
			go echoAll(l)
		}
		return err
	})
}

// TestPublish: what connects to a published port reaches a program in the
// namespace, over both versions of IP, and sees when nobody is there; both
// five-tuples can be seen.
func TestPublish(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	dir := t.TempDir()
	s, p := behindGateway(t, dir, "--jsonl", "s.jsonl", "--publish", "8080:70", "--publish", "[::1]:8080:70",
		"--publish", outside4+":9000-9001:[fd77::1]:70", "--publish", "81:81", "--publish", "5353:53/udp")
	s.listen("10.77.0.1:70")
	s.listen("[fd77::1]:70")
	for _, at := range []string{"127.0.0.1:8080", "[::1]:8080", outside4 + ":9000"} {
		c, err := net.Dial("tcp", at)
		require.NoError(t, err)
		echoRandom(t, c, 8<<20)
	}
	s.answer("10.77.0.1:53")
	u, err := net.Dial("udp", "127.0.0.1:5353")
	require.NoError(t, err)
	roundTrip(t, u)
	u.Close()
	_, err = net.Dial("tcp", outside4+":8080")
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "it is published at 127.0.0.1 alone")
	for _, at := range []string{"127.0.0.1:81", outside4 + ":9001"} {
		c, err := net.Dial("tcp", at)
		if err == nil { // else the reset was there before Dial had looked
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		require.ErrorIs(t, err, syscall.ECONNRESET, "nobody listens inside")
	}
	c, err := net.Dial("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	roundTrip(t, c)
	here := c.LocalAddr().String()

	ctl := "@" + filepath.Join(dir, "gate.sock")
	require.Regexp(t, `(?m)^tcp +open +10\.77\.0\.1:70 +<- 10\.77\.0\.2:\d+ +\d+ +127\.0\.0\.1:8080 +<- `+here+` +\d+ +\d+ +\d+$`,
		tool(t, nil, "fivetuple", "gateway", ctl))
	require.Regexp(t, `(?m)^ESTAB .* 10\.77\.0\.2:\d+ +10\.77\.0\.1:70 +users:\(\("gateway",pid=\d+,fd=\d+\)\)`, tool(t, nil, "fivetuple", "ss", ctl, "-tanp"))
	c.Close()
	p.stop()
	require.Regexp(t, `\ngateway: \d+ flows open; 4 tcp, 1 udp, 0 echo so far; 2 refused,.*; 5 flows through published ports\n`, p.stderr())
	events := read(t, dir, "s.jsonl")
	require.Regexp(t, `"inside: tcp 10\.77\.0\.2:\d+ -> 10\.77\.0\.1:70, for `+here+` -> 127\.0\.0\.1:8080"`, events)
	require.Contains(t, events, `inside: tcp connect [fd77::1]:71: connection refused (ECONNREFUSED), for `)
}

// TestPublishCommand: ports are published and given back while the session runs,
// and what is wrong is said.
func TestPublishCommand(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	dir := t.TempDir()
	s, p := behindGateway(t, dir, "-q", "--publish", "8080-8081:70")
	s.listen("10.77.0.1:90")
	ctl := "@" + filepath.Join(dir, "gate.sock")
	require.Regexp(t, `\ntcp +127\.0\.0\.1:8080-8081 +10\.77\.0\.1:70-71 +0\n$`, tool(t, nil, "fivetuple", "publish", ctl))
	require.Regexp(t, `\ntcp +127\.0\.0\.1:9000 +10\.77\.0\.1:90 +0\nudp +0\.0\.0\.0:5353 +10\.77\.0\.1:53 +0\n$`,
		tool(t, nil, "fivetuple", "publish", ctl, "add", "9000:90", "0.0.0.0:5353:53/udp"))
	c, err := net.Dial("tcp", "127.0.0.1:9000")
	require.NoError(t, err)
	roundTrip(t, c)
	require.Regexp(t, `\ntcp +127\.0\.0\.1:9000 +10\.77\.0\.1:90 +1\n$`, tool(t, nil, "fivetuple", "publish", ctl, "del", "8080-8081", "0.0.0.0:5353/udp"))
	for _, at := range []string{"127.0.0.1:8080", "127.0.0.1:8081"} {
		_, err := net.Dial("tcp", at)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	for want, args := range map[string][]string{
		"9001: tcp 127.0.0.1:9001 is not published":          {"del", "9000", "9001"},
		"9000:91: tcp 127.0.0.1:9000 leads to 10.77.0.1:90;": {"del", "9000:91"},
		"9000 is named twice":                                {"del", "9000", "9000"},
	} {
		b := start(t, dir, "fivetuple", append([]string{"publish", ctl}, args...)...)
		require.Equal(t, 2, b.wait())
		require.Contains(t, b.stderr(), want)
	}
	require.Contains(t, tool(t, nil, "fivetuple", "publish", ctl), "127.0.0.1:9000", "of what cannot be done whole, nothing is")
	require.NotContains(t, tool(t, nil, "fivetuple", "publish", ctl, "del", "9000:90"), "127.0.0.1")
	roundTrip(t, c) // it has come in before
	c.Close()
	for want, args := range map[string][]string{
		"is not published":       {"del", "9000"},
		"there is one port":      {"del", "x"},
		"which ports?":           {"add"},
		"list, add and del":      {"remove", "9000"},
		"is no port":             {"add", "9000:http"},
		"address already in use": {"add", outside4 + ":7:70"},
		"published already":      {"add", "9000:1", "9000:2"},
	} {
		b := start(t, dir, "fivetuple", append([]string{"publish", ctl}, args...)...)
		require.Equal(t, 2, b.wait())
		require.Contains(t, b.stderr(), want)
	}
	require.NotContains(t, tool(t, nil, "fivetuple", "publish", ctl), "127.0.0.1", "of what failed, nothing is left")
	p.stop()
}

// TestPublishStarved: when the process has no descriptor left, who comes in is reset
// and does not wait for ever; once there is one again, the next one comes in.
func TestPublishStarved(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	dir := t.TempDir()
	s, p := behindGateway(t, dir, "-q", "--publish", "8080:70", "--jsonl", "s.jsonl")
	s.listen("10.77.0.1:70")
	limit := unix.Rlimit{Cur: uint64(highestFD(t, p.cmd.Process.Pid) + 5), Max: 1024}
	require.NoError(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil))
	try := func() (net.Conn, error) {
		c, err := net.Dial("tcp", "127.0.0.1:8080")
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		return c, err
	}
	var open []net.Conn
	c, err := try()
	for ; err == nil; c, err = try() {
		open = append(open, c)
		require.Less(t, len(open), int(limit.Cur), "no more than there are descriptors")
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = try()
	require.ErrorIs(t, err, syscall.ECONNRESET, "each of them")
	require.NotEmpty(t, open)
	for _, c := range open {
		c.Close()
	}
	for c, err = try(); err != nil; c, err = try() { // their flows end soon
		require.NoError(t, t.Context().Err())
	}
	c.Close()
	p.stop()
	require.Equal(t, 1, strings.Count(read(t, dir, "s.jsonl"), "no descriptor is left for an outside socket"))
}

// highestFD is the highest descriptor of a process.
func highestFD(t *testing.T, pid int) (high int) {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	for _, e := range list {
		n, err := strconv.Atoi(e.Name())
		require.NoError(t, err)
		high = max(high, n)
	}
	return high
}

// TestPublishRecorded: what comes in through published ports, TCP and UDP, also ports
// that were published later and a port that could not be had, is replayed to the byte.
func TestPublishRecorded(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	dir := t.TempDir()
	s, p := behindGateway(t, dir, "-q", "--publish", "8080:70", "--publish", "0.0.0.0:5353:53/udp", "--record", "s.ft")
	s.listen("10.77.0.1:70")
	s.answer("10.77.0.1:53")
	ctl := "@" + filepath.Join(dir, "gate.sock")
	tool(t, nil, "fivetuple", "publish", ctl, "add", "9000-9001:70")
	taken := start(t, dir, "fivetuple", "publish", ctl, "add", "9002:70", outside4+":7:70")
	require.Equal(t, 2, taken.wait())
	for _, at := range []string{"127.0.0.1:8080", "127.0.0.1:9000"} {
		c, err := net.Dial("tcp", at)
		require.NoError(t, err)
		echoRandom(t, c, 1<<20)
	}
	c, err := net.Dial("tcp", "127.0.0.1:9001")
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET, "nobody listens at port 71")
	u, err := net.Dial("udp", "127.0.0.7:5353")
	require.NoError(t, err)
	roundTrip(t, u)
	u.Close()
	tool(t, nil, "fivetuple", "publish", ctl, "del", "9000-9001", "0.0.0.0:5353/udp")
	p.stop()
	requireSameElsewhere(t, dir, "s.ft")
}

// answer makes a UDP server in the namespace.
func (s *served) answer(addr string) {
	s.t.Helper()
	s.in(func() error {
		c, err := net.ListenPacket("udp", addr)
		if err == nil {
			s.t.Cleanup(func() { c.Close() })
			go answerAll(c)
		}
		return err
	})
}

// TestPublishTaken: a port that cannot be had ends the command before anything
// is answered, and the error names port and remedy.
func TestPublishTaken(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	p := start(t, t.TempDir(), "fivetuple", "up", "--gateway", "--netns", otherNamespace(t), "--publish", outside4+":7:70")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.stderr(), "--publish 192.0.2.5:7:10.77.0.1:70: 192.0.2.5:7: address already in use (EADDRINUSE); another program has the port")
}

// TestPublications: the address inside is the first of that version, and one that
// no connection would reach is refused.
func TestPublications(t *testing.T) {
	both := []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("10.2.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
	own := []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
	for _, tc := range []struct {
		text string
		have []netip.Prefix
		want string
	}{
		{"8080:80", both, "127.0.0.1:8080:10.1.0.1:80"},
		{"[::]:8080:80", both, "[::]:8080:[fd77::1]:80"},
		{"8080:10.9.0.1:80/udp", both, "127.0.0.1:8080:10.9.0.1:80/udp"},
		{"8080:[fd77::1]:80", both[:2], `"8080:[fd77::1]:80": the inside has no IPv6 address, so nothing reaches fd77::1: choose one of 10.1.0.1/24 10.2.0.1/24`},
		{"[::1]:8080:80", both[:2], `the inside has no IPv6 address: write which one is meant, as [::1]:8080:10.1.0.1:80`},
		{"8080:127.0.0.1:80", both, "let the program listen at 10.1.0.1 or at all addresses, and write 127.0.0.1:8080:10.1.0.1:80"},
		{"8080:10.1.0.2:80", both, "10.1.0.2 is the stack's own address; that of the inside is 10.1.0.1"},
		{"80", both, "there is one port"},
	} {
		out, err := publications([]string{tc.text}, tc.have, own)
		if err != nil {
			require.ErrorContains(t, err, tc.want)
			continue
		}
		require.Equal(t, tc.want, out[0].String())
	}
}
