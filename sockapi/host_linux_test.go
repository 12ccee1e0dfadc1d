package sockapi_test

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hostKit runs a row on the loopback interface of the machine. Nothing in a
// row waits for the network: loopback delivers before the sending call returns.
func hostKit(t *testing.T) *kit {
	k := &kit{kernel: host{}, t: t, real: true}
	t.Cleanup(func() {
		for _, fd := range k.fds {
			_ = unix.Close(fd) // the row may have closed it: nothing else opens descriptors here
		}
	})
	return k
}

func hostErrno(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return sockapi.Errno(e).Name()
	}
	return err.Error()
}

// again repeats a call that a signal interrupts: Go's scheduler sends them, and
// a call with a timeout does not go on by itself (signal(7)).
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// host is Linux itself.
type host struct{}

var _ kernel = host{}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func (host) Socket(family, typ, proto int) (int, error) { return unix.Socket(family, typ, proto) }
func (host) Bind(fd int, a netip.AddrPort) error        { return unix.Bind(fd, sockaddr(a)) }
func (host) Listen(fd, backlog int) error               { return unix.Listen(fd, backlog) }
func (host) Shutdown(fd, how int) error                 { return unix.Shutdown(fd, how) }
func (host) Close(fd int) error                         { return unix.Close(fd) }
func (host) Dup(fd int) (int, error)                    { return unix.Dup(fd) }
func (host) Sleep(time.Duration)                        {}
func (host) Write(fd int, b []byte) (int, error)        { return unix.Write(fd, b) }

func (host) Accept4(fd, flags int) (int, netip.AddrPort, error) {
	var nfd int
	var sa unix.Sockaddr
	err := again(func() (err error) { nfd, sa, err = unix.Accept4(fd, flags); return err })
	return nfd, addrPort(sa), err
}

func (host) Connect(fd int, a netip.AddrPort) error {
	if !a.IsValid() {
		var raw [16]byte // AF_UNSPEC
		return connectRaw(fd, raw[:])
	}
	return unix.Connect(fd, sockaddr(a))
}

func (host) Fcntl(fd, cmd, arg int) (int, error) { return unix.FcntlInt(uintptr(fd), cmd, arg) }

func (host) Getsockname(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	return addrPort(sa), err
}

func (host) Getpeername(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getpeername(fd)
	return addrPort(sa), err
}

func (host) Read(fd, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := unix.Read(fd, b)
	return b[:max(got, 0)], err
}

func (host) Send(fd int, b []byte, flags int) (int, error) {
	n := 0
	err := again(func() (err error) {
		n, err = unix.SendmsgN(fd, b, nil, nil, flags|unix.MSG_NOSIGNAL)
		return err
	})
	return n, err
}

func (host) Sendto(fd int, b []byte, flags int, to netip.AddrPort) (int, error) {
	return unix.SendmsgN(fd, b, nil, sockaddr(to), flags|unix.MSG_NOSIGNAL)
}

func (h host) Recv(fd, n, flags int) ([]byte, error) {
	b, _, err := h.Recvfrom(fd, n, flags)
	return b, err
}

func (host) Recvfrom(fd, n, flags int) ([]byte, netip.AddrPort, error) {
	b := make([]byte, n)
	var got int
	var sa unix.Sockaddr
	err := again(func() (err error) { got, sa, err = unix.Recvfrom(fd, b, flags); return err })
	return b[:min(max(got, 0), n)], addrPort(sa), err
}

func (host) RecvInto(fd int, b []byte, flags int) (int, error) {
	n, _, err := unix.Recvfrom(fd, b, flags)
	return n, err
}

func (host) Poll(fds []sockapi.PollFD, timeout time.Duration) (int, error) {
	raw := make([]unix.PollFd, len(fds))
	for i, f := range fds {
		raw[i] = unix.PollFd{Fd: int32(f.FD), Events: int16(f.Events)}
	}
	n := 0
	err := again(func() (err error) { n, err = unix.Poll(raw, int(timeout.Milliseconds())); return err })
	for i := range raw {
		fds[i].Revents = int(raw[i].Revents)
	}
	return n, err
}

