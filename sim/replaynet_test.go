package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// outsiders is a world of two hosts with a Net on each.
func outsiders(t *testing.T, out io.Writer) (l *lab, client, server *sockapi.Net) {
	l = newLab(t, sim.Config{Seed: 9})
	l.Bus().Attach(jsonl.New(out, jsonl.Config{Seed: 9, Epoch: l.Epoch()}))
	a, b := l.host("a", "10.0.0.1/24", "fd00::1/64"), l.host("b", "10.0.0.2/24", "fd00::2/64")
	l.connect(a, b, sim.LinkConfig{})
	return l, a.Net("client"), b.Net("server")
}

// TestReplayNet: what goroutines outside of a world do with its connections is
// recorded, each kind of call, and the replay has the same trace without them.
func TestReplayNet(t *testing.T) {
	var live, again, file bytes.Buffer
	l, client, server := outsiders(t, &live)
	rec, err := record.NewWriter(&file, record.Header{})
	require.NoError(t, err)
	l.Record(rec)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		talkHTTP(t, client, server)
		talkOtherwise(t, client, server)
		talkUDP(t, client, server)
	}()
	require.NoError(t, l.RunPaced(ctx, sim.Forever))
	l.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: l.Events(), Now: l.Now()}))
	require.NoError(t, l.Bus().Close())
	for _, op := range []string{"dial", "listen", "accept", "read", "recvfrom", "write", "sendto", "close", "shutdown", "setsockopt", "deadline", "cancel"} {
		require.Contains(t, file.String(), fmt.Sprintf(`{"op":%q`, op), "it was recorded")
	}

	l2, _, _ := outsiders(t, &again)
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	end, err := l2.Replay(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, l.Now(), end.Now)
	require.NoError(t, l2.Bus().Close())
	require.Contains(t, live.String(), `"name":"read"`)
	require.True(t, live.String() == again.String(), "the traces of %d and %d bytes differ", live.Len(), again.Len())
}

// talkHTTP: connections that are kept, several at once.
func talkHTTP(t *testing.T, client, server *sockapi.Net) {
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		t.Error(err)
		return
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, strings.NewReader(strings.Repeat("0123456789", 30_000)))
	})}
	go func() { _ = s.Serve(l) }()
	c := &http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			for range 3 {
				resp, err := c.Get("http://[fd00::2]/")
				if err != nil {
					t.Error(err)
					return
				}
				if n, err := io.Copy(io.Discard, resp.Body); n != 300_000 || err != nil {
					t.Error(n, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
	all.Wait()
	c.CloseIdleConnections()
	_ = s.Close()
}

// talkOtherwise: options, half-closes, deadlines, dials that are given up, and
// writes that a close ends.
func talkOtherwise(t *testing.T, client, server *sockapi.Net) {
	check := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, and not %v", err, want)
		}
	}
	l, err := server.Listen("tcp", "10.0.0.2:81")
	check(err, nil)
	_, err = client.DialTimeout("tcp", "10.0.0.9:81", 3*time.Millisecond)
	check(err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	_, err = client.DialContext(ctx, "tcp", "10.0.0.9:81")
	check(err, context.Canceled)
	conn, err := client.Dial("tcp", "10.0.0.2:81")
	check(err, nil)
	c := conn.(*sockapi.TCPConn)
	peer, err := l.Accept()
	check(err, nil)
	check(errors.Join(c.SetNoDelay(false), c.SetKeepAlive(true), c.SetKeepAlivePeriod(time.Second), c.SetLinger(0)), nil)
	check(c.SetReadDeadline(time.Now().Add(2*time.Millisecond)), nil)
	_, err = c.Read(make([]byte, 9))
	check(err, os.ErrDeadlineExceeded)
	check(c.SetDeadline(time.Time{}), nil)
	done := make(chan error)
	for range 2 {
		go func() { _, err := c.Write(make([]byte, 20<<20)); done <- err }() // more than a record can hold
	}
	_, err = io.ReadFull(peer, make([]byte, 1<<20))
	check(err, nil)
	check(c.CloseRead(), nil)
	check(c.CloseWrite(), nil)
	check(c.Close(), nil)
	for range 2 {
		if <-done == nil {
			t.Error("a write went on after the close")
		}
	}
	check(errors.Join(peer.Close(), l.Close()), nil)
	_, err = client.Dial("tcp", "10.0.0.2:81")
	check(err, sockapi.ECONNREFUSED)
}

// talkUDP: datagrams.
func talkUDP(t *testing.T, client, server *sockapi.Net) {
	u, err := server.ListenPacket("udp", "10.0.0.2:53")
	if err != nil {
		t.Error(err)
		return
	}
	c, err := client.Dial("udp", "10.0.0.2:53")
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		b := make([]byte, 100)
		n, from, err := u.ReadFrom(b)
		if err == nil {
			_, err = u.WriteTo(b[:n], from)
		}
		if err != nil {
			t.Error(err)
		}
	}()
	b := make([]byte, 100)
	if _, err := c.Write([]byte("question")); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(b); string(b[:n]) != "question" || err != nil {
		t.Error(b[:n], err)
	}
	for _, c := range []net.Conn{c, u.(net.Conn)} {
		_ = c.Close()
	}
}

