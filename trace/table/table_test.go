package table_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, write(&out))
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	return out.Bytes()
}

func tuple(proto, local, remote string) trace.FiveTuple {
	ft := trace.FiveTuple{Proto: proto, Local: netip.MustParseAddrPort(local)}
	if remote != "" {
		ft.Remote = netip.MustParseAddrPort(remote)
	}
	return ft
}

func held(fds ...int) (out []trace.Origin) {
	for _, fd := range fds {
		out = append(out, trace.Origin{Host: "server", Proc: "httpd", PID: 1, FD: fd, HasFD: true})
	}
	return out
}

var sockets = []trace.Socket{
	{FiveTuple: tuple("udp", "0.0.0.0:53", ""), State: trace.Closed, Holders: held(7)},
	{FiveTuple: tuple("udp", "10.0.0.2:60754", "10.0.0.1:53"), State: trace.Established, RecvQ: 512},
	{FiveTuple: tuple("tcp", "10.0.0.2:80", ""), State: trace.Listen, SendQ: 16, RecvQ: 1, Holders: held(3)},
	{FiveTuple: tuple("tcp", "[::]:8080", ""), State: trace.Listen, SendQ: 4096, V6: true},
	{FiveTuple: tuple("tcp", "[::]:80", ""), State: trace.Listen, SendQ: 4096, V6: true, V6Only: true},
	{FiveTuple: tuple("tcp", "10.0.0.2:80", "10.0.0.1:49152"), State: trace.Established, SendQ: 14480, Holders: held(4, 5),
		Info: trace.TCPInfo{Cwnd: 10, Ssthresh: 1<<32 - 1, SRTT: 20 * time.Millisecond, RTTVar: 7500 * time.Microsecond, RTO: 220 * time.Millisecond, CAState: "Open"}},
	{FiveTuple: tuple("tcp", "10.0.0.2:80", "10.0.0.1:49153"), State: trace.SynReceived},
	{FiveTuple: tuple("tcp", "[2001:db8::2]:80", "[2001:db8::1]:49152"), State: trace.TimeWait, V6: true,
		Info: trace.TCPInfo{Cwnd: 5, Ssthresh: 7, RTO: time.Second}},
}

func TestSS(t *testing.T) {
	for _, tt := range []struct {
		name string
		opt  table.SSOptions
	}{
		{"ss.txt", table.SSOptions{Header: true}},
		{"ss-p.txt", table.SSOptions{Header: true, Processes: true}},
		{"ss-piH.txt", table.SSOptions{Processes: true, Extended: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name, func(b *bytes.Buffer) error { return table.SS(b, sockets, tt.opt) })
		})
	}
}

func TestSSEmpty(t *testing.T) {
	golden(t, "ss-empty.txt", func(b *bytes.Buffer) error {
		return table.SS(b, nil, table.SSOptions{Header: true, Processes: true})
	})
}

var processes = []table.ProcessFDs{
	{Host: "client", Name: "curl", PID: 1, FDs: []trace.FD{
		{Num: 3, Refs: 1, NonBlock: true, CloExec: true, Socket: trace.Socket{FiveTuple: tuple("tcp", "10.0.0.1:49152", "10.0.0.2:80"), State: trace.Established}},
		{Num: 4, Refs: 1, Socket: trace.Socket{FiveTuple: tuple("tcp", "0.0.0.0:0", ""), State: trace.Closed}},
	}},
	{Host: "server", Name: "httpd", PID: 1, FDs: []trace.FD{{Num: 3, Refs: 2, Socket: sockets[2]}, {Num: 4, Refs: 3, Socket: sockets[5]}, {Num: 5, Refs: 3, Socket: sockets[5]}}},
	{Host: "server", Name: "httpd", PID: 2, FDs: []trace.FD{{Num: 3, Refs: 2, Socket: sockets[2]}, {Num: 4, Refs: 3, Socket: sockets[5]}}},
	{Host: "server", Name: "idle", PID: 3},
	{Host: "server", Name: "dnsd", PID: 4, FDs: []trace.FD{{Num: 3, Refs: 1, CloExec: true, Socket: sockets[0]}}},
}

func TestFDs(t *testing.T) {
	golden(t, "fds.txt", func(b *bytes.Buffer) error { return table.FDs(b, processes, table.FDsOptions{}) })
	golden(t, "fds-ascii.txt", func(b *bytes.Buffer) error {
		return table.FDs(b, processes, table.FDsOptions{ASCII: true, PIDs: true})
	})
}

func TestJSON(t *testing.T) {
	for _, b := range [][]byte{
		golden(t, "ss.json", func(b *bytes.Buffer) error { return table.SSJSON(b, sockets) }),
		golden(t, "fds.json", func(b *bytes.Buffer) error { return table.FDsJSON(b, processes) }),
	} {
		require.True(t, json.Valid(b))
	}
	var none bytes.Buffer
	require.NoError(t, table.FDsJSON(&none, nil))
	require.NoError(t, table.SSJSON(&none, nil))
	require.Equal(t, "[]\n[]\n", none.String(), "an empty list, not null")
}

type broken struct{}

var errFull = errors.New("no space left on device")

func (broken) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	require.ErrorIs(t, table.SS(broken{}, sockets, table.SSOptions{}), errFull)
	require.ErrorIs(t, table.FDs(broken{}, processes, table.FDsOptions{}), errFull)
	require.ErrorIs(t, table.SSJSON(broken{}, sockets), errFull)
}
