package sim_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

type lines struct{ out []string }

func (l *lines) Close() error { return nil }
func (l *lines) Event(e *trace.Event) error {
	s := fmt.Sprintf("%3d <%d %v %s %s %d %s ", e.ID, e.Cause, e.At, e.Host, e.Proc, e.FD, e.Body.Kind())
	switch b := e.Body.(type) {
	case *trace.Packet:
		s += fmt.Sprintf("%s %v>%v %s seq %d ack %d len %d %s %s", b.What, b.Summary.Src, b.Summary.Dst, b.Summary.Flags, b.Summary.Seq, b.Summary.Ack, b.Summary.Len, b.Summary.Opts, b.Reason)
	default:
		s += fmt.Sprintf("%+v", b)
	}
	l.out = append(l.out, s)
	return nil
}

func TestHandshake(t *testing.T) {
	w := sim.New(sim.Config{Seed: 7})
	defer w.Close()
	l := &lines{}
	w.Bus().Attach(l)
	client, err := w.AddHost(sim.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	require.NoError(t, err)
	server, err := w.AddHost(sim.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	require.NoError(t, err)
	_, err = w.Connect(client, server, sim.LinkConfig{Both: netem.Config{Delay: 10 * time.Millisecond}})
	require.NoError(t, err)
	addr := netip.MustParseAddrPort("10.0.0.2:80")
	server.Spawn("httpd", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err := errors.Join(err, p.Bind(s, addr), p.Listen(s, 16)); err != nil {
			return err
		}
		c, _, err := p.Accept(s)
		if err != nil {
			return err
		}
		b, err := p.Recv(c, 100, 0)
		if err != nil {
			return err
		}
		if _, err = p.Send(c, b, 0); err != nil {
			return err
		}
		return errors.Join(p.Close(c), p.Close(s))
	})
	client.Spawn("curl", func(p *sockapi.Proc) error {
		s, err := p.Socket(sockapi.AF_INET, sockapi.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := p.Connect(s, addr); err != nil {
			return err
		}
		if _, err := p.Send(s, []byte("hello"), 0); err != nil {
			return err
		}
		if _, err := p.Recv(s, 100, 0); err != nil {
			return err
		}
		if _, err := p.Recv(s, 100, 0); err != nil {
			return err
		}
		return p.Close(s)
	})
	err = w.Run(context.Background(), sim.UntilQuiet)
	for _, s := range l.out {
		t.Log(s)
	}
	require.NoError(t, err)
}
