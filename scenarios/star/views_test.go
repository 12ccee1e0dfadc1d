package star_test

import (
	"context"
	"testing"

	"fivetuple/scenarios/star"

	"github.com/stretchr/testify/require"
)

// runViews runs a script to its end, and returns what became of it.
func runViews(t *testing.T, src string) error {
	t.Helper()
	s, err := star.Parse("views.star", []byte(src))
	require.NoError(t, err)
	r, err := s.Run(context.Background(), star.Config{Seed: 1})
	t.Cleanup(r.World.Close)
	return err
}

const twoHosts = `"""Views of a host's sockets."""
a, b = host("a", "10.0.0.1/24"), host("b", "10.0.0.2/24")
link(a, b, delay = "10ms")
def serve(p):
    s = p.socket()
    p.bind(s, ("10.0.0.2", 80))
    p.listen(s, 16)
    p.accept(s)
    p.bind(p.socket(), ("10.0.0.2", 9000))
    p.sleep("1s")
def get(p):
    s = p.socket()
    p.bind(s, ("10.0.0.1", 5000))
    p.connect(s, ("10.0.0.2", 80))
    p.sleep("1s")
b.spawn("httpd", serve)
a.spawn("curl", get)
run(until = "100ms")
`

// TestViews: host.ss, host.ports, and host.sockets with a filter of ss.
func TestViews(t *testing.T) {
	require.NoError(t, runViews(t, twoHosts+`
expect.eq(b.ss("-tnH state established"), "0      0      10.0.0.2:80 10.0.0.1:5000\n")
expect.eq(b.ss(args = "-tnH '( dport = :5000 )'"), "ESTAB 0      0      10.0.0.2:80 10.0.0.1:5000\n")
expect.eq(len(b.ss("-tan").splitlines()), 4, "a heading, LISTEN, ESTAB and UNCONN")
expect.eq(b.ss("-tanHr dst 10.0.0.1").split(), ["ESTAB", "0", "0", "b:http", "a:5000"])
expect.eq(b.ss(), b.ss("-n"))

expect.eq([s.state for s in b.sockets(filter = "sport = :80")], ["LISTEN", "ESTAB"])
expect.eq([s.state for s in b.sockets(filter = "sport = :80", state = "ESTAB")], ["ESTAB"])
expect.eq([s.local for s in b.sockets(filter = "state bound-inactive")], [("10.0.0.2", 9000)])
expect.eq([s.local for s in b.sockets()], [("10.0.0.2", 80)] * 2)

expect.eq([(p.proto, p.local, p.use, p.sockets, p.processes) for p in b.ports()], [
    ("tcp", ("10.0.0.2", 80), "listening", 1, ["httpd"]),
    ("tcp", ("10.0.0.2", 80), "connected", 1, ["httpd"]),
    ("tcp", ("10.0.0.2", 9000), "bound", 1, ["httpd"]),
])
expect.eq([(p.wildcard, p.v6, p.v6only, p.reuseaddr, p.reuseport) for p in a.ports()], [(False, False, False, 0, 0)])
`))
	for src, want := range map[string]string{
		`b.ss("-tx")`:                    `views.star:19: ss -tx: unknown shorthand flag: 'x' in -x`,
		`b.ss("-t dport")`:               `views.star:19: filter "dport", column 6: a port is missing`,
		`b.ss("--help")`:                 "views.star:19: ss --help: the options are described by `fivetuple ss --help`",
		`b.sockets(filter = "dst nine")`: `views.star:19: sockets: filter "dst nine", column 5: "nine" is no address`,
		`b.ports(80)`:                    `views.star:19: host.ports: got 1 arguments, want at most 0`,
	} {
		require.ErrorContains(t, runViews(t, twoHosts+src), want)
	}
}
