package sockapi_test

import (
	"bytes"
	"net/netip"
	"testing"

	"fivetuple/sim"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

func bAddrOf(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// TestSocketpairBlocks: a full pair blocks its writer until the reader takes
// something, and nothing is lost: more than both buffers hold goes through.
func TestSocketpairBlocks(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var got []byte
	inWorld(t, func(p *sockapi.Proc) {
		fds, err := p.Socketpair(sockapi.AF_UNIX, stream, 0)
		require.NoError(t, err)
		p.Fork(func(child *sockapi.Proc) error {
			require.NoError(t, child.Close(fds[0]))
			for {
				b, err := child.Recv(fds[1], 7777, 0)
				if err != nil || len(b) == 0 {
					return err
				}
				got = append(got, b...)
			}
		})
		require.NoError(t, p.Close(fds[1]))
		n, err := p.Send(fds[0], want, 0)
		require.NoError(t, err)
		require.Equal(t, len(want), n)
	})
	require.True(t, bytes.Equal(want, got), "got %d bytes of %d", len(got), len(want))
}

// TestSocketpairEpoll: a pair wakes an epoll instance, edge-triggered, when it
// becomes readable and when its peer goes.
func TestSocketpairEpoll(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		fds, err := p.Socketpair(sockapi.AF_UNIX, sockapi.SOCK_SEQPACKET, 0)
		require.NoError(t, err)
		ep, err := p.EpollCreate(0)
		require.NoError(t, err)
		require.NoError(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, fds[0],
			sockapi.EpollEvent{Events: sockapi.EPOLLIN | sockapi.EPOLLRDHUP | sockapi.EPOLLET, Data: 7}))
		p.Go(func(q *sockapi.Proc) error {
			q.Sleep(5 * ms)
			_, err := q.Send(fds[1], []byte("message"), 0)
			q.Sleep(5 * ms)
			require.NoError(t, q.Close(fds[1]))
			return err
		})
		got, err := p.EpollWait(ep, 1, -1)
		require.NoError(t, err)
		require.Equal(t, []sockapi.EpollEvent{{Events: sockapi.EPOLLIN, Data: 7}}, got)
		require.Equal(t, 5*ms, p.Now())
		b, err := p.Recv(fds[0], 3, 0)
		require.NoError(t, err)
		require.Equal(t, "mes", string(b), "the rest of a message is lost")
		got, err = p.EpollWait(ep, 1, -1)
		require.NoError(t, err)
		require.Equal(t, sockapi.EPOLLIN|sockapi.EPOLLRDHUP|sockapi.EPOLLHUP, got[0].Events)
	})
}

// TestPacketSocketSends: a cooked socket's frame gets the link's header, and
// arrives as any other packet does.
func TestPacketSocketSends(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	t.Cleanup(w.Close)
	c := &collector{}
	w.Bus().Attach(c)
	var hosts []*sim.Host
	for _, name := range []string{"a", "b"} {
		h, err := w.AddHost(sim.HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(map[string]string{"a": "10.0.0.1/24", "b": "10.0.0.2/24"}[name])}})
		require.NoError(t, err)
		hosts = append(hosts, h)
	}
	lan := w.AddSwitch("lan")
	for _, h := range hosts {
		_, err := lan.Attach(h, sim.LinkConfig{})
		require.NoError(t, err)
	}
	hosts[1].Spawn("sniff", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_PACKET, sockapi.SOCK_RAW, sockapi.ETH_P_ALL)
		require.NoError(t, err)
		frame, from, err := p.RecvfromLink(s, 100, 0)
		require.NoError(t, err)
		require.Equal(t, "\x02\x00\x00\x00\x02\x01"+"\x02\x00\x00\x00\x01\x01"+"\x88\xb5"+"hello", string(frame[:19]))
		require.Equal(t, sockapi.LinkAddr{Ifindex: 2, Protocol: 0x88b5, Addr: [6]byte{2, 0, 0, 0, 1, 1}}, from)
		return nil
	})
	hosts[0].Spawn("send", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_PACKET, dgram, 0x88b5) // for local experiments: IEEE 802
		require.NoError(t, err)
		_, err = p.SendtoLink(s, []byte("hello"), 0, sockapi.LinkAddr{Ifindex: 2, Protocol: 0x88b5, Addr: [6]byte{2, 0, 0, 0, 2, 1}})
		require.NoError(t, err)
		require.ErrorIs(t, p.BindLink(s, sockapi.LinkAddr{Ifindex: 9}), sockapi.ENODEV)
		require.NoError(t, p.BindLink(s, sockapi.LinkAddr{Ifindex: 2}))
		at, err := p.GetsocknameLink(s)
		require.NoError(t, err)
		require.Equal(t, sockapi.LinkAddr{Ifindex: 2, Protocol: 0x88b5}, at)
		return nil
	})
	require.NoError(t, w.Run(t.Context(), sim.UntilQuiet))
	require.Empty(t, bodies[*trace.Warning](c))
}

