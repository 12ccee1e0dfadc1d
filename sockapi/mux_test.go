package sockapi_test

import (
	"testing"
	"time"

	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// epollKit is a connected pair whose second socket an epoll instance watches.
func epollKit(t *testing.T, events int, f func(k *kit, p *sockapi.Proc, ep, peer, watched int)) {
	t.Helper()
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		peer, watched := k.pair()
		ep, err := p.EpollCreate(0)
		k.must(err)
		k.must(p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, watched, sockapi.EpollEvent{Events: events, Data: 77}))
		f(k, p, ep, peer, watched)
	})
}

// wait0 is an epoll_wait that does not wait.
func wait0(t *testing.T, p *sockapi.Proc, ep int) []sockapi.EpollEvent {
	t.Helper()
	got, err := p.EpollWait(ep, 8, 0)
	require.NoError(t, err)
	return got
}

func send(k *kit, fd int, s string) {
	k.t.Helper()
	_, err := k.Send(fd, []byte(s), 0)
	k.must(err)
	k.settle()
}

var readable = []sockapi.EpollEvent{{Events: sockapi.EPOLLIN, Data: 77}}

// TestEpollLevel: a level-triggered watch reports as long as there is data.
func TestEpollLevel(t *testing.T) {
	epollKit(t, sockapi.EPOLLIN, func(k *kit, p *sockapi.Proc, ep, peer, watched int) {
		require.Empty(t, wait0(t, p, ep))
		send(k, peer, "ab")
		require.Equal(t, readable, wait0(t, p, ep))
		_, err := p.Recv(watched, 1, 0)
		k.must(err)
		require.Equal(t, readable, wait0(t, p, ep), "one byte is left")
		_, err = p.Recv(watched, 1, 0)
		k.must(err)
		require.Empty(t, wait0(t, p, ep))
	})
}

// TestEpollEdge: an edge-triggered watch reports each arrival once, read or not.
func TestEpollEdge(t *testing.T) {
	epollKit(t, sockapi.EPOLLIN|sockapi.EPOLLET, func(k *kit, p *sockapi.Proc, ep, peer, _ int) {
		send(k, peer, "a")
		require.Equal(t, readable, wait0(t, p, ep))
		require.Empty(t, wait0(t, p, ep), "nothing new has come")
		send(k, peer, "b")
		require.Equal(t, readable, wait0(t, p, ep))
	})
}

// TestEpollOneShot: a one-shot watch is off after one report, until it is
// armed again; arming finds what is there already.
func TestEpollOneShot(t *testing.T) {
	const events = sockapi.EPOLLIN | sockapi.EPOLLONESHOT
	epollKit(t, events, func(k *kit, p *sockapi.Proc, ep, peer, watched int) {
		send(k, peer, "a")
		require.Equal(t, readable, wait0(t, p, ep))
		send(k, peer, "b")
		require.Empty(t, wait0(t, p, ep))
		k.must(p.EpollCtl(ep, sockapi.EPOLL_CTL_MOD, watched, sockapi.EpollEvent{Events: events, Data: 77}))
		require.Equal(t, readable, wait0(t, p, ep))
	})
}

// TestEpollWaits: a waiting thread is woken by an arrival, at its instant, and
// a timeout ends the wait at its own.
func TestEpollWaits(t *testing.T) {
	epollKit(t, sockapi.EPOLLIN, func(k *kit, p *sockapi.Proc, ep, peer, _ int) {
		start := p.Now()
		p.Go(func(q *sockapi.Proc) error {
			q.Sleep(5 * ms)
			_, err := q.Send(peer, []byte("x"), 0)
			return err
		})
		got, err := p.EpollWait(ep, 8, time.Second)
		require.NoError(t, err)
		require.Equal(t, readable, got)
		require.Equal(t, 5*ms+time.Microsecond, p.Now()-start, "the send, and lo's delay")
	})
	epollKit(t, sockapi.EPOLLIN, func(_ *kit, p *sockapi.Proc, ep, _, _ int) {
		start := p.Now()
		got, err := p.EpollWait(ep, 8, 3*ms)
		require.NoError(t, err)
		require.Empty(t, got)
		require.Equal(t, 3*ms, p.Now()-start)
	})
}

