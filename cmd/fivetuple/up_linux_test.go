package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Addresses of the live tests: the stack's end, and the kernel's.
const (
	lab4, lab6   = "10.77.0.2", "fd77::2"
	host4, host6 = "10.77.0.1", "fd77::1"
)

var labs = []struct{ name, addr string }{{"IPv4", lab4}, {"IPv6", lab6}}

// patience is when a peer that does not answer fails a test instead of hanging
// it. Answers take milliseconds.
const patience = time.Minute

// isLive reports whether this is the process that runs the test, in a network
// namespace of its own.
func isLive(t *testing.T) bool {
	t.Helper()
	return inNamespaces(t, unix.CLONE_NEWNET, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN)
}

func upArgs(more ...string) []string {
	return append([]string{"up", "--addr", lab4 + "/24", "--addr", lab6 + "/64",
		"--host-addr", host4 + "/24", "--host-addr", host6 + "/64"}, more...)
}

// up starts all services with all outputs in dir, and waits until they answer.
func up(t *testing.T, dir string, more ...string) *process {
	t.Helper()
	args := upArgs("-q", "--serve", "echo,http,discard,daytime,chargen",
		"--pcap", "s.pcapng", "--jsonl", "s.jsonl", "--ladder", "s.txt")
	p := start(t, dir, "fivetuple", append(args, more...)...)
	p.await("up: ")
	return p
}

// stop ends a session as Ctrl-C does.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(p.t, p.wait(), p.stderr())
}

// tool runs a program that must succeed, and returns its output.
func tool(t *testing.T, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	requireTool(t, name)
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &complaints
	require.NoError(t, cmd.Run(), "%s\n%s%s", cmd, &out, &complaints)
	return out.String()
}

// requests is how often each HTTP client asks.
const requests = 1000

// TestUpHTTP: every curl is answered, each on a connection of its own, and a
// client that keeps its connection is answered on that one.
func TestUpHTTP(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	t.Run("curl", func(t *testing.T) {
		for range requests {
			page := tool(t, nil, "curl", "-sSf", "--max-time", "60", "http://"+lab4+"/")
			require.Contains(t, page, "local IP     "+lab4+"\n  local port   80\n  remote IP    "+host4+"\n")
		}
		require.Contains(t, tool(t, nil, "curl", "-sSf", "--max-time", "60", "http://["+lab6+"]/"), "remote IP    "+host6+"\n")
	})
	for _, lab := range labs {
		t.Run("keep-alive "+lab.name, func(t *testing.T) { keepAlive(t, lab.addr) })
	}
	p.stop()
	require.Contains(t, read(t, dir, "s.txt"), "SYN-RECEIVED", "the ladder shows the handshake")
	requireValid(t, dir)
}

func keepAlive(t *testing.T, addr string) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	connections := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused {
			connections++
		}
	}})
	first := ""
	for range requests {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(addr, "80"), nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		if first == "" {
			first = string(page)
		}
		require.Equal(t, first, string(page), "the same five-tuple each time")
	}
	require.Equal(t, 1, connections)
}

// TestUpHTTPClose: a client that asks for it, in whatever way it writes that, has its
// connection closed.
func TestUpHTTPClose(t *testing.T) {
	if !isLive(t) {
		return
	}
	p := up(t, t.TempDir())
	for _, field := range []string{"Connection: close", "connection:close", "Connection: keep-alive, Close"} {
		c := dial(t, "tcp", lab4, "80")
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: lab\r\n"+field+"\r\n\r\n")
		require.NoError(t, err)
		all, err := io.ReadAll(c)
		require.NoError(t, err, field)
		require.Contains(t, string(all), "\r\nConnection: close\r\n")
		require.NoError(t, c.Close())
	}
	p.stop()
}

// TestUpPing: no echo request is lost, however fast they come.
func TestUpPing(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	for _, args := range [][]string{{"-4", lab4}, {"-6", lab6}} {
		out := tool(t, nil, "ping", append([]string{"-c", "100", "-i", "0.002", "-W", "30"}, args...)...)
		require.Contains(t, out, "100 packets transmitted, 100 received, 0% packet loss")
	}
	p.stop()
	requireValid(t, dir)
}

// echoBytes is what nc sends and gets back.
const echoBytes = 10_000_000

// TestUpEcho: ten megabytes come back as they were sent, and so do datagrams.
func TestUpEcho(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	sent := make([]byte, echoBytes)
	rand.NewChaCha8([32]byte{7}).Read(sent)
	for _, lab := range labs {
		t.Run("TCP "+lab.name, func(t *testing.T) {
			got := tool(t, bytes.NewReader(sent), "nc", "-N", lab.addr, "7")
			require.Len(t, got, len(sent))
			require.Equal(t, sha256.Sum256(sent), sha256.Sum256([]byte(got)))
		})
		t.Run("UDP "+lab.name, func(t *testing.T) { echoDatagrams(t, lab.addr, sent) })
	}
	p.stop()
	requireValid(t, dir)
}

