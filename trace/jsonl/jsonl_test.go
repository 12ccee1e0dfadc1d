package jsonl

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

// tcp is an IPv4 TCP segment from 10.0.0.1:49152 to 10.0.0.2:80 without
// options, decoded.
func tcp(seq, ack uint32, flags byte, payload string) ([]byte, trace.Summary) {
	be := func(b []byte, v uint32) { b[0], b[1], b[2], b[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v) }
	b := append(make([]byte, 40), payload...)
	b[0], b[3], b[8], b[9] = 0x45, byte(len(b)), 64, 6
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2, 0xc0, 0x00, 0, 80})
	be(b[24:], seq)
	be(b[28:], ack)
	b[32], b[33], b[34] = 0x50, flags, 0x20
	return b, trace.Decode(b, false)
}

var (
	curl  = trace.Origin{Host: "client", Proc: "curl", PID: 1, FD: 3, HasFD: true}
	tuple = trace.FiveTuple{
		Proto:  "tcp",
		Local:  netip.MustParseAddrPort("10.0.0.1:49152"),
		Remote: netip.MustParseAddrPort("[fe80::1%eth0]:80"),
	}
)

const (
	curlJSON  = `"host":"client","proc":"curl","pid":1,"thread":0,"fd":3,`
	tupleJSON = `"proto":"tcp","local":"10.0.0.1:49152","remote":"[fe80::1%eth0]:80",`
)

