package table_test

import (
	"bytes"
	"net/netip"
	"testing"

	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/stretchr/testify/require"
)

// TestPairs: two lines a connection, and one for a socket without another end; an
// end that is missing is said, with the addresses that it would have.
func TestPairs(t *testing.T) {
	sock := func(local, remote string, state trace.TCPState) *trace.Socket {
		k := &trace.Socket{FiveTuple: trace.FiveTuple{Proto: "tcp", Local: netip.MustParseAddrPort(local)}, State: state}
		if remote != "" {
			k.Remote = netip.MustParseAddrPort(remote)
		}
		return k
	}
	mapped := sock("10.0.0.2:80", "10.0.0.1:40001", trace.TimeWait)
	mapped.V6 = true
	with := sock("10.0.0.1:40000", "10.0.0.2:80", trace.FinWait2)
	with.Holders = []trace.Origin{{Proc: "curl", PID: 7, FD: 3}}
	with.Info = trace.TCPInfo{Cwnd: 10}
	pairs := []table.Pair{
		{Host: "lab", Socket: sock("0.0.0.0:80", "", trace.Listen)},
		{Host: "lab", Socket: sock("10.0.0.2:80", "10.0.0.1:40000", trace.CloseWait), Peer: "linux", PeerSocket: with},
		{Host: "lab", Socket: mapped, Peer: "linux"},
		{Host: "lab", Peer: "linux", PeerSocket: sock("10.0.0.1:40002", "10.0.0.2:80", trace.SynSent)},
	}
	var b bytes.Buffer
	require.NoError(t, table.Pairs(&b, pairs, table.ViewOptions{Header: true, State: true, Processes: true}))
	require.Equal(t, `Host  State      Recv-Q Send-Q     Local Address:Port       Peer Address:Port Process
lab   LISTEN     0      0                0.0.0.0:80              0.0.0.0:*
lab   CLOSE-WAIT 0      0               10.0.0.2:80             10.0.0.1:40000
linux FIN-WAIT-2 0      0               10.0.0.1:40000          10.0.0.2:80    users:(("curl",pid=7,fd=3))
lab   TIME-WAIT  0      0      [::ffff:10.0.0.2]:80    [::ffff:10.0.0.1]:40001
linux none       -      -               10.0.0.1:40001          10.0.0.2:80
lab   none       -      -               10.0.0.2:80             10.0.0.1:40002
linux SYN-SENT   0      0               10.0.0.1:40002          10.0.0.2:80
`, b.String())

	b.Reset()
	require.NoError(t, table.Pairs(&b, pairs[1:3], table.ViewOptions{State: true, Netid: true, Info: true}))
	require.Equal(t, `lab   tcp CLOSE-WAIT 0      0               10.0.0.2:80             10.0.0.1:40000
	
linux tcp FIN-WAIT-2 0      0               10.0.0.1:40000          10.0.0.2:80
	 cwnd:10
lab   tcp TIME-WAIT  0      0      [::ffff:10.0.0.2]:80    [::ffff:10.0.0.1]:40001
	
linux tcp none       -      -               10.0.0.1:40001          10.0.0.2:80
`, b.String())

	b.Reset()
	require.NoError(t, table.PairsJSON(&b, pairs[2:]))
	require.JSONEq(t, `[
		{"host": "lab", "peer": "linux", "peer_socket": null,
		 "socket": {"netid": "tcp", "state": "TIME-WAIT", "recv_q": 0, "send_q": 0, "local": "10.0.0.2:80", "peer": "10.0.0.1:40001", "v6": true}},
		{"host": "lab", "socket": null, "peer": "linux",
		 "peer_socket": {"netid": "tcp", "state": "SYN-SENT", "recv_q": 0, "send_q": 0, "local": "10.0.0.1:40002", "peer": "10.0.0.2:80"}}
	]`, b.String())
	b.Reset()
	require.NoError(t, table.PairsJSON(&b, nil))
	require.Equal(t, "[]\n", b.String())
}