// echoDatagrams sends datagrams of many sizes, the largest in fragments.
func echoDatagrams(t *testing.T, addr string, data []byte) {
	c := dial(t, "udp", addr, "7")
	defer c.Close()
	buf := make([]byte, 65536)
	for _, size := range []int{1, 100, 1000, 1452, 1473, 9000, 60000} {
		_, err := c.Write(data[:size])
		require.NoError(t, err)
		n, err := c.Read(buf)
		require.NoError(t, err, "%d bytes", size)
		require.True(t, bytes.Equal(data[:size], buf[:n]), "%d bytes", size)
	}
}

// dial connects from the kernel's side.
func dial(t *testing.T, network, addr, port string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, net.JoinHostPort(addr, port), patience)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// roundTrip sends a byte to the echo service and waits for it.
func roundTrip(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

// TestUpServices: discard takes everything, daytime tells the time, chargen
// sends what RFC 864 asks for.
func TestUpServices(t *testing.T) {
	if !isLive(t) {
		return
	}
	p := up(t, t.TempDir())
	discard := dial(t, "tcp", lab4, "9")
	n, err := discard.Write(make([]byte, echoBytes))
	require.NoError(t, err)
	require.Equal(t, echoBytes, n)
	require.NoError(t, discard.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(discard)
	require.NoError(t, err)
	require.Empty(t, rest)

	for _, network := range []string{"tcp", "udp"} {
		c := dial(t, network, lab4, "13")
		_, err := c.Write([]byte("?"))
		require.NoError(t, err)
		line := make([]byte, 100)
		n, err := c.Read(line)
		require.NoError(t, err)
		at, err := time.Parse("Monday, January 2, 2006 15:04:05-MST\r\n", string(line[:n]))
		require.NoError(t, err)
		require.Less(t, time.Since(at).Abs(), 26*time.Hour, "the wall clock's time, in some zone")
	}

	chargen := dial(t, "tcp", lab6, "19")
	text := make([]byte, 2*95*74)
	_, err = io.ReadFull(chargen, text)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\r\n")
	require.Equal(t, ` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`+"`abcdefg", lines[0])
	require.Equal(t, lines[0][1:]+"h", lines[1])
	require.Equal(t, lines[:95], lines[95:190], "it starts over after 95 lines")
	require.NoError(t, chargen.Close())
	p.stop()
}

// TestUpSockets: while connections are open, the table that the stack prints
// at the end is the mirror image of the kernel's.
func TestUpSockets(t *testing.T) {
	if !isLive(t) {
		return
	}
	dir := t.TempDir()
	p := up(t, dir)
	// Packets cross the device in order: when an echo comes back, the
	// connections before it are established at both ends.
	for _, lab := range labs {
		for _, port := range []string{"9", "80", "7", "7"} {
			c := dial(t, "tcp", lab.addr, port)
			defer c.Close()
			if port == "7" {
				roundTrip(t, c)
			}
		}
	}
	kernel := connections(t, tool(t, nil, "ss", "-H", "-t", "-n"), 0)
	require.Len(t, kernel, 8)
	p.stop()
	ours := connections(t, p.stderr(), 1)
	for i, c := range ours {
		ours[i] = connection{c.remote, c.local}
	}
	require.ElementsMatch(t, kernel, ours)
	for _, fd := range []string{`("echo",pid=1,fd=4)`, `("echo",pid=1,fd=7)`, `("http",pid=3,fd=4)`, `("discard",pid=4,fd=5)`} {
		require.Contains(t, p.stderr(), fd)
	}
	require.Contains(t, p.stderr(), `("echo-udp",pid=2,fd=3)`)
	requireValid(t, dir)
}

// connection is an established TCP connection as one end sees it.
type connection struct{ local, remote netip.AddrPort }

// connections reads ss's table, ours or the kernel's, whose state is in the
// given column.
func connections(t *testing.T, table string, state int) (cs []connection) {
	t.Helper()
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) < state+5 || words[state] != "ESTAB" {
			continue
		}
		local, err := netip.ParseAddrPort(words[state+3])
		require.NoError(t, err, line)
		remote, err := netip.ParseAddrPort(words[state+4])
		require.NoError(t, err, line)
		cs = append(cs, connection{unmap(local), unmap(remote)})
	}
	slices.SortFunc(cs, func(a, b connection) int { return a.local.Compare(b.local) })
	return cs
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
