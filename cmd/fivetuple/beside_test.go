package main

import (
	"net/netip"
	"testing"

	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// TestTaker: a connection is found by all five things; datagrams that no socket is
// connected for reach the one at the address, else the one that takes any address of
// that family.
func TestTaker(t *testing.T) {
	sock := func(proto, local, remote string) trace.Socket {
		k := trace.Socket{FiveTuple: trace.FiveTuple{Proto: proto, Local: netip.MustParseAddrPort(local)}}
		k.V6 = k.Local.Addr().Is6()
		if remote != "" {
			k.Remote = netip.MustParseAddrPort(remote)
		}
		return k
	}
	socks := []trace.Socket{
		sock("tcp", "0.0.0.0:80", ""), sock("tcp", "10.0.0.2:80", "10.0.0.1:5000"), sock("udp", "10.0.0.2:53", "10.0.0.1:5000"),
		sock("udp", "10.0.0.2:53", ""), sock("udp", "0.0.0.0:53", ""), sock("udp", "[::]:54", ""), sock("udp", "[::]:55", ""),
	}
	socks[6].V6Only = true
	x := indexOf(socks)
	for _, tc := range []struct {
		proto, local, remote string
		want                 int // of socks; -1: none
	}{
		{"tcp", "10.0.0.2:80", "10.0.0.1:5000", 1},
		{"tcp", "10.0.0.2:80", "10.0.0.1:5001", -1},
		{"udp", "10.0.0.2:53", "10.0.0.1:5000", 2},
		{"udp", "10.0.0.2:53", "10.0.0.1:5001", 3},
		{"udp", "10.0.0.3:53", "10.0.0.1:5000", 4},
		{"udp", "[fd00::2]:53", "[fd00::1]:5000", -1},
		{"udp", "10.0.0.2:54", "10.0.0.1:5000", 5},
		{"udp", "10.0.0.2:55", "10.0.0.1:5000", -1},
		{"udp", "[fd00::2]:55", "[fd00::1]:5000", 6},
		{"udp", "10.0.0.2:56", "10.0.0.1:5000", -1},
	} {
		got := x.taker(sock(tc.proto, tc.local, tc.remote).FiveTuple)
		if tc.want < 0 {
			require.Nil(t, got, "%v", tc)
			continue
		}
		require.Same(t, &socks[tc.want], got, "%v", tc)
	}
}
