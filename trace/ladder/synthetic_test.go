package ladder_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sockapi"
	"fivetuple/trace"
	"fivetuple/trace/ladder"

	"github.com/stretchr/testify/require"
)

// bus is a source of events made by hand.
type bus struct {
	trace.Bus
	now time.Duration
}

func newBus(s ...trace.Sink) *bus {
	b := &bus{}
	b.Clock = func() time.Duration { return b.now }
	for _, sink := range s {
		b.Attach(sink)
	}
	return b
}

var (
	onClient = trace.Origin{Host: "client", Proc: "curl", PID: 1}
	onServer = trace.Origin{Host: "server", Proc: "httpd", PID: 1}
)

var twoHosts = []ladder.Host{
	{Name: "client", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
	{Name: "server", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}},
}

// Duplicated, corrupted and reordered packets say so.
func TestImpaired(t *testing.T) {
	s := newScene(t, "impaired", "what a link does to a packet is written on its arrow")
	client, server := s.pair(sim.LinkConfig{AB: &netem.Config{Delay: 10 * time.Millisecond, Duplicate: 0.3, Corrupt: 0.3, Reorder: 0.2}})
	server.Spawn("httpd", serve(web, echo))
	client.Spawn("curl", dial(web, hello))
	got := s.run()
	for _, want := range []string{"duplicate 30%", "corrupt 30% (bit ", "reorder 20%", "bad checksum ┄┄✗"} {
		require.Contains(t, got, want)
	}
	golden(t, "impaired", got)
}

// The header names a process that starts at the first instant, even after
// another's first call; one that starts later names itself.
func TestHeaderNames(t *testing.T) {
	var out strings.Builder
	b := newBus(ladder.New(&out, ladder.Config{Hosts: twoHosts}))
	call := func(o trace.Origin, num uint64) {
		b.Emit(o, &trace.Call{What: trace.Enter, Num: num, Name: "socket", Args: "AF_INET, SOCK_STREAM"})
		b.Emit(o, &trace.Call{What: trace.Return, Num: num, Name: "socket", Args: "AF_INET, SOCK_STREAM", Result: "3"})
	}
	call(onServer, 1)
	call(onClient, 2)
	b.now = time.Second
	call(trace.Origin{Host: "client", Proc: "wget", PID: 2}, 3)
	require.NoError(t, b.Close())
	require.Equal(t, ` time (ms)  curl · client 10.0.0.1                      httpd · server 10.0.0.2
     0.000                                              socket(AF_INET, SOCK_STREAM) = 3
     0.000  socket(AF_INET, SOCK_STREAM) = 3
  1000.000  wget: socket(AF_INET, SOCK_STREAM) = 3
`, out.String())
}

// Everything that is not a call, a state or a packet takes one clear line.
func TestRemarks(t *testing.T) {
	var out strings.Builder
	l := ladder.New(&out, ladder.Config{Title: "remarks", Hosts: twoHosts, Paced: true})
	b := newBus(l)
	b.Emit(onClient, &trace.Process{What: "start", Name: "curl"})
	b.Emit(onClient, &trace.Mark{Text: "the link gets worse"})
	b.Emit(trace.Origin{Host: "client"}, &trace.LinkChange{Link: "client-server", Direction: "client → server", Now: "delay 10ms loss 50%"})
	b.Emit(trace.Origin{Host: "client"}, &trace.LinkChange{Link: "client-server", Direction: "server → client"})
	b.Emit(onClient, &trace.Warning{Text: "setsockopt(3, SOL_TCP, TCP_FASTOPEN, 1): netstack has no TCP Fast Open, so nothing is sent with the SYN"})
	b.Emit(onClient, &trace.Call{What: trace.Enter, Num: 1, Name: "poll", Args: "[3:POLLIN|POLLOUT, 4:POLLIN, 5:POLLIN|POLLOUT, 6:POLLIN|POLLOUT, 7:POLLIN], 1s"})
	b.Emit(onClient, &trace.Call{What: trace.Return, Num: 1, Name: "poll", Args: "[3:POLLIN|POLLOUT, 4:POLLIN, 5:POLLIN|POLLOUT, 6:POLLIN|POLLOUT, 7:POLLIN], 1s", Result: "2 [3:POLLOUT 5:POLLOUT]"})
	b.now = 250 * time.Second
	b.Emit(trace.Origin{}, &trace.Expect{OK: true, Claim: "states(client) = ESTAB"})
	b.Emit(trace.Origin{}, &trace.Expect{Claim: "states(server) = LISTEN ESTAB", Got: "LISTEN", Where: "handshake.star:12"})
	b.Emit(onServer, &trace.Process{What: "exit", Name: "httpd", Error: "bind(3, 10.0.0.2:80): address already in use (EADDRINUSE)"})
	require.NoError(t, b.Close())
	require.Equal(t, ladder.Summary{Calls: 1, Met: 1, Failed: 1, Warnings: 1}, l.Summary())
	golden(t, "remarks", out.String()+"\n"+l.Footer()+"\n")
}

