package table_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/stretchr/testify/require"
)

// viewed are sockets with all that View can show of them.
func viewed() []trace.Socket {
	mem := trace.SocketMem{RcvAlloc: 1280, RcvBuf: 131072, SndBuf: 16384, Queued: 500}
	estab := sockets[5]
	estab.Detail = trace.Detail{Congestion: "cubic", Mem: mem, Timer: trace.SocketTimer{Kind: "on", Left: 200 * time.Millisecond, Retrans: 1}}
	orphan := trace.Socket{FiveTuple: tuple("tcp", "10.0.0.2:80", "10.0.0.1:49155"), State: trace.FinWait2}
	orphan.Detail = trace.Detail{Orphan: true, RcvShut: true, SndShut: true, Timer: trace.SocketTimer{Kind: "timewait", Left: 59 * time.Second}}
	half := trace.Socket{FiveTuple: tuple("tcp", "10.0.0.2:80", "10.0.0.1:49156"), State: trace.CloseWait, V6: true}
	half.Detail = trace.Detail{RcvShut: true, Timer: trace.SocketTimer{Kind: "keepalive", Left: 2 * time.Hour}}
	gone := sockets[7]
	gone.Timer = trace.SocketTimer{Kind: "timewait", Left: time.Minute}
	bound := trace.Socket{FiveTuple: tuple("tcp", "10.0.0.2:9000", ""), State: trace.Closed, Holders: held(9)}
	bound.Detail = trace.Detail{Bound: true, Congestion: "reno", Mem: mem}
	ping := trace.Socket{FiveTuple: tuple("icmp", "0.0.0.0:7", ""), State: trace.Closed}
	return []trace.Socket{ping, sockets[0], sockets[2], sockets[3], sockets[4], estab, orphan, half, gone, bound}
}

func TestView(t *testing.T) {
	name := func(a netip.Addr) string {
		return map[string]string{"10.0.0.1": "client", "10.0.0.2": "server"}[a.String()]
	}
	service := func(p uint16) string { return map[uint16]string{80: "http", 53: "domain"}[p] }
	for _, tt := range []struct {
		name string
		opt  table.ViewOptions
	}{
		{"view-tan.txt", table.ViewOptions{Header: true, State: true}},
		{"view-H.txt", table.ViewOptions{Netid: true}},
		{"view-poeim.txt", table.ViewOptions{Header: true, State: true, Processes: true, Timers: true, Extended: true, Info: true, Memory: true}},
		{"view-oimO.txt", table.ViewOptions{Header: true, State: true, Timers: true, Info: true, Memory: true, OneLine: true}},
		{"view-r.txt", table.ViewOptions{Header: true, State: true, Host: name, Service: service}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name, func(b *bytes.Buffer) error { return table.View(b, viewed(), tt.opt) })
		})
	}
	golden(t, "view-s.txt", func(b *bytes.Buffer) error { return table.Summary(b, viewed()) })
	golden(t, "view.json", func(b *bytes.Buffer) error {
		return table.HostsJSON(b, []table.HostSockets{{Host: "server", Sockets: viewed()}})
	})
}

// TestTimerText has what ss of iproute2 6.1 printed for keepalive timers of
// these lengths.
func TestTimerText(t *testing.T) {
	for left, want := range map[string]string{
		"688ms": "688ms", "1.688s": "1.688ms", "9.688s": "9.688ms", "10.688s": "10sec", "58.688s": "58sec", "60.688s": "1min",
		"64.688s": "1min4sec", "8m59.688s": "8min59sec", "9m0.688s": "9min", "9m59.688s": "9min59sec", "10m4.688s": "10min",
		"61m0.688s": "61min", "1h59m59s": "119min",
		"1s": "1sec", "2ms": "002ms", "10us": "000ms",
	} {
		d, err := time.ParseDuration(left)
		require.NoError(t, err)
		k := trace.Socket{FiveTuple: tuple("tcp", "10.0.0.2:80", "10.0.0.1:49155"), State: trace.Established}
		k.Timer = trace.SocketTimer{Kind: "keepalive", Left: d}
		var out bytes.Buffer
		require.NoError(t, table.View(&out, []trace.Socket{k}, table.ViewOptions{Timers: true}))
		require.Contains(t, out.String(), " timer:(keepalive,"+want+",0)\n", left)
	}
}

var ports = []table.HostPorts{{Host: "server", Ports: []trace.Port{
	{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:80"), Use: trace.PortListening, Sockets: 3, ReusePort: 2, ReuseAddr: 3, Owners: held(3, 4)},
	{Proto: "tcp", Local: netip.MustParseAddrPort("10.0.0.2:80"), Use: trace.PortTimeWait, Sockets: 1},
	{Proto: "tcp", Local: netip.MustParseAddrPort("[::]:8080"), V6: true, Use: trace.PortListening, Sockets: 1, Owners: held(5)},
	{Proto: "udp", Local: netip.MustParseAddrPort("[::]:53"), V6: true, V6Only: true, Use: trace.PortBound, Sockets: 1, ReuseAddr: 1,
		Owners: []trace.Origin{{Proc: "dnsd", PID: 4, FD: 3}, {Proc: "dnsd", PID: 5, FD: 3}}},
}}, {Host: "idle"}}

func TestPorts(t *testing.T) {
	golden(t, "ports.txt", func(b *bytes.Buffer) error { return table.Ports(b, ports) })
	golden(t, "ports.json", func(b *bytes.Buffer) error { return table.PortsJSON(b, ports) })
	require.ErrorIs(t, table.Ports(broken{}, ports), errFull)
	var none bytes.Buffer
	require.NoError(t, table.PortsJSON(&none, nil))
	require.NoError(t, table.HostsJSON(&none, nil))
	require.Equal(t, "[]\n[]\n", none.String())
}

func TestDescriptors(t *testing.T) {
	procs := append([]table.ProcessFDs{{Host: "client", Name: "epolld", PID: 2, FDs: []trace.FD{
		{Num: 3, Refs: 1, Kind: "epoll", Note: "watches 4"},
		{Num: 4, Refs: 2, NonBlock: true, Options: []string{"SO_REUSEADDR=1", "TCP_NODELAY=1"}, Socket: sockets[1]},
	}}}, processes...)
	golden(t, "descriptors.txt", func(b *bytes.Buffer) error { return table.Descriptors(b, procs) })
	require.ErrorIs(t, table.Descriptors(broken{}, procs), errFull)
	require.ErrorIs(t, table.View(broken{}, viewed(), table.ViewOptions{}), errFull)
	require.ErrorIs(t, table.Summary(broken{}, nil), errFull)
}
