package ss_test

import (
	"net/netip"
	"strings"
	"testing"

	"fivetuple/internal/ss"
	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/stretchr/testify/require"
)

// socket makes one named by its ends; "*" is no peer.
func socket(proto string, state trace.TCPState, local, remote string) trace.Socket {
	k := trace.Socket{State: state, FiveTuple: trace.FiveTuple{Proto: proto, Local: netip.MustParseAddrPort(local)}}
	if remote != "*" {
		k.Remote = netip.MustParseAddrPort(remote)
	}
	k.V6 = k.Local.Addr().Is6()
	return k
}

// sockets are called by letters in the tables below.
func sockets() map[string]trace.Socket {
	bound := socket("tcp", trace.Closed, "10.0.0.2:9000", "*")
	bound.Bound = true
	mapped := socket("tcp", trace.Established, "10.0.0.2:8080", "10.0.0.7:4000")
	mapped.V6 = true
	return map[string]trace.Socket{
		"l": socket("tcp", trace.Listen, "0.0.0.0:80", "*"),
		"e": socket("tcp", trace.Established, "10.0.0.2:80", "10.0.0.1:5000"),
		"t": socket("tcp", trace.TimeWait, "10.0.0.2:80", "192.168.1.9:5001"),
		"s": socket("tcp", trace.SynSent, "10.0.0.2:40000", "10.9.9.9:443"),
		"r": socket("tcp", trace.SynReceived, "10.0.0.2:80", "10.0.0.1:5009"),
		"b": bound,
		"m": mapped,
		"6": socket("tcp", trace.Established, "[2001:db8::2]:80", "[2001:db8::1]:6000"),
		"u": socket("udp", trace.Closed, "0.0.0.0:53", "*"),
		"v": socket("udp", trace.Established, "10.0.0.2:60000", "10.0.0.1:53"),
	}
}

func TestFilter(t *testing.T) {
	for _, row := range []struct{ filter, want string }{
		{"", "6belmrstuv"},
		{"dport = :80", ""},
		{"sport = :80", "6elrt"},
		{"sport :80", "6elrt"},
		{"sport 80", "6elrt"},
		{"sport == :80", "6elrt"},
		{"sport eq :http", "6elrt"},
		{"sport = *:80", "6elrt"},
		{"sport=:80", "6elrt"},
		{"sport != :80", "bmsuv"},
		{"sport ne :80", "bmsuv"},
		{"sport neq 80", "bmsuv"},
		{"sport lt :80", "u"},
		{"sport < :80", "u"},
		{"sport le :80", "6elrtu"},
		{"sport leq :80", "6elrtu"},
		{"sport <= :80", "6elrtu"},
		{"sport gt :9000", "sv"},
		{"sport > :9000", "sv"},
		{"sport ge :9000", "bsv"},
		{"sport geq :9000", "bsv"},
		{"sport >= :9000", "bsv"},
		{"dport = inet6:6000", "6"},
		{"dst 10.0.0.0/8", "emrsv"},
		{"dst 10.0.0.1/8", "emrsv"},
		{"dst = 10.0.0.1", "erv"},
		{"dst != 10.0.0.1", "6blmstu"},
		{"dst 10.0.0.1:5000", "e"},
		{"dst 10.0.0.0/24:5000", "e"},
		{"dst :443", "s"},
		{"dst *:443", "s"},
		{"dst 10.0.0.1:*", "erv"},
		{"dst ::ffff:10.0.0.7", "m"},
		{"dst inet6:*", "6m"},
		{"dst [2001:db8::1]:6000", "6"},
		{"dst [2001:db8::]/32:6000", "6"},
		{"dst [2001:db8::1]", "6"},
		{"dst 2001:db8::/32", "6"},
		{"src 0.0.0.0", "lu"},
		{"src 10.0.0.2 dport = :53", "v"},
		{"src 10.0.0.2 and dport = :53", "v"},
		{"src 10.0.0.2 & dport = :53", "v"},
		{"src 10.0.0.2&&dport=:53", "v"},
		{"dport = :53 or dport = :443", "sv"},
		{"dport = :53 | dport = :443", "sv"},
		{"dport = :53 || dport = :443", "sv"},
		{"( dport = :80 )", ""},
		{"(sport=:80)", "6elrt"},
		{"not sport = :80", "bmsuv"},
		{"!sport = :80", "bmsuv"},
		{"! ! sport = :80", "6elrt"},
		{"not ( sport = :80 or sport = :53 )", "bmsv"},
		{"sport = :53 or sport = :80 and dst 10.0.0.1", "eru"}, // and binds more tightly
		{"( sport = :53 or sport = :80 ) and dst 10.0.0.1", "er"},
		{"not sport = :80 and dst 10.0.0.1", "v"}, // not, the most tightly
		{"NOT SPORT = :80 AND DST 10.0.0.1", "v"},
		{"state established", "6emv"},
		{"state ESTAB", "6emv"},
		{"state listening", "l"},
		{"state listen", "l"},
		{"state syn-recv", "r"},
		{"state closed", "u"},
		{"state bound-inactive", "b"},
		{"state connected", "6emrstv"},
		{"state synchronized", "6emrtv"},
		{"state bucket", "rt"},
		{"state big", "6belmsuv"},
		{"state all", "6belmrstuv"},
		{"state syn-sent state time-wait", "st"},
		{"exclude time-wait", "6belmrsuv"},
		{"exclude connected excl listening", "bu"},
		{"state connected exclude syn-sent", "6emrtv"},
		{"state established dport = :53", "v"},
		{"state established ( dport = :53 )", "v"},
	} {
		t.Run(row.filter, func(t *testing.T) {
			f, err := ss.ParseFilter(row.filter)
			require.NoError(t, err)
			got := ""
			for _, name := range strings.Split("6belmrstuv", "") {
				k := sockets()[name]
				if f.Match(&k) {
					got += name
				}
			}
			require.Equal(t, row.want, got)
		})
	}
}