// TestRemarkOneLine: a remark breaks no row, and does not speak to the terminal; one
// that is long goes on below.
func TestRemarkOneLine(t *testing.T) {
	var out strings.Builder
	b := newBus(ladder.New(&out, ladder.Config{Hosts: twoHosts, Paced: true}))
	b.Emit(onClient, &trace.Mark{Text: "two\nlines, \x1b[31mred"})
	b.Emit(onClient, &trace.Mark{Text: strings.Repeat("word ", 30) + "end"})
	for n := range 20 { // of these, some end where a line does
		b.Emit(onClient, &trace.Mark{Text: strings.Repeat("x", 70+n) + " last"})
	}
	require.NoError(t, b.Close())
	require.Equal(t, 20, strings.Count(out.String(), " last"))
	require.Contains(t, out.String(), "── mark: two lines,  [31mred ──\n")
	require.Contains(t, out.String(), " word end ──\n")
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 101)
		require.NotEqual(t, "──", strings.TrimSpace(line), "a rule has no line of its own")
	}
}

// More than five hosts are shown flat, and packets from outside when they arrive.
func TestManyHosts(t *testing.T) {
	s := newScene(t, "many hosts", "six hosts do not fit side by side")
	server := s.host("server", "10.0.0.2/24")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		h := s.host(name, "10.0.0."+string('3'+name[0]-'a')+"/24")
		s.link(h, server, sim.LinkConfig{AddrsB: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		if name == "a" {
			h.Spawn("curl", dial(web, hello))
		}
	}
	server.Spawn("httpd", serve(web, echo))
	golden(t, "manyhosts", s.run())
}

func TestFourHosts(t *testing.T) {
	s := newScene(t, "four hosts", "two of them find a server, one finds none")
	server := s.host("server", "10.0.0.2/24")
	for _, name := range []string{"anna", "bert", "cleo"} {
		h := s.host(name, "10.0.0."+string('3'+name[0]-'a')+"/24")
		s.link(h, server, sim.LinkConfig{AddrsB: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		to := web
		if name == "cleo" {
			to = netip.MustParseAddrPort("10.0.0.2:81")
		}
		h.Spawn("curl", dial(to, hello))
	}
	server.Spawn("httpd", serveTwo)
	golden(t, "fourhosts", s.run())
}

// A switch has no lane: packets go over it without a line of its own.
func TestSwitch(t *testing.T) {
	s := newScene(t, "switch", "a switch is seen from nowhere, except by what it loses")
	client, server := s.host("client", "10.0.0.1/24"), s.host("server", "10.0.0.2/24")
	sw := s.w.AddSwitch("sw")
	_, err := sw.Attach(client, sim.LinkConfig{Both: netem.Config{Delay: 5 * time.Millisecond}})
	require.NoError(t, err)
	_, err = sw.Attach(server, sim.LinkConfig{Both: netem.Config{Delay: 5 * time.Millisecond, DropNth: []uint64{2}}})
	require.NoError(t, err)
	server.Spawn("httpd", serve(web, echo))
	client.Spawn("curl", dial(web, hello))
	golden(t, "switch", s.run())
}

// A live run shows a line as soon as it is known what it says.
func TestStreams(t *testing.T) {
	var out strings.Builder
	l := ladder.New(&out, ladder.Config{Hosts: twoHosts})
	b := newBus(l)
	shown := func(s string) bool { return strings.Contains(out.String(), s) }
	b.Emit(onServer, &trace.Process{What: "start", Name: "httpd"})
	b.now = time.Millisecond // the header waits for the end of the first instant
	b.Emit(onClient, &trace.Call{What: trace.Enter, Num: 1, Name: "recv", Args: "3, 100"})
	require.False(t, shown("recv"))
	b.Emit(onClient, &trace.Call{What: trace.Block, Num: 1, Name: "recv", Args: "3, 100"})
	require.True(t, shown("recv(3, 100) ...\n"))

	ft := trace.FiveTuple{Proto: "tcp", Local: netip.MustParseAddrPort("10.0.0.1:1"), Remote: web}
	b.Emit(onClient, &trace.State{FiveTuple: ft, From: trace.TimeWait, To: trace.Closed})
	require.False(t, shown("CLOSED"), "something may follow that explains it")
	require.NoError(t, l.Flush())
	require.True(t, shown("1 ↔ 80  TIME-WAIT → CLOSED\n"))

	b.now = time.Second
	b.Emit(onClient, &trace.Call{What: trace.Return, Num: 1, Name: "recv", Args: "3, 100", Result: "5", Blocked: true, Waited: time.Second})
	require.True(t, shown("... recv = 5  (1 s)\n"))
}

// Without Config.Hosts the header waits until two hosts have appeared.
func TestHostsAppear(t *testing.T) {
	s := handshake(t)
	s.run()
	var out strings.Builder
	l := ladder.New(&out, ladder.Config{})
	for _, ev := range s.rec.events {
		require.NoError(t, l.Event(ev))
	}
	require.NoError(t, l.Close())
	first, _, _ := strings.Cut(out.String(), "\n")
	require.Regexp(t, `^ time \(ms\)  httpd · server +curl · client$`, first)
	require.Equal(t, out.String(), ladder.Render(s.rec.events, ladder.Config{}))
}

func TestMaxLines(t *testing.T) {
	s := handshake(t)
	s.run()
	s.cfg.MaxLines = 10
	got := strings.Split(strings.TrimSpace(ladder.Render(s.rec.events, s.cfg)), "\n")
	require.Len(t, got, 4+10+1)
	require.Regexp(t, `^ +⋮  \d+ lines more$`, got[14])
}

func TestFull(t *testing.T) {
	s := newScene(t, "full", "")
	client, server := s.pair(sim.LinkConfig{})
	server.Spawn("sink", serve(web, drain))
	client.Spawn("source", dial(web, func(p *sockapi.Proc, c int) error {
		_, err := p.Send(c, make([]byte, 100_000), 0)
		return err
	}))
	s.run()
	folded := ladder.Render(s.rec.events, s.cfg)
	s.cfg.Full = true
	full := ladder.Render(s.rec.events, s.cfg)
	require.Regexp(t, `⋮  \d+ segments, [0-9.]+ kB →, \d+ acks ←, \d+ × recv\n`, folded)
	require.Greater(t, strings.Count(full, "\n"), 2*strings.Count(folded, "\n"))
}

// An error of the writer stops the ladder and is reported.
func TestWriteError(t *testing.T) {
	l := ladder.New(broken{}, ladder.Config{Hosts: twoHosts})
	require.NoError(t, l.Event(&trace.Event{ID: 1, Body: &trace.Mark{Text: "x"}}), "the header waits")
	require.ErrorIs(t, l.Event(&trace.Event{ID: 2, At: 1, Body: &trace.Mark{Text: "y"}}), errFull)
	require.ErrorIs(t, l.Close(), errFull)
}

type broken struct{}

var errFull = errors.New("no space left on device")

func (broken) Write([]byte) (int, error) { return 0, errFull }
