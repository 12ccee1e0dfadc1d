package main

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"fivetuple/internal/ss"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSSAsLinux makes sockets in a namespace of its own, and compares what
// iproute2's ss prints about them with what ours prints about their like: byte
// for byte, but for the order of lines and blanks at their ends.
func TestSSAsLinux(t *testing.T) {
	requireTool(t, "ss")
	path, err := exec.LookPath("ss")
	if err != nil {
		t.Fatal(err)
	}
	if !inNamespaces(t, unix.CLONE_NEWNET, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN) {
		return
	}
	out, err := exec.Command("sh", "-c", "ip link set lo up && ip addr add 10.0.0.2/24 dev lo").CombinedOutput()
	require.NoError(t, err, "%s", out)
	socks := linuxSockets(t)
	for _, args := range []string{
		"-tan", "-tn", "-tln", "-tanp", "-tano", "-tanH", "-tuan", "-tunl", "-uln", "-un", "-uan", "-tunapH", "-4tan", "-6tan", "-tano6",
		"-tn state established", "-tn state listening", "-tan exclude established", "-tuan state big",
		"-tan sport = :80", "-tan ( dport = :80 or sport gt :40000 ) and dst 10.0.0.0/8", "-tuan not src 10.0.0.2", "-tan dst [::1]",
		"-tan sport :80 dport != :40000", "-tuanp dst 10.0.0.2:80 | sport = :53",
	} {
		t.Run(args, func(t *testing.T) {
			want, err := exec.Command(path, strings.Fields(args)...).CombinedOutput()
			require.NoError(t, err, "%s", want)
			q, err := ss.Parse(args)
			require.NoError(t, err)
			var got bytes.Buffer
			require.NoError(t, q.Write(&got, socks, nil))
			require.Equal(t, sortedLines(string(want)), sortedLines(got.String()))
		})
	}
}

func sortedLines(s string) []string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	slices.Sort(lines)
	return lines
}

// linuxSockets makes real sockets, and describes them as a host of ours would.
func linuxSockets(t *testing.T) []trace.Socket {
	comm, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	var out []trace.Socket
	describe := func(fd int, proto string, state trace.TCPState, local, remote string) *trace.Socket {
		k := trace.Socket{State: state, FiveTuple: trace.FiveTuple{Proto: proto, Local: netip.MustParseAddrPort(local)}, V6: local[0] == '['}
		if remote != "" {
			k.Remote = netip.MustParseAddrPort(remote)
		}
		if fd >= 0 {
			k.Holders = []trace.Origin{{Proc: strings.TrimSpace(string(comm)), PID: os.Getpid(), FD: fd, HasFD: true}}
		}
		out = append(out, k)
		return &out[len(out)-1]
	}
	at := func(ip string, port int) unix.Sockaddr {
		a := netip.MustParseAddr(ip)
		if a.Is4() {
			return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
		}
		return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
	}
	open := func(family, typ int, local unix.Sockaddr, opts ...int) int {
		fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		for i := 0; i < len(opts); i += 2 {
			require.NoError(t, unix.SetsockoptInt(fd, opts[i], opts[i+1], 1))
		}
		require.NoError(t, unix.Bind(fd, local))
		return fd
	}
	listener := open(unix.AF_INET, unix.SOCK_STREAM, at("10.0.0.2", 80))
	require.NoError(t, unix.Listen(listener, 16))
	describe(listener, "tcp", trace.Listen, "10.0.0.2:80", "").SendQ = 16
	dual := open(unix.AF_INET6, unix.SOCK_STREAM, at("::", 8080))
	require.NoError(t, unix.Listen(dual, 5))
	k := describe(dual, "tcp", trace.Listen, "[::]:8080", "")
	k.SendQ, k.RecvQ = 5, 2
	only := open(unix.AF_INET6, unix.SOCK_STREAM, at("::", 81), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	require.NoError(t, unix.Listen(only, 4096))
	k = describe(only, "tcp", trace.Listen, "[::]:81", "")
	k.SendQ, k.V6Only = 4096, true

	client := open(unix.AF_INET, unix.SOCK_STREAM, at("10.0.0.2", 40000), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	require.NoError(t, unix.Connect(client, at("10.0.0.2", 80)))
	conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	require.NoError(t, err)
	_, err = unix.Write(conn, make([]byte, 500))
	require.NoError(t, err)
	k = describe(client, "tcp", trace.Established, "10.0.0.2:40000", "10.0.0.2:80")
	k.RecvQ, k.Timer = 500, trace.SocketTimer{Kind: "keepalive", Left: 2*time.Hour - time.Second}
	describe(conn, "tcp", trace.Established, "10.0.0.2:80", "10.0.0.2:40000")
	six := open(unix.AF_INET6, unix.SOCK_STREAM, at("::1", 40006))
	require.NoError(t, unix.Connect(six, at("::1", 8080)))
	describe(six, "tcp", trace.Established, "[::1]:40006", "[::1]:8080")
	describe(-1, "tcp", trace.Established, "[::1]:8080", "[::1]:40006") // not accepted
	four := open(unix.AF_INET, unix.SOCK_STREAM, at("10.0.0.2", 40007))
	require.NoError(t, unix.Connect(four, at("10.0.0.2", 8080)))
	describe(four, "tcp", trace.Established, "10.0.0.2:40007", "10.0.0.2:8080")
	describe(-1, "tcp", trace.Established, "10.0.0.2:8080", "10.0.0.2:40007").V6 = true

	domain := open(unix.AF_INET, unix.SOCK_DGRAM, at("0.0.0.0", 53))
	describe(domain, "udp", trace.Closed, "0.0.0.0:53", "")
	asker := open(unix.AF_INET, unix.SOCK_DGRAM, at("10.0.0.2", 5000))
	require.NoError(t, unix.Connect(asker, at("10.0.0.2", 53)))
	describe(asker, "udp", trace.Established, "10.0.0.2:5000", "10.0.0.2:53")
	return out
}
