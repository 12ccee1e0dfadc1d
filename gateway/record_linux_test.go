package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/sim/record"
	"fivetuple/sockapi"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// outsidePorts are the servers that a recorded conversation has.
type outsidePorts struct{ echo, first, closed, udp uint16 }

func openOutside(t *testing.T, loopback string) (o outsidePorts) {
	o.echo = listen(t, loopback, func(c net.Conn) {
		_, _ = io.Copy(c, c)
		c.Close()
	})
	o.first = listen(t, loopback, func(c net.Conn) {
		_, _ = c.Write(randomBytes(2, 100<<10))
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	})
	closed, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	require.NoError(t, err)
	o.closed = uint16(closed.Addr().(*net.TCPAddr).Port)
	require.NoError(t, closed.Close())
	o.udp = answer(t, loopback)
	return o
}

// converse is what the client of a recording does: connections that either side
// closes first, a refused one, and datagrams.
func (o outsidePorts) converse(p *sockapi.Proc, family int, a netip.Addr) error {
	fd, err := dialIn(p, family, netip.AddrPortFrom(a, o.echo))
	if err != nil {
		return err
	}
	data := randomBytes(1, 100<<10)
	p.Go(func(p *sockapi.Proc) error {
		_, err := p.Send(fd, data, 0)
		return errors.Join(err, p.Shutdown(fd, sockapi.SHUT_WR))
	})
	if back, err := readAll(p, fd); err != nil || !bytes.Equal(back, data) {
		return errors.Join(err, errors.New("what came back is not what was sent"))
	}
	first, err := dialIn(p, family, netip.AddrPortFrom(a, o.first))
	if err != nil {
		return err
	}
	_, err = readAll(p, first)
	_, se := p.Send(first, data, 0)
	if err := errors.Join(err, se, p.Close(fd), p.Close(first)); err != nil {
		return err
	}
	if _, err := dialIn(p, family, netip.AddrPortFrom(a, o.closed)); !errors.Is(err, sockapi.ECONNREFUSED) {
		return errors.Join(err, errors.New("it was not refused"))
	}
	return queryUntil(p, family, netip.AddrPortFrom(a, o.udp))
}

// queryUntil sends datagrams until one comes back: the link may lose them.
func queryUntil(p *sockapi.Proc, family int, to netip.AddrPort) error {
	fd, err := p.Socket(family, sockapi.SOCK_DGRAM, 0)
	if err == nil {
		err = p.Connect(fd, to)
	}
	for err == nil {
		if _, err = p.Send(fd, []byte("anybody there?"), 0); err != nil {
			break
		}
		p.Sleep(20 * time.Millisecond)
		if _, err := p.Recv(fd, 100, sockapi.MSG_DONTWAIT); err == nil {
			return p.Close(fd)
		}
	}
	return err
}

// conversation is a lab in which the client has its conversation, over a link that
// loses TCP's packets: on IPv4 and IPv6 at once.
func conversation(t *testing.T, w *sim.World, out io.Writer, ports []outsidePorts, open func(gateway.Config) (*gateway.Gateway, error)) *lab {
	w.Bus().Attach(jsonl.New(out, jsonl.Config{Seed: w.Seed(), Epoch: w.Epoch()}))
	l := newLabIn(t, w, gateway.Config{}, open)
	cfg, err := netem.Parse("delay 1ms loss 2%")
	require.NoError(t, err)
	require.NoError(t, errors.Join(l.link.Impair(sim.AB, cfg), l.link.Impair(sim.BA, cfg)))
	for n, to := range targets {
		l.client.Spawn(to.name, func(p *sockapi.Proc) error {
			return ports[n].converse(p, to.family, to.addr)
		})
	}
	return l
}

// recordConversation returns a recording of one, and its trace.
func recordConversation(t *testing.T) (file []byte, trace string, ports []outsidePorts) {
	t.Helper()
	for _, to := range targets {
		ports = append(ports, openOutside(t, to.loopback))
	}
	var live, out bytes.Buffer
	w := sim.New(sim.Config{Seed: 4})
	rec, err := record.NewWriter(&out, record.Header{})
	require.NoError(t, err)
	w.Record(rec)
	l := conversation(t, w, &live, ports, func(cfg gateway.Config) (*gateway.Gateway, error) { return gateway.NewRecorded(cfg, w) })
	l.run()
	w.Record(nil)
	require.NoError(t, rec.End(record.End{Ran: w.Events(), Now: w.Now(), Reason: "done"}))
	require.NoError(t, w.Bus().Close())
	return out.Bytes(), live.String(), ports
}

