package sim_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

// TestLongTimes: the longest time that there is, which many programs write for
// "never", does not pass at once. Some time has passed before, so that the sum of
// the two is beyond what a time can be.
func TestLongTimes(t *testing.T) {
	const never = time.Duration(math.MaxInt64)
	l, h, _, _ := pair(t, sim.LinkConfig{Both: netem.Config{Loss: 1}})
	over := ""
	wait := func(name string, f func(p *sockapi.Proc, s int) error) {
		serve(h, name, func(p *sockapi.Proc) error {
			s := must(t)(p.Socket(sockapi.AF_INET, sockapi.SOCK_DGRAM, 0))
			p.Sleep(time.Second)
			err := f(p, s)
			over += name + " "
			return err
		})
	}
	wait("sleep", func(p *sockapi.Proc, _ int) error { p.Sleep(never); return nil })
	wait("poll", func(p *sockapi.Proc, s int) error {
		_, err := p.Poll([]sockapi.PollFD{{FD: s, Events: sockapi.POLLIN}}, never)
		return err
	})
	wait("SO_RCVTIMEO", func(p *sockapi.Proc, s int) error {
		err := p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, never)
		_, e := p.Recv(s, 9, 0)
		return errors.Join(err, e)
	})
	wait("dial", func(p *sockapi.Proc, _ int) error {
		_, err := p.Net().DialTimeout("tcp", "10.0.0.2:80", never)
		return err
	})
	l.At(time.Second, func() { h.Stack().After(never, func() { over += "timer " }) })
	require.NoError(t, l.Run(t.Context(), sim.Until(time.Minute)))
	require.Empty(t, over)
}