// TestEpollErrors: the errnos of epoll_ctl(2) and epoll_wait(2), and that a
// socket's last close ends its watches.
func TestEpollErrors(t *testing.T) {
	epollKit(t, sockapi.EPOLLIN, func(k *kit, p *sockapi.Proc, ep, peer, watched int) {
		in := sockapi.EpollEvent{Events: sockapi.EPOLLIN}
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, watched, in), sockapi.EEXIST)
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_MOD, peer, in), sockapi.ENOENT)
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_DEL, peer, in), sockapi.ENOENT)
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, ep, in), sockapi.EINVAL)
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, 0, in), sockapi.EPERM, "/dev/null is always ready")
		require.ErrorIs(t, p.EpollCtl(ep, 9, watched, in), sockapi.EINVAL)
		require.ErrorIs(t, p.EpollCtl(peer, sockapi.EPOLL_CTL_ADD, watched, in), sockapi.EINVAL)
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, 900, in), sockapi.EBADF)
		_, err := p.EpollWait(ep, 0, 0)
		require.ErrorIs(t, err, sockapi.EINVAL)
		_, err = p.EpollWait(peer, 1, 0)
		require.ErrorIs(t, err, sockapi.EINVAL)
		_, err = p.Recv(ep, 1, 0)
		require.ErrorIs(t, err, sockapi.ENOTSOCK)

		send(k, peer, "x")
		k.must(p.Close(watched))
		require.Empty(t, wait0(t, p, ep), "the watch went with the socket")
		require.ErrorIs(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_DEL, watched, in), sockapi.EBADF)
	})
}

// TestSelect: the members of each set that are ready, and only these.
func TestSelect(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		a, b := k.pair()
		send(k, a, "x")
		r, w, e, err := p.Select([]int{a, b}, []int{a, b}, []int{a, b}, time.Second)
		require.NoError(t, err)
		require.Equal(t, []int{b}, r)
		require.Equal(t, []int{a, b}, w)
		require.Empty(t, e)
		start := p.Now()
		r, _, _, err = p.Select([]int{a}, nil, nil, 4*ms)
		require.NoError(t, err)
		require.Empty(t, r)
		require.Equal(t, 4*ms, p.Now()-start)
		_, _, _, err = p.Select([]int{900}, nil, nil, 0)
		require.ErrorIs(t, err, sockapi.EBADF)
		_, _, _, err = p.Select([]int{2000}, nil, nil, 0)
		require.ErrorIs(t, err, sockapi.EINVAL, "beyond FD_SETSIZE")
	})
}

// TestDup2: the number that was asked for, and what it named before is closed.
func TestDup2(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		a, b := k.pair()
		c, d := k.pair()
		n, err := p.Dup2(a, c)
		require.NoError(t, err)
		require.Equal(t, c, n)
		k.settle()
		got, err := p.Recv(d, 9, 0)
		require.NoError(t, err)
		require.Empty(t, got, "c's own connection has ended")
		k.must(p.Close(a))
		send(k, c, "still open")
		got, err = p.Recv(b, 99, 0)
		require.NoError(t, err)
		require.Equal(t, "still open", string(got))
		n, err = p.Dup2(c, c)
		require.NoError(t, err)
		require.Equal(t, c, n)
		n, err = p.Dup2(c, 50)
		require.NoError(t, err)
		require.Equal(t, 50, n)
		_, err = p.Dup2(900, 5)
		require.ErrorIs(t, err, sockapi.EBADF)
	})
}

// TestVectors: buffers are gathered and scattered in order, and a datagram
// that does not fit says so.
func TestVectors(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		a, b := k.pair()
		n, err := p.Writev(a, [][]byte{[]byte("ab"), nil, []byte("cdef")})
		require.NoError(t, err)
		require.Equal(t, 6, n)
		k.settle()
		n, err = p.Ioctl(b, sockapi.FIONREAD)
		require.NoError(t, err)
		require.Equal(t, 6, n)
		iov := [][]byte{make([]byte, 4), make([]byte, 9)}
		n, err = p.Readv(b, iov)
		require.NoError(t, err)
		require.Equal(t, 6, n)
		require.Equal(t, "abcd", string(iov[0]))
		require.Equal(t, "ef", string(iov[1][:2]))

		u, addr := k.bound(inet, dgram)
		v, from := k.bound(inet, dgram)
		n, err = p.Sendmsg(v, &sockapi.Msg{Name: addr, Iov: [][]byte{[]byte("hello "), []byte("world")}}, 0)
		require.NoError(t, err)
		require.Equal(t, 11, n)
		k.settle()
		m := sockapi.Msg{Iov: [][]byte{make([]byte, 3), make([]byte, 2)}}
		n, err = p.Recvmsg(u, &m, 0)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.Equal(t, sockapi.MSG_TRUNC, m.Flags)
		require.Equal(t, from, m.Name)
		require.Equal(t, "hello", string(m.Iov[0])+string(m.Iov[1]))
	})
}