func (host) Setsockopt(fd, level, num int, value any) error {
	switch v := value.(type) {
	case int:
		return unix.SetsockoptInt(fd, level, num, v)
	case bool:
		n := 0
		if v {
			n = 1
		}
		return unix.SetsockoptInt(fd, level, num, n)
	case string:
		return unix.SetsockoptString(fd, level, num, v)
	case time.Duration:
		tv := unix.NsecToTimeval(v.Nanoseconds())
		return unix.SetsockoptTimeval(fd, level, num, &tv)
	case sockapi.Linger:
		l := unix.Linger{Linger: int32(v.Seconds)}
		if v.On {
			l.Onoff = 1
		}
		return unix.SetsockoptLinger(fd, level, num, &l)
	}
	return fmt.Errorf("no such type: %T", value)
}

// Getsockopt returns the value with the type of the option's row.
func (host) Getsockopt(fd, level, num int) (any, error) {
	for _, o := range sockapi.Options() {
		if o.Level != level || o.Num != num {
			continue
		}
		switch o.Type {
		case sockapi.Bool:
			n, err := unix.GetsockoptInt(fd, level, num)
			return n != 0, err
		case sockapi.String:
			return unix.GetsockoptString(fd, level, num)
		case sockapi.LingerT:
			l, err := getsockoptLinger(fd)
			return l, err
		case sockapi.Timeval:
			tv, err := unix.GetsockoptTimeval(fd, level, num)
			if err != nil {
				return nil, err
			}
			return time.Duration(tv.Nano()), err
		}
	}
	return unix.GetsockoptInt(fd, level, num)
}

func getsockoptLinger(fd int) (sockapi.Linger, error) {
	v, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_LINGER)
	return sockapi.Linger{On: uint32(v) != 0, Seconds: int(v >> 32)}, err
}

// connectRaw is connect(2) with an address that package unix cannot write.
func connectRaw(fd int, addr []byte) error {
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), uintptr(len(addr)))
	if e != 0 {
		return e
	}
	return nil
}

func TestErrnoIsSyscallErrno(t *testing.T) {
	// The numbers are Linux's: errors.Is must see through the call's error.
	err := error(&sockapi.Error{Call: "connect", Args: "3", Errno: sockapi.ECONNREFUSED})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotErrorIs(t, err, syscall.ECONNRESET)
	for name, e := range sockapi.Errnos() {
		linux := syscall.Errno(e)
		require.ErrorIs(t, e, linux)
		require.Equal(t, linux.Error(), e.Error(), "text of %s", name)
		if e != sockapi.EOPNOTSUPP { // Linux has a second name for it
			require.Equal(t, name, unix.ErrnoName(linux))
		}
	}
}

