package sockapi_test

import (
	"bytes"
	"testing"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestTCPInfoCounts: what TCP_INFO counts is what the wire saw. The link loses
// one packet in ten, so that there is something to count; a counter that is
// read from the wrong field would differ from the trace.
func TestTCPInfoCounts(t *testing.T) {
	var info sockapi.TCPInfo
	c := twoHosts(t, sim.HostConfig{}, sim.LinkConfig{Both: netem.Config{Loss: 0.1}}, func(p *sockapi.Proc) error {
		s, err := p.Socket(inet, stream, 0)
		require.NoError(t, err)
		require.NoError(t, p.Bind(s, bAddr))
		require.NoError(t, p.Listen(s, 1))
		conn, _, err := p.Accept(s)
		for err == nil {
			var b []byte
			if b, err = p.Recv(conn, 1<<16, 0); len(b) == 0 {
				break
			}
		}
		return err
	}, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, stream, 0)
		require.NoError(t, err)
		require.NoError(t, p.Connect(s, bAddr))
		_, err = p.Send(s, bytes.Repeat([]byte("x"), 200_000), 0)
		require.NoError(t, err)
		p.Sleep(60_000 * ms) // everything has arrived, and been acknowledged
		v, err := p.Getsockopt(s, sockapi.IPPROTO_TCP, sockapi.TCP_INFO)
		require.NoError(t, err)
		info = v.(sockapi.TCPInfo)
		p.Mark("counted")
	})
	var out, in, again uint64
	for _, e := range c.events {
		if m, ok := e.Body.(*trace.Mark); ok && m.Text == "counted" {
			break
		}
		p, ok := e.Body.(*trace.Packet)
		if !ok || p.Summary.Proto != "tcp" || e.Host != "a" {
			continue
		}
		switch p.What {
		case trace.Sent, trace.Dropped:
			out++
			if p.Retransmit {
				again++
			}
		case trace.Delivered:
			in++
		}
	}
	require.Positive(t, again)
	require.Equal(t, out, info.SegsOut, "tcpi_segs_out")
	require.Equal(t, in, info.SegsIn, "tcpi_segs_in")
	require.Equal(t, again, info.TotalRetrans, "tcpi_total_retrans")
	require.Zero(t, info.NotSent)
	require.Zero(t, info.Unacked)
	require.Equal(t, 1460, info.AdvMSS)
}
