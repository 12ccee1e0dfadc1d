package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpDNS: a resolver that asks the stack learns the names of both ends, over UDP and
// over TCP, IPv4 and IPv6, both ways; a name that nobody has is said not to exist.
func TestUpDNS(t *testing.T) {
	if !isLive(t) {
		return
	}
	p := start(t, t.TempDir(), "fivetuple", upArgs("-q", "--serve", "dns")...)
	p.await("up: ")
	for _, network := range []string{"udp", "tcp"} {
		for _, lab := range labs {
			r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(lab.addr, "53"))
			}}
			addrs, err := r.LookupHost(t.Context(), "lab.")
			require.NoError(t, err)
			require.ElementsMatch(t, []string{lab4, lab6}, addrs)
			addrs, err = r.LookupHost(t.Context(), "linux.")
			require.NoError(t, err)
			require.ElementsMatch(t, []string{host4, host6}, addrs)
			hosts, err := r.LookupAddr(t.Context(), lab6)
			require.NoError(t, err)
			require.Equal(t, []string{"lab."}, hosts)
			_, err = r.LookupHost(t.Context(), "nobody.")
			var none *net.DNSError
			require.True(t, errors.As(err, &none) && none.IsNotFound, err)
		}
	}
	p.stop()
}