// TestConstants compares with the numbers of Linux's headers. The options are
// compared by what they do: see TestOptionsAsLinux.
func TestConstants(t *testing.T) {
	linux := map[string]int{
		"AF_UNSPEC": unix.AF_UNSPEC, "AF_INET": unix.AF_INET, "AF_INET6": unix.AF_INET6,
		"SOCK_STREAM": unix.SOCK_STREAM, "SOCK_DGRAM": unix.SOCK_DGRAM,
		"SOCK_NONBLOCK": unix.SOCK_NONBLOCK, "SOCK_CLOEXEC": unix.SOCK_CLOEXEC,
		"IPPROTO_IP": unix.IPPROTO_IP, "IPPROTO_ICMP": unix.IPPROTO_ICMP, "IPPROTO_TCP": unix.IPPROTO_TCP,
		"IPPROTO_UDP": unix.IPPROTO_UDP, "IPPROTO_IPV6": unix.IPPROTO_IPV6, "IPPROTO_ICMPV6": unix.IPPROTO_ICMPV6,
		"SOL_SOCKET": unix.SOL_SOCKET, "SHUT_RD": unix.SHUT_RD, "SHUT_WR": unix.SHUT_WR, "SHUT_RDWR": unix.SHUT_RDWR,
		"SOMAXCONN": unix.SOMAXCONN, "F_GETFD": unix.F_GETFD, "F_SETFD": unix.F_SETFD,
		"F_GETFL": unix.F_GETFL, "F_SETFL": unix.F_SETFL, "FD_CLOEXEC": unix.FD_CLOEXEC, "O_NONBLOCK": unix.O_NONBLOCK,
		"MSG_OOB": unix.MSG_OOB, "MSG_PEEK": unix.MSG_PEEK, "MSG_TRUNC": unix.MSG_TRUNC, "MSG_DONTWAIT": unix.MSG_DONTWAIT,
		"MSG_WAITALL": unix.MSG_WAITALL, "MSG_ERRQUEUE": unix.MSG_ERRQUEUE, "MSG_NOSIGNAL": unix.MSG_NOSIGNAL, "MSG_MORE": unix.MSG_MORE,
		"POLLIN": unix.POLLIN, "POLLPRI": unix.POLLPRI, "POLLOUT": unix.POLLOUT, "POLLERR": unix.POLLERR,
		"POLLHUP": unix.POLLHUP, "POLLNVAL": unix.POLLNVAL, "POLLRDHUP": unix.POLLRDHUP,
		"EPOLL_CTL_ADD": unix.EPOLL_CTL_ADD, "EPOLL_CTL_DEL": unix.EPOLL_CTL_DEL, "EPOLL_CTL_MOD": unix.EPOLL_CTL_MOD,
		"EPOLL_CLOEXEC": unix.EPOLL_CLOEXEC, "EPOLLIN": unix.EPOLLIN, "EPOLLPRI": unix.EPOLLPRI, "EPOLLOUT": unix.EPOLLOUT,
		"EPOLLERR": unix.EPOLLERR, "EPOLLHUP": unix.EPOLLHUP, "EPOLLRDHUP": unix.EPOLLRDHUP,
		"EPOLLONESHOT": unix.EPOLLONESHOT, "EPOLLET": unix.EPOLLET,
		"AF_UNIX": unix.AF_UNIX, "AF_PACKET": unix.AF_PACKET, "SOCK_RAW": unix.SOCK_RAW, "SOCK_SEQPACKET": unix.SOCK_SEQPACKET,
		"IPPROTO_RAW": unix.IPPROTO_RAW, "IP_ORIGDSTADDR": unix.IP_ORIGDSTADDR,
		"ETH_P_ALL": unix.ETH_P_ALL, "ETH_P_IP": unix.ETH_P_IP, "ETH_P_ARP": unix.ETH_P_ARP, "ETH_P_IPV6": unix.ETH_P_IPV6,
		"PACKET_HOST": unix.PACKET_HOST, "PACKET_BROADCAST": unix.PACKET_BROADCAST, "PACKET_MULTICAST": unix.PACKET_MULTICAST,
		"PACKET_OTHERHOST": unix.PACKET_OTHERHOST, "PACKET_OUTGOING": unix.PACKET_OUTGOING,
		"SIGPIPE": int(unix.SIGPIPE), "SIG_DFL": 0, "SIG_IGN": 1, // the last two are macros of <signal.h>
		"MFD_CLOEXEC": unix.MFD_CLOEXEC, "SEEK_SET": unix.SEEK_SET, "SEEK_CUR": unix.SEEK_CUR, "SEEK_END": unix.SEEK_END,
		// getaddrinfo is the C library's: these are glibc's <netdb.h>.
		"AI_PASSIVE": 0x1, "AI_CANONNAME": 0x2, "AI_NUMERICHOST": 0x4, "AI_V4MAPPED": 0x8, "AI_ALL": 0x10,
		"AI_ADDRCONFIG": 0x20, "AI_NUMERICSERV": 0x400,
		"NI_NUMERICHOST": 1, "NI_NUMERICSERV": 2, "NI_NAMEREQD": 8, "NI_DGRAM": 16,
		"FIONREAD": unix.TIOCINQ, "SIOCINQ": unix.SIOCINQ, "SIOCOUTQ": unix.SIOCOUTQ, "SIOCOUTQNSD": 0x894b, // <linux/sockios.h>
	}
	options := map[string]bool{}
	for _, o := range sockapi.Options() {
		options[o.Name] = true
	}
	for name, got := range sockapi.Constants() {
		if want, ok := linux[name]; ok {
			require.Equal(t, want, got, name)
			continue
		}
		require.True(t, options[name], "%s: add it to this test", name)
	}
}
