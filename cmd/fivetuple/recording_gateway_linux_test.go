package main

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fivetuple/sim/record"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// serveFirst is a server outside that speaks and closes its direction first: it
// sends n random bytes, and then the sum of what the client sends.
func serveFirst(t *testing.T, addr string, n int64) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, io.LimitReader(rand.NewChaCha8([32]byte{3}), n))
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
}

// hearFirst is its client: it answers after the server's FIN.
func hearFirst(t *testing.T, c net.Conn, n int64) {
	t.Helper()
	want, got := sha256.New(), sha256.New()
	_, err := io.Copy(want, io.LimitReader(rand.NewChaCha8([32]byte{3}), n))
	require.NoError(t, err)
	_, err = io.Copy(got, c)
	require.NoError(t, err)
	require.Equal(t, want.Sum(nil), got.Sum(nil))
	_, err = io.Copy(c, io.LimitReader(rand.NewChaCha8([32]byte{5}), n))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// requireSameElsewhere replays a recording without any privilege, as a user that a
// new user namespace does not know, in a network namespace in which nothing is up.
func requireSameElsewhere(t *testing.T, dir, recording string) {
	t.Helper()
	for _, procs := range []string{"1", "8"} {
		cmd := exec.CommandContext(t.Context(), "fivetuple", "replay", "/dev/stdin", "--check")
		in, err := os.Open(filepath.Join(dir, recording))
		require.NoError(t, err)
		defer in.Close()
		cmd.Stdin = in
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWUSER}
		r := startCmd(t, cmd)
		require.Zero(t, r.wait(), r.stderr())
		require.Contains(t, r.stderr(), "the same, ")
		require.NotContains(t, r.stderr(), "the same, 0 events")
	}
}

// requireUnfit changes what a read has returned, to a connection that was reset, and
// replays that.
func requireUnfit(t *testing.T, dir string) {
	t.Helper()
	r, err := record.NewReader(strings.NewReader(read(t, dir, "live.ft")))
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(dir, "changed.ft"))
	require.NoError(t, err)
	defer out.Close()
	w, err := record.NewWriter(out, r.Header)
	require.NoError(t, err)
	changed := false
	for end := (*record.End)(nil); end == nil; {
		var in *record.Input
		in, end, err = r.Next()
		require.NoError(t, err)
		for q, a, ok := r.Answer(); ok; q, a, ok = r.Answer() {
			if !changed && strings.HasPrefix(string(q), "read ") {
				a, changed = []byte{byte(sockapi.ECONNRESET)}, true
			}
			require.NoError(t, w.Answer(q, a))
		}
		require.NoError(t, w.Sums(r.Sums))
		if r.Sums = nil; in != nil {
			require.NoError(t, w.Input(*in))
		} else {
			require.NoError(t, w.End(*end))
		}
	}
	p := start(t, dir, "fivetuple", "replay", "changed.ft", "--check")
	require.Equal(t, 1, p.wait())
	require.Regexp(t, `^fivetuple: changed\.ft: the trace differs, after [1-9]\d* events that are the same; the next one is here\n  \{.*\n`, p.stderr())
	require.Regexp(t, `changed\.ft: input \d+: before it, the machine is asked to ".*", and was asked to ".*" then: this is not what was recorded\n$`, p.stderr())
}

// TestUpRecordGateway: what the machine's sockets answer to a gateway is
// recorded: connections whose client or server closes first, refused ones,
// datagrams and pings. The replay has no sockets, and the same trace.
func TestUpRecordGateway(t *testing.T) {
	if !isLive(t) {
		return
	}
	makeOutside(t)
	const size = 1 << 20
	for _, a := range []string{outside4, outside6} {
		serveFirst(t, net.JoinHostPort(a, "9"), size)
	}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"impaired", []string{"-q", "--jsonl", "s.jsonl", "--netem", "delay 2ms loss 1%"}},
		{"offload", []string{"-q", "--gateway-flows", "9"}},
		{"water", []string{"--device", "water", "--jsonl", "s.jsonl"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s, p := behindGateway(t, dir, append(tt.args, "--gateway-map", "10.77.0.9:70=127.0.0.1:7", "--record", "live.ft")...)
			for _, a := range []string{outside4, outside6} {
				c, err := s.dial("tcp", net.JoinHostPort(a, "7"))
				require.NoError(t, err)
				echoRandom(t, c, size)
				c, err = s.dial("tcp", net.JoinHostPort(a, "9"))
				require.NoError(t, err)
				hearFirst(t, c, size)
				_, err = s.dial("tcp", net.JoinHostPort(a, "8"))
				require.ErrorIs(t, err, syscall.ECONNREFUSED)
				u, err := s.dial("udp", net.JoinHostPort(a, "53"))
				require.NoError(t, err)
				_, err = u.Write([]byte("x")) // one may be lost
				require.NoError(t, err)
				_ = u.Close()
				_ = s.run("ping", "-c", "3", "-i", "0.01", "-W", "1", a)
			}
			_, err := s.dial("tcp", nowhere)
			require.ErrorIs(t, err, syscall.ENETUNREACH)
			c, err := s.dial("tcp", "10.77.0.9:70")
			require.NoError(t, err)
			roundTrip(t, c)
			p.stop() // with a connection open
			c.Close()

			requireSameElsewhere(t, dir, "live.ft")
			requireUnfit(t, dir)
			r := start(t, dir, "fivetuple", "replay", "live.ft", "--jsonl", "again.jsonl")
			require.Zero(t, r.wait(), r.stderr())
			again := read(t, dir, "again.jsonl")
			require.Regexp(t, `"outside: tcp 192\.0\.2\.5:\d+ -> 192\.0\.2\.5:7, for 10\.77\.0\.1:\d+ -> 192\.0\.2\.5:7"`, again)
			if _, err := os.Stat(filepath.Join(dir, "s.jsonl")); err == nil {
				require.Equal(t, events([]byte(read(t, dir, "s.jsonl"))), events([]byte(again)))
			}
		})
	}
}