// TestErrorQueueIsOnesOwn: an ICMP error reaches the socket whose packet it
// quotes, and no other that asked for errors.
func TestErrorQueueIsOnesOwn(t *testing.T) {
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, nil, func(p *sockapi.Proc) {
		var socks [3]int
		for i := range socks {
			s, err := p.Socket(inet, dgram, 0)
			require.NoError(t, err)
			require.NoError(t, p.Bind(s, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(6000+i))))
			require.NoError(t, p.Setsockopt(s, sockapi.IPPROTO_IP, sockapi.IP_RECVERR, true))
			socks[i] = s
		}
		require.NoError(t, p.Connect(socks[2], bAddrOf("10.0.0.2:8")))
		_, err := p.Sendto(socks[1], []byte("who?"), 0, bAddrOf("10.0.0.2:9"))
		require.NoError(t, err)
		p.Sleep(50 * ms)
		for i, s := range socks {
			m := sockapi.Msg{Iov: [][]byte{make([]byte, 100)}}
			n, err := p.Recvmsg(s, &m, sockapi.MSG_ERRQUEUE)
			if i != 1 {
				require.ErrorIs(t, err, sockapi.EAGAIN, "socket %d", i)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "who?", string(m.Iov[0][:n]))
			require.Equal(t, []sockapi.Cmsg{{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_RECVERR, Value: sockapi.ExtendedErr{
				Errno: sockapi.ECONNREFUSED, Origin: sockapi.SO_EE_ORIGIN_ICMP, Type: 3, Code: 3, Offender: netip.MustParseAddr("10.0.0.2")}}}, m.Control)
		}
	})
}

// TestControlNotHonoured: what netstack cannot send with is refused, and a
// warning says so; nothing is sent.
func TestControlNotHonoured(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, dgram, 0)
		require.NoError(t, err)
		for _, m := range []sockapi.Cmsg{
			{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_TOS, Value: 8},
			{Level: sockapi.IPPROTO_IP, Type: sockapi.IP_PKTINFO, Value: sockapi.PktInfo{SpecDst: lo4}},
			{Level: sockapi.SOL_SOCKET, Type: 1, Value: "SCM_RIGHTS"},
		} {
			_, err := p.Sendmsg(s, &sockapi.Msg{Name: bAddrOf("127.0.0.1:9"), Iov: [][]byte{{1}}, Control: []sockapi.Cmsg{m}}, 0)
			require.ErrorIs(t, err, sockapi.EINVAL)
		}
	})
	require.Len(t, warnings(c), 3)
	require.Contains(t, warnings(c)[1], "IP_PKTINFO")
	require.Empty(t, bodies[*trace.Packet](c))
}

