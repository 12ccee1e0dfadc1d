package gateway_test

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"fivetuple/gateway"
	"fivetuple/sockapi"

	"github.com/stretchr/testify/require"
)

func TestTCPEcho(t *testing.T) {
	for _, to := range targets {
		t.Run(to.name, func(t *testing.T) {
			port := listen(t, to.loopback, func(c net.Conn) {
				_, _ = io.Copy(c, c)
				c.Close()
			})
			l := newLab(t, gateway.Config{})
			l.do(func(p *sockapi.Proc) error {
				fd, err := p.Socket(to.family, sockapi.SOCK_STREAM, 0)
				if err != nil {
					return err
				}
				if err := p.Connect(fd, netip.AddrPortFrom(to.addr, port)); err != nil {
					return err
				}
				return p.Close(fd)
			})
			require.Len(t, l.events.marks, 1)
		})
	}
}