// lines is one case for each body and for each rule about what is absent.
func lines() []lineCase {
	var flows trace.Flows
	syn, synSum := tcp(1000, 0, 2, "")
	_, rawSum := tcp(1000, 77, 0x10, "hello")
	flows.Note(&synSum)
	_, relSum := tcp(1001, 77, 0x18, "hello")
	flows.Note(&relSum)
	relSum.Opts, relSum.SACK = "mss 1460", [][2]uint32{{5, 6}, {8, 9}}
	v6 := netip.MustParseAddr("fe80::1")

	return []lineCase{
		{"the sample of the design", trace.Event{ID: 14, Cause: 11, Origin: curl, Body: &trace.Packet{
			What: trace.Sent, Num: 1, Link: "client-server", Iface: "eth0", Peer: "server", Data: syn, Summary: synSum}},
			`"id":14,"cause":11,"t":0,` + curlJSON + `"kind":"packet","what":"sent","num":1,"link":"client-server","iface":"eth0",` +
				`"peer":"server","bytes":40,"proto":"tcp","src":"10.0.0.1:49152","dst":"10.0.0.2:80","flags":"S","seq":0,"len":0,` +
				`"win":8192,"rel":true,"raw_seq":1000`},
		{"a delivered copy", trace.Event{ID: 2, At: time.Second, Body: &trace.Packet{
			What: trace.Delivered, Num: 2, Copy: 1, Note: "duplicate", Retransmit: true, Summary: relSum}},
			`"id":2,"t":1000000000,"kind":"packet","what":"delivered","num":2,"bytes":0,"note":"duplicate","copy":1,"retransmit":true,` +
				`"proto":"tcp","src":"10.0.0.1:49152","dst":"10.0.0.2:80","flags":"P.","seq":1,"len":5,"ack":77,"win":8192,` +
				`"rel":true,"raw_seq":1001,"raw_ack":77,"opts":"mss 1460","sack":[[5,6],[8,9]]`},
		{"a flow whose SYN was not seen", trace.Event{ID: 2, Body: &trace.Packet{What: trace.Dropped, Reason: "loss 1%", Summary: rawSum}},
			`"id":2,"t":0,"kind":"packet","what":"dropped","num":0,"bytes":0,"reason":"loss 1%","proto":"tcp",` +
				`"src":"10.0.0.1:49152","dst":"10.0.0.2:80","flags":".","seq":1000,"len":5,"ack":77,"win":8192`},
		{"UDP to port 0", trace.Event{ID: 2, Body: &trace.Packet{What: trace.Sent, Summary: trace.Summary{
			Proto: "udp", Src: netip.AddrPortFrom(v6, 0), Dst: netip.AddrPortFrom(v6, 9)}}},
			`"id":2,"t":0,"kind":"packet","what":"sent","num":0,"bytes":0,"proto":"udp","src":"[fe80::1]:0","dst":"[fe80::1]:9","len":0`},
		{"ICMP has no ports", trace.Event{ID: 2, Body: &trace.Packet{What: trace.Sent, Ethernet: true, Summary: trace.Summary{
			Proto: "icmpv6", Src: netip.AddrPortFrom(v6, 0), Dst: netip.AddrPortFrom(v6.WithZone("a\"b"), 0), Len: 8, Text: "echo reply id 1 seq 1"}}},
			`"id":2,"t":0,"kind":"packet","what":"sent","num":0,"ethernet":true,"bytes":0,"proto":"icmpv6",` +
				`"src":"fe80::1","dst":"fe80::1%a\"b","len":8,"text":"echo reply id 1 seq 1"`},
		{"a call that blocked", trace.Event{ID: 3, Origin: trace.Origin{Host: "h", Proc: "p", Thread: 2, HasFD: true}, Body: &trace.Call{
			What: trace.Return, Num: 4, Name: "accept", Args: "3", Result: "4", Peer: "10.0.0.1:1", Blocked: true}},
			`"id":3,"t":0,"host":"h","proc":"p","thread":2,"fd":0,"kind":"call","what":"return","num":4,"name":"accept","args":"3",` +
				`"result":"4","peer_addr":"10.0.0.1:1","blocked":true,"waited_ns":0`},
		{"a call that failed", trace.Event{ID: 3, Body: &trace.Call{
			What: trace.Return, Num: 4, Name: "bind", Errno: "EADDRINUSE", Error: "address in use", Waited: 5}},
			`"id":3,"t":0,"kind":"call","what":"return","num":4,"name":"bind","errno":"EADDRINUSE","error":"address in use"`},
		{"a listener", trace.Event{ID: 4, Body: &trace.State{FiveTuple: trace.FiveTuple{Proto: "tcp", Local: tuple.Local},
			From: trace.Closed, To: trace.Listen}},
			`"id":4,"t":0,"kind":"state","proto":"tcp","local":"10.0.0.1:49152","from":"CLOSED","to":"LISTEN"`},
		{"a sender without a sample", trace.Event{ID: 5, Body: &trace.TCPInfo{FiveTuple: tuple, Cwnd: 10, RTO: time.Second, CAState: "Open"}},
			`"id":5,"t":0,"kind":"tcpinfo",` + tupleJSON + `"cwnd":10,"ssthresh":0,"rto_ns":1000000000,"ca_state":"Open"`},
		{"a sender with one", trace.Event{ID: 5, Body: &trace.TCPInfo{FiveTuple: tuple, Ssthresh: 7, SRTT: 20}},
			`"id":5,"t":0,"kind":"tcpinfo",` + tupleJSON + `"cwnd":0,"ssthresh":7,"srtt_ns":20,"rttvar_ns":0`},
		{"a timer set at the start", trace.Event{ID: 6, Body: &trace.Timer{Name: "retransmission"}},
			`"id":6,"t":0,"kind":"timer","name":"retransmission","armed_ns":0`},
		{"a process", trace.Event{ID: 7, Body: &trace.Process{What: "exit", Name: "p", Parent: "q", Error: "boom", Signal: "SIGPIPE"}},
			`"id":7,"t":0,"kind":"process","what":"exit","name":"p","parent":"q","error":"boom","signal":"SIGPIPE"`},
		{"a warning that needs escaping", trace.Event{ID: 8, Body: &trace.Warning{Text: "a \"b\" \\ \n\r\t\x01\x1f\x7f é \U0001f600 \xff\xc3"}},
			`"id":8,"t":0,"kind":"warning","text":"a \"b\" \\ \n\r\t\u0001\u001f` + "\x7f é \U0001f600 \ufffd\ufffd" + `"`},
		{"a mark", trace.Event{ID: 9, Body: &trace.Mark{Text: "phase 2"}}, `"id":9,"t":0,"kind":"mark","text":"phase 2"`},
		{"an expectation", trace.Event{ID: 10, Body: &trace.Expect{Claim: "c", Got: "g", Where: "a.star:3"}},
			`"id":10,"t":0,"kind":"expect","ok":false,"claim":"c","got":"g","where":"a.star:3"`},
		{"a change of a link", trace.Event{ID: 11, Body: &trace.LinkChange{Link: "a-b", Direction: "a → b", Now: "loss 1%"}},
			`"id":11,"t":0,"kind":"link","link":"a-b","direction":"a → b","now":"loss 1%"`},
	}
}