// TestGetaddrinfo compares with what glibc's manual says: order, errors, and
// what the hints leave out.
func TestGetaddrinfo(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("2001:db8::9")
	for _, tc := range []struct {
		name, node, service string
		hints               sockapi.AddrInfo
		want                string // addresses, or the error
	}{
		{"a name", "dual", "80", sockapi.AddrInfo{SockType: stream}, "10.0.0.9:80 [2001:db8::9]:80"}, // a has IPv4 alone
		{"of one family", "dual", "http", sockapi.AddrInfo{Family: inet6, SockType: stream}, "[2001:db8::9]:80"},
		{"configured families", "dual", "80", sockapi.AddrInfo{SockType: stream, Flags: sockapi.AI_ADDRCONFIG}, "10.0.0.9:80"},
		{"mapped", "v4only", "80", sockapi.AddrInfo{Family: inet6, SockType: stream, Flags: sockapi.AI_V4MAPPED}, "[::ffff:10.0.0.9]:80"},
		{"a host of the world", "b", "80", sockapi.AddrInfo{SockType: stream}, "10.0.0.2:80"},
		{"upper case", "DUAL", "80", sockapi.AddrInfo{Family: inet, SockType: stream}, "10.0.0.9:80"},
		{"a number", "192.0.2.1", "53", sockapi.AddrInfo{SockType: dgram}, "192.0.2.1:53"},
		{"loopback", "", "80", sockapi.AddrInfo{SockType: stream}, "[::1]:80 127.0.0.1:80"},
		{"to bind", "", "80", sockapi.AddrInfo{SockType: stream, Flags: sockapi.AI_PASSIVE}, "0.0.0.0:80 [::]:80"},
		{"no service", "b", "", sockapi.AddrInfo{SockType: stream}, "10.0.0.2:0"},
		{"any type", "b", "domain", sockapi.AddrInfo{}, "10.0.0.2:53 10.0.0.2:53"},
		{"nothing", "", "", sockapi.AddrInfo{}, "EAI_NONAME"},
		{"no such host", "nowhere", "80", sockapi.AddrInfo{}, "EAI_NONAME"},
		{"a name, by number", "b", "80", sockapi.AddrInfo{Flags: sockapi.AI_NUMERICHOST}, "EAI_NONAME"},
		{"a service, by number", "b", "http", sockapi.AddrInfo{Flags: sockapi.AI_NUMERICSERV}, "EAI_NONAME"},
		{"no such service", "b", "nonesuch", sockapi.AddrInfo{SockType: stream}, "EAI_SERVICE"},
		{"a service of UDP alone", "b", "tftp", sockapi.AddrInfo{SockType: stream}, "EAI_SERVICE"},
		{"a number of the other family", "10.0.0.1", "80", sockapi.AddrInfo{Family: inet6}, "EAI_FAMILY"},
		{"a family that is none", "b", "80", sockapi.AddrInfo{Family: 77}, "EAI_FAMILY"},
		{"a type that is none", "b", "80", sockapi.AddrInfo{SockType: 77}, "EAI_SOCKTYPE"},
		{"flags that are none", "b", "80", sockapi.AddrInfo{Flags: 1 << 20}, "EAI_BADFLAGS"},
		{"a canonical name of nothing", "", "80", sockapi.AddrInfo{Flags: sockapi.AI_CANONNAME}, "EAI_BADFLAGS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, nil, func(p *sockapi.Proc) {
				p.Netdb().AddHost("dual", v6, v4)
				p.Netdb().AddHost("v4only", v4)
				got := ""
				found, err := p.Getaddrinfo(tc.node, tc.service, tc.hints)
				for _, a := range found {
					got += " " + a.Addr.String()
				}
				if eai := sockapi.EAI(0); err != nil {
					require.ErrorAs(t, err, &eai)
					got = " " + eai.Name()
				}
				require.Equal(t, " "+tc.want, got)
			})
		})
	}
}

// TestRawSocketIsListed: a raw socket is in the host's list as ss -w has it, its
// protocol in the place of the port; a pair and a packet socket are not in it.
func TestRawSocketIsListed(t *testing.T) {
	w := sim.New(sim.Config{})
	t.Cleanup(w.Close)
	h, err := w.AddHost(sim.HostConfig{Name: "h"})
	require.NoError(t, err)
	h.Spawn("p", func(p *sockapi.Proc) error {
		_, err := p.Socket(inet, sockapi.SOCK_RAW, sockapi.IPPROTO_ICMP)
		require.NoError(t, err)
		_, err = p.Socket(sockapi.AF_PACKET, sockapi.SOCK_RAW, sockapi.ETH_P_ALL)
		require.NoError(t, err)
		_, err = p.Socketpair(sockapi.AF_UNIX, stream, 0)
		require.NoError(t, err)
		socks := h.Stack().AllSockets()
		require.Len(t, socks, 1)
		require.Equal(t, "raw", socks[0].Proto)
		require.Equal(t, bAddrOf("0.0.0.0:1"), socks[0].Local)
		require.Equal(t, 3, socks[0].Holders[0].FD)
		require.Len(t, p.FDs(), 4)
		return nil
	})
	require.NoError(t, w.Run(t.Context(), sim.UntilQuiet))
}