// replayConversation replays one. It makes no socket.
func replayConversation(t *testing.T, file []byte, ports []outsidePorts) (trace string, end *record.End, err error) {
	t.Helper()
	var again bytes.Buffer
	w := sim.New(sim.Config{Seed: 4})
	r, err := record.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	p := w.Replayer(r)
	conversation(t, w, &again, ports, func(cfg gateway.Config) (*gateway.Gateway, error) { return gateway.NewReplayed(cfg, p), nil })
	end, err = p.End(t.Context())
	require.NoError(t, w.Bus().Close())
	w.Close()
	return again.String(), end, err
}

// TestReplay: what the machine's sockets answer is recorded, and the replay has
// the same trace without them.
func TestReplay(t *testing.T) {
	file, live, ports := recordConversation(t)
	again, end, err := replayConversation(t, file, ports)
	require.NoError(t, err)
	require.Equal(t, "done", end.Reason)
	require.True(t, live == again, "the traces of %d and %d bytes differ", len(live), len(again))
	require.Contains(t, live, "connection refused (ECONNREFUSED), for 10.77.0.1:")
	require.Contains(t, live, `"reason":"loss`)
}

// TestReplayCut: a recording that is cut off replays up to its last complete
// input: never anything that did not happen.
func TestReplayCut(t *testing.T) {
	file, live, ports := recordConversation(t)
	longest := 0
	for n := range 20 {
		again, _, err := replayConversation(t, file[:len(file)*(n+1)/21], ports)
		require.ErrorIs(t, err, record.ErrCut)
		require.True(t, strings.HasPrefix(live, again), "cut at %d/21", n+1)
		require.GreaterOrEqual(t, len(again), longest, "cut at %d/21: no less than of less", n+1)
		longest = len(again)
	}
	// How much depends on how many inputs there were: on the machine's load.
	require.Positive(t, longest)
}

// answered is a question and its answer in a recording.
type answered struct{ question, answer string }

// rewrite writes a recording again; change returns which answers take the place of
// one.
func rewrite(t *testing.T, file []byte, change func(answered) []answered) []byte {
	t.Helper()
	r, err := record.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := record.NewWriter(&out, r.Header)
	require.NoError(t, err)
	for {
		in, end, err := r.Next()
		require.NoError(t, err)
		for q, a, ok := r.Answer(); ok; q, a, ok = r.Answer() {
			for _, n := range change(answered{string(q), string(a)}) {
				require.NoError(t, w.Answer([]byte(n.question), []byte(n.answer)))
			}
		}
		if end != nil {
			require.NoError(t, w.End(*end))
			return out.Bytes()
		}
		require.NoError(t, w.Input(*in))
	}
}

// TestReplayOfOthers: answers that do not fit are an error that says where, and
// what was asked. What follows from them is not in the trace.
func TestReplayOfOthers(t *testing.T) {
	file, live, ports := recordConversation(t)
	first := func(call string, change func(a answered) []answered) func(answered) []answered {
		done := false
		return func(a answered) []answered {
			if done || !strings.HasPrefix(a.question, call) {
				return []answered{a}
			}
			done = true
			return change(a)
		}
	}
	become := func(question, answer string) func(answered) []answered {
		return func(a answered) []answered {
			if question != "" {
				a.question = question
			}
			return []answered{{a.question, answer}}
		}
	}
	for name, tt := range map[string]struct {
		change func(answered) []answered
		want   string
	}{
		"another read":  {first("read", become("read 3 17", "")), `^input \d+: before it, the machine is asked to "read \d+ 4096", and was asked to "read 3 17" then: this is not what was recorded$`},
		"an error":      {first("write", become("", "\x68\x00")), `^input \d+: .*: this is not what was recorded$`},
		"no answer":     {first("write", become("", "")), `^input \d+: before it, the answer to "write \d+ \d+" cannot be read: this is not what was recorded$`},
		"too many":      {first("write", become("", "\x00\xff\xff\x7f")), `the answer to "write \d+ \d+" cannot be read`},
		"no address":    {first("getsockname", become("", "abc")), `the answer to "getsockname \d+" cannot be read`},
		"half a number": {first("epoll_wait", become("", "\xff")), `the answer to "epoll_wait" cannot be read`},
		"neither":       {first("getpeername", become("", "\x02")), `the answer to "getpeername \d+" cannot be read`},
		"others ping":   {first("ping", become("", "\x05")), `^input 1: before it, the answer to "ping icmp" cannot be read`},
		"nothing": {func(a answered) []answered {
			if strings.HasPrefix(a.question, "ping") {
				return []answered{a}
			}
			return nil
		}, `^input \d+: before it, the machine is asked to "connect tcp 127\.0\.0\.1:\d+", and was asked nothing more then: this is not what was recorded$`},
	} {
		t.Run(name, func(t *testing.T) {
			again, _, err := replayConversation(t, rewrite(t, file, tt.change), ports)
			require.Error(t, err)
			require.Regexp(t, tt.want, err.Error())
			if name != "an error" {
				require.True(t, strings.HasPrefix(live, again), "the trace ends where they do not fit")
			}
		})
	}
}
