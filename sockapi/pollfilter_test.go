package sockapi_test

import (
	"testing"

	"fivetuple/sim"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestFilterPoll: what a filter says is what poll and epoll say, and changed
// wakes who waits, as the edge that EPOLLET needs.
func TestFilterPoll(t *testing.T) {
	failed := false
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, func(p *sockapi.Proc) error {
		s, _ := p.Socket(inet, stream, 0)
		require.NoError(t, p.Bind(s, bAddr))
		require.NoError(t, p.Listen(s, 1))
		_, _, err := p.Accept(s)
		return err
	}, func(p *sockapi.Proc) {
		s, _ := p.Socket(inet, stream, 0)
		require.NoError(t, p.Connect(s, bAddr))
		filter := func(events int) int {
			if failed {
				return events&^sockapi.POLLOUT | sockapi.POLLERR
			}
			return events
		}
		changed, err := p.FilterPoll(s, filter)
		require.NoError(t, err)
		_, err = p.FilterPoll(99, filter)
		require.ErrorIs(t, err, sockapi.EBADF)
		ep, err := p.EpollCreate(0)
		require.NoError(t, err)
		_, err = p.FilterPoll(ep, filter)
		require.ErrorIs(t, err, sockapi.ENOTSOCK)
		require.NoError(t, p.EpollCtl(ep, sockapi.EPOLL_CTL_ADD, s, sockapi.EpollEvent{Events: sockapi.EPOLLET, Data: 7}))

		start := p.Now()
		p.Go(func(p *sockapi.Proc) error {
			p.Sleep(5 * ms)
			failed = true
			changed()
			return nil
		})
		fds := []sockapi.PollFD{{FD: s, Events: sockapi.POLLOUT}}
		n, err := p.Poll(fds, 0)
		require.NoError(t, err)
		require.Equal(t, []int{1, sockapi.POLLOUT}, []int{n, fds[0].Revents})
		got, err := p.EpollWait(ep, 1, 1000*ms)
		require.NoError(t, err)
		require.Equal(t, []sockapi.EpollEvent{{Events: sockapi.EPOLLERR, Data: 7}}, got)
		require.Equal(t, 5*ms, p.Now()-start, "woken by changed, not by the timeout")
		got, err = p.EpollWait(ep, 1, 0)
		require.NoError(t, err)
		require.Empty(t, got, "one edge is told once")
		_, err = p.Poll(fds, 0)
		require.NoError(t, err)
		require.Equal(t, sockapi.POLLERR, fds[0].Revents)
	})
	require.True(t, failed)
}

// TestNotSent: SIOCOUTQNSD is what has not left, SIOCOUTQ also what is not
// acknowledged.
func TestNotSent(t *testing.T) {
	twoHosts(t, sim.HostConfig{}, sim.LinkConfig{}, func(p *sockapi.Proc) error {
		s, _ := p.Socket(inet, stream, 0)
		require.NoError(t, p.Bind(s, bAddr))
		require.NoError(t, p.Listen(s, 1))
		_, _, err := p.Accept(s)
		p.Sleep(1000 * ms)
		return err
	}, func(p *sockapi.Proc) {
		s, _ := p.Socket(inet, stream, 0)
		require.NoError(t, p.Connect(s, bAddr))
		require.NoError(t, p.Setsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_CORK, 1))
		_, err := p.Write(s, make([]byte, 100))
		require.NoError(t, err)
		for _, request := range []int{sockapi.SIOCOUTQNSD, sockapi.SIOCOUTQ} {
			n, err := p.Ioctl(s, request)
			require.NoError(t, err)
			require.Equal(t, 100, n, "the cork holds it")
		}
		require.NoError(t, p.Setsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_CORK, 0))
		n, err := p.Ioctl(s, sockapi.SIOCOUTQNSD)
		require.NoError(t, err)
		require.Zero(t, n)
		u, _ := p.Socket(inet, dgram, 0)
		_, err = p.Ioctl(u, sockapi.SIOCOUTQNSD)
		require.ErrorIs(t, err, sockapi.ENOTTY)
	})
}