type lineCase struct {
	name string
	ev   trace.Event
	want string // behind "v"
}

func TestEvent(t *testing.T) {
	for _, tt := range lines() {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := New(&b, Config{})
			require.NoError(t, w.Event(&tt.ev))
			require.NoError(t, w.Close())
			head, rest, ok := strings.Cut(b.String(), "\n")
			require.True(t, ok)
			require.Equal(t, `{"v":1,"kind":"header","tool":"fivetuple","seed":0}`, head)
			require.Equal(t, `{"v":1,`+tt.want+"}\n", rest)
			require.True(t, json.Valid([]byte(rest)))
		})
	}
}

func TestHeaderAndData(t *testing.T) {
	var b bytes.Buffer
	w := New(&b, Config{Scenario: "hand\"shake", Seed: 1<<64 - 1, Data: true,
		Epoch: time.Date(2000, 1, 1, 1, 0, 0, 5, time.FixedZone("", 3600))})
	require.NoError(t, w.Event(&trace.Event{ID: 1, Body: &trace.Packet{What: trace.Sent, Data: []byte{0, 0xa5, 0xff}}}))
	require.NoError(t, w.Event(&trace.Event{ID: 2, Body: &trace.Packet{What: trace.Sent}}))
	require.NoError(t, w.Flush())
	require.Equal(t, `{"v":1,"kind":"header","tool":"fivetuple","scenario":"hand\"shake","seed":18446744073709551615,"epoch":"2000-01-01T00:00:00.000000005Z"}
{"v":1,"id":1,"t":0,"kind":"packet","what":"sent","num":0,"bytes":3,"data":"00a5ff"}
{"v":1,"id":2,"t":0,"kind":"packet","what":"sent","num":0,"bytes":0,"data":""}
`, b.String())
}

// What is written can be read: every field comes back, and none is unknown to
// Record.
func TestRead(t *testing.T) {
	var b bytes.Buffer
	w := New(&b, Config{Scenario: "s", Seed: 7, Data: true, Epoch: time.Unix(0, 0)})
	for _, tt := range lines() {
		require.NoError(t, w.Event(&tt.ev))
	}
	require.NoError(t, w.Close())

	dec := json.NewDecoder(bytes.NewReader(b.Bytes()))
	dec.DisallowUnknownFields()
	n := 0
	for rec, err := range Read(&b) {
		require.NoError(t, err)
		var want Record
		require.NoError(t, dec.Decode(&want))
		require.Equal(t, want, rec)
		n++
	}
	require.Equal(t, 1+len(lines()), n)

	for rec := range Read(strings.NewReader("{\"v\":1,\"kind\":\"header\"}\nnonsense\n")) {
		require.Equal(t, "header", rec.Kind)
		break // a reader may stop before the bad line
	}
}