// TestReplayRefusesCalls: a posted call that this world cannot have had is an
// error that names the input.
func TestReplayRefusesCalls(t *testing.T) {
	listen := record.Input{Call: []byte(`{"op":"listen","network":"tcp","addrs":["10.0.0.1:80"]}` + "\n")}
	for name, tt := range map[string]struct {
		in   record.Input
		want string
	}{
		"no JSON":         {record.Input{Call: []byte("read 3")}, "input 2: a posted call cannot be read: "},
		"another process": {record.Input{Net: 2, Call: []byte(`{"op":"read","conn":1}`)}, "input 2: a posted call is for process 2 of 2"},
		"unknown":         {record.Input{Call: []byte(`{"op":"fly"}`)}, `input 2: a posted call "fly" is unknown`},
		"no address":      {record.Input{Call: []byte(`{"op":"dial","network":"tcp"}`)}, "input 2: a posted dial has no address"},
		"too large":       {record.Input{Call: []byte(`{"op":"read","conn":1,"size":9999999999}`)}, "input 2: a posted read cannot be of 9999999999 bytes"},
		"negative":        {record.Input{Call: []byte(`{"op":"read","conn":1,"size":-1}`)}, "input 2: a posted read cannot be of -1 bytes"},
		"no connection":   {record.Input{Call: []byte(`{"op":"read","conn":2,"size":1}`)}, "input 2: a posted read is for connection 2: there are 1 so far"},
		"a packet":        {record.Input{Packets: []record.Packet{{Data: datagram(1)}}}, "an input is of device 1, and there are 0"},
		"none":            {record.Input{Call: []byte(`{"op":"accept","conn":1}`)}, record.ErrCut.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			rec, err := record.NewWriter(&file, record.Header{})
			require.NoError(t, err)
			require.NoError(t, rec.Input(listen))
			require.NoError(t, rec.Input(tt.in))
			require.NoError(t, rec.Flush())
			l, _, _ := outsiders(t, io.Discard)
			r, err := record.NewReader(&file)
			require.NoError(t, err)
			_, err = l.Replay(t.Context(), r)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestReplayRuns: a recording of several runs is replayed run by run; what is
// done to the world in between is the caller's, and so has to be done again.
func TestReplayRuns(t *testing.T) {
	var live, again, file bytes.Buffer
	steps := func(l *lab, run func(sim.Limit) error) {
		require.NoError(t, run(sim.Until(3*ms)))
		h, _ := l.Host("a")
		h.Spawn("sleeper", func(p *sockapi.Proc) error { p.Sleep(2 * ms); return nil })
		require.NoError(t, run(sim.UntilQuiet))
		h.Spawn("bad", func(p *sockapi.Proc) error { p.Sleep(ms); return errors.New("bad") })
		require.EqualError(t, run(sim.Forever), "bad on a: bad")
	}
	l, client, _ := outsiders(t, &live)
	rec, err := record.NewWriter(&file, record.Header{})
	require.NoError(t, err)
	l.Record(rec)
	go func() { // until the run has ended
		for err := error(nil); err == nil; {
			var c net.Conn
			if c, err = client.Dial("udp", "10.0.0.2:53"); err == nil {
				_, err = c.Write([]byte("anybody there?"))
				err = errors.Join(err, c.Close())
			}
		}
	}()
	steps(l, func(limit sim.Limit) error { return l.RunPaced(t.Context(), limit) })
	l.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: l.Events(), Now: l.Now(), Reason: "bad"}))
	require.NoError(t, l.Bus().Close())

	l2, _, _ := outsiders(t, &again)
	r, err := record.NewReader(&file)
	require.NoError(t, err)
	p := l2.Replayer(r)
	steps(l2, func(sim.Limit) error { return p.Run(t.Context()) })
	end, err := p.End(t.Context())
	require.NoError(t, err)
	require.Equal(t, "bad", end.Reason)
	require.Error(t, p.Run(t.Context()), "there was no more")
	require.NoError(t, l2.Bus().Close())
	require.True(t, live.String() == again.String(), "the traces of %d and %d bytes differ", live.Len(), again.Len())
}