func TestFilterErrors(t *testing.T) {
	for _, row := range []struct{ filter, want string }{
		{"dport = ", `column 9: a port is missing, as in`},
		{"dport = :foo", `column 9: ":foo" is no port: write a number between 0 and 65535`},
		{"dport = :65536", `column 9: ":65536" is no port`},
		{"dport = and", `column 9: a port is missing`},
		{"dst example.org", `column 5: "example.org" is no address: write 10.0.0.1, 10.0.0.0/8, 10.0.0.1:80 or [2001:db8::1]:80; names are not resolved`},
		{"dst 10.0.0.1:", `column 5:`},
		{"dst 10.0.0.0/33", `column 5:`},
		{"dst [2001:db8::1", `column 5:`},
		{"dst [::1]80", `column 5:`},
		{"dst inet:", `column 5:`},
		{"dst > 10.0.0.1", "column 5: addresses are compared with = or !=; \">\" is for ports: `dport > :80`"},
		{"dst", `column 4: an address is missing`},
		{"sprot = :80", `column 1: no condition is called "sprot" (did you mean sport?); there are src, dst, sport and dport`},
		{"dev eth0", `column 1: dev is not known of a socket here`},
		{"( dport = :80", `column 14: the parenthesis of column 1 is not closed`},
		{"dport = :80 )", `column 13: ")" is one too many: no parenthesis is open`},
		{"( )", "column 3: a condition cannot begin with \")\""},
		{"dport = :80 and", "column 16: a condition is missing, as in `dport = :80`"},
		{"or dport = :80", `column 1: a condition cannot begin with "or"`},
		{"= :80", `column 1: a condition cannot begin with "="`},
		{"state", "column 6: after state comes a state, as in `state established`"},
		{"state estblished", `column 7: no state is called "estblished" (did you mean established?); there are all, big,`},
		{"dport = :80 state established", "column 13: states come before the expression: `state established dport = :80`"},
		{strings.Repeat("(", 5000), `column 1001: more than 1000 parentheses within one another`},
	} {
		t.Run(row.filter[:min(len(row.filter), 30)], func(t *testing.T) {
			_, err := ss.ParseFilter(row.filter)
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "filter \"")
		})
	}
}

// FuzzFilter: no text makes the parser panic, what it takes is stable, and a
// filter and its negation share the sockets between them.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"state established dport = :80", "( src 10.0.0.0/8 or not sport >= 1024 ) dst [::1]:http", "exclude listening ! dst inet6:*", "((", "dport!=", "état ( \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ss.ParseFilter(text)
		if err != nil {
			require.Contains(t, err.Error(), "column ")
			return
		}
		negated, err := ss.ParseFilter("not ( " + text + " )")
		for _, k := range sockets() {
			match := filter.Match(&k)
			if err == nil { // an expression without states
				require.NotEqual(t, match, negated.Match(&k))
			}
		}
	})
}

// TestSelectPairs: a connection is taken if either end is; an end that is missing
// has its addresses, and the state of the other; ss's order.
func TestSelectPairs(t *testing.T) {
	server, client := socket("tcp", trace.CloseWait, "10.0.0.2:80", "10.0.0.1:5000"), socket("tcp", trace.FinWait2, "10.0.0.1:5000", "10.0.0.2:80")
	waits, asks := socket("tcp", trace.TimeWait, "10.0.0.2:80", "10.0.0.1:5001"), socket("udp", trace.Established, "10.0.0.1:6000", "10.0.0.2:53")
	listens := socket("tcp", trace.Listen, "0.0.0.0:80", "*")
	all := []table.Pair{
		{Host: "both", Socket: &server, Peer: "linux", PeerSocket: &client},
		{Host: "lab alone", Socket: &waits, Peer: "linux"},
		{Host: "linux alone", Peer: "linux", PeerSocket: &asks},
		{Host: "listens", Socket: &listens},
	}
	for _, tc := range []struct{ args, want string }{
		{"", "linux alone, both"},
		{"-a", "linux alone, listens, both, lab alone"},
		{"-t", "both"},
		{"-l", "listens"},
		{"state close-wait", "both"},
		{"state fin-wait-2", "both"},
		{"-a dport = :80", "both, lab alone"},
		{"-a src 10.0.0.1 sport ge :5001", "linux alone, lab alone"},
		{"-u src 10.0.0.2", "linux alone"},
		{"state time-wait src 10.0.0.1", "lab alone"},
	} {
		q, err := ss.Parse(tc.args)
		require.NoError(t, err)
		var got []string
		for _, p := range q.SelectPairs(all) {
			got = append(got, p.Host)
		}
		require.Equal(t, tc.want, strings.Join(got, ", "), tc.args)
	}
}