func TestReadErrors(t *testing.T) {
	good := `{"v":1,"kind":"header","tool":"fivetuple","seed":7,"from_the_future":[1]}` + "\n"
	for _, tt := range []struct {
		name string
		in   io.Reader
		want string
		good int // lines before the error
	}{
		{"a torn line", strings.NewReader(good + `{"v":1,"id":1`), "line 2: unexpected EOF", 1},
		{"a line without its newline", strings.NewReader(strings.TrimSuffix(good, "\n")), "line 1: unexpected EOF", 0},
		{"not JSON", strings.NewReader(good + good + "hello\n"), "line 3: invalid character 'h' looking for beginning of value", 2},
		{"another schema", strings.NewReader("{\"v\":2,\"id\":{}}\n"), "line 1: schema version 2, but this reader knows 1 only", 0},
		{"another format", strings.NewReader("{}\n"), "line 1: no schema version: this is not an event", 0},
		{"a reader that fails", io.MultiReader(strings.NewReader(good), broken{}), "line 2: io: read/write on closed pipe", 1},
		{"nothing", strings.NewReader(""), "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good, got := 0, ""
			for _, err := range Read(tt.in) {
				if err != nil {
					got = err.Error()
				} else {
					good++
				}
			}
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.good, good)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)    { return 0, io.ErrClosedPipe }
func (broken) Write(b []byte) (int, error) { return len(b) / 2, nil }

// A body that the writer does not know is refused, and leaves no half line.
func TestUnknownBody(t *testing.T) {
	for _, tt := range []struct {
		name string
		body trace.Body
		want string
	}{
		{"a new type", stranger{}, "events: event 2 has a body of unknown type jsonl.stranger"},
		{"none", nil, "events: event 2 has a body of unknown type <nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := New(&b, Config{})
			err := w.Event(&trace.Event{ID: 2, Body: tt.body})
			require.EqualError(t, err, tt.want)
			require.Error(t, w.Event(&trace.Event{ID: 3, Body: &trace.Mark{}}), "the error is final")
			require.NoError(t, w.Close())
			require.Equal(t, 1, strings.Count(b.String(), "\n"), "the header was written all the same")
			require.True(t, strings.HasSuffix(b.String(), "\n"))
		})
	}
}

type stranger struct{}

func (stranger) Kind() string { return "stranger" }

// limited is a regular file on a disk that has room for so many bytes.
type limited struct {
	*os.File
	room int
}

func (l *limited) Write(b []byte) (int, error) {
	n, err := l.File.Write(b[:min(len(b), l.room)])
	l.room -= n
	if err == nil && n < len(b) {
		err = &os.PathError{Op: "write", Path: l.File.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

// Every size of disk leaves a file of whole lines.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.jsonl")
	for room := range 200 {
		f, err := os.Create(path)
		require.NoError(t, err)
		w := New(&limited{f, room}, Config{})
		for range 10 {
			require.NoError(t, w.Event(&trace.Event{ID: 1, Body: &trace.Mark{Text: "x"}}))
		}
		err = w.Flush()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualError(t, err, path+": "+syscall.ENOSPC.Error())
		require.NoError(t, w.Close(), "the error was returned before")
		require.NoError(t, f.Close())
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, len(got), room)
		require.True(t, len(got) == 0 || got[len(got)-1] == '\n', "room for %d bytes", room)
		require.Less(t, room-len(got), 55, "no whole line is cut")
	}
}

func TestDevFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full exists on Linux only")
	}
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	var bus trace.Bus
	bus.Attach(New(f, Config{}))
	bus.Emit(trace.Origin{Host: "h"}, &trace.Mark{})
	require.EqualError(t, bus.Close(), "/dev/full: no space left on device")
}

// A full buffer is written by Event, and Event reports what goes wrong.
func TestEventFlushes(t *testing.T) {
	w := New(broken{}, Config{})
	ev := &trace.Event{ID: 1, Body: &trace.Mark{Text: strings.Repeat("x", flushAt/2)}}
	err := errors.Join(w.Event(ev), w.Event(ev))
	require.EqualError(t, err, "events: short write")
}

// The writer is on the path of every event of every run.
func TestNoAllocations(t *testing.T) {
	w := New(io.Discard, Config{Data: true})
	w.buf = make([]byte, 0, 2*flushAt)
	ev := lines()[0].ev
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := w.Event(&ev); err != nil {
			panic(err)
		}
	}))
}

func FuzzString(f *testing.F) {
	f.Add("a\"\\\x00\xff\u2028é")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		require.NoError(t, json.Unmarshal(appendString(nil, s), &got))
		want, err := json.Marshal(s)
		require.NoError(t, err)
		var same string
		require.NoError(t, json.Unmarshal(want, &same))
		require.Equal(t, same, got)
	})
}

func BenchmarkEvent(b *testing.B) {
	w := New(io.Discard, Config{})
	ev := lines()[0].ev
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Event(&ev); err != nil {
			b.Fatal(err)
		}
	}
}
