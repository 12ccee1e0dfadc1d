package pcapng

import (
	"bytes"
	"io"
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

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// udp is an IPv4 UDP packet from 10.0.0.1:1000 to 10.0.0.2:2000 with n bytes
// of payload.
func udp(n int) []byte {
	b := []byte{
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		1000 >> 8, 1000 & 0xff, 2000 >> 8, 2000 & 0xff, 0, 0, 0, 0,
	}
	b = append(b, make([]byte, n)...)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	b[24], b[25] = byte((len(b)-20)>>8), byte(len(b)-20)
	return b
}

func packet(id trace.ID, at time.Duration, host string, p trace.Packet) *trace.Event {
	p.Iface, p.Num = "eth0", uint64(id)
	if p.Data == nil {
		p.Data = udp(int(id)) // lengths that need padding and lengths that do not
	}
	return &trace.Event{ID: id, At: at, Origin: trace.Origin{Host: host}, Body: &p}
}

// sample is a packet that arrives, one that is lost, and its repetition.
func sample() []*trace.Event {
	sent := packet(14, 0, "client", trace.Packet{What: trace.Sent})
	sent.Cause = 11
	sent.Proc, sent.PID, sent.FD, sent.HasFD = "curl", 1, 3, true
	delivered := packet(15, 10*time.Millisecond, "server", trace.Packet{What: trace.Delivered, Data: udp(14)})
	delivered.Cause = 14
	delivered.Body.(*trace.Packet).Num = 14
	return []*trace.Event{
		sent,
		{ID: 99, Origin: trace.Origin{Host: "client"}, Body: &trace.Mark{Text: "not a packet"}},
		delivered,
		packet(16, 10*time.Millisecond+1, "server", trace.Packet{What: trace.Dropped, Reason: "loss 1%"}),
		packet(17, time.Second, "server", trace.Packet{What: trace.Sent, Retransmit: true, Note: "reordered"}),
	}
}

func write(t *testing.T, s trace.Sink, events ...*trace.Event) {
	t.Helper()
	for _, ev := range events {
		require.NoError(t, s.Event(ev))
	}
	require.NoError(t, s.Close())
}

func TestComment(t *testing.T) {
	for _, tt := range []struct {
		name string
		ev   trace.Event
		p    trace.Packet
		want string
	}{
		{"a host alone", trace.Event{ID: 1, Origin: trace.Origin{Host: "h"}}, trace.Packet{What: trace.Sent}, "h; event 1"},
		{"all that can be known", trace.Event{ID: 14, Cause: 11, Origin: trace.Origin{
			Host: "client", Proc: "curl", PID: 1, Thread: 2, FD: 0, HasFD: true}},
			trace.Packet{What: trace.Dropped, Reason: "queue full (limit 100)", Retransmit: true, Note: "reordered"},
			"DROPPED: queue full (limit 100); client curl[1] thread 2 fd 0; event 14, cause 11; retransmission; reordered"},
		{"a drop without a reason", trace.Event{ID: 2, Origin: trace.Origin{Host: "h"}}, trace.Packet{What: trace.Dropped},
			"DROPPED; h; event 2"},
		{"a process without a number", trace.Event{ID: 2, Origin: trace.Origin{Host: "h", Proc: "p"}}, trace.Packet{}, "h p; event 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, comment(&tt.ev, &tt.p))
		})
	}
}

// The bytes of a small capture, checked against the draft by hand: the format
// may not change by accident, and is the same on every machine.
func TestBytes(t *testing.T) {
	b := appendSection(nil, "")
	b = appendInterface(b, "h:eth0", false)
	b = appendPacket(b, packetBlock{iface: 7, nanos: 0x0102030405060708, data: []byte{1, 2, 3, 4, 5}, comment: "abc", inbound: true, num: 9})
	want := "\x0a\x0d\x0d\x0a\x30\x00\x00\x00" + "\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff" +
		"\x04\x00\x09\x00fivetuple\x00\x00\x00" + "\x00\x00\x00\x00\x30\x00\x00\x00" +
		"\x01\x00\x00\x00\x2c\x00\x00\x00" + "\x65\x00\x00\x00\x00\x00\x00\x00" +
		"\x02\x00\x06\x00h:eth0\x00\x00" + "\x09\x00\x01\x00\x09\x00\x00\x00" + "\x00\x00\x00\x00\x2c\x00\x00\x00" +
		"\x06\x00\x00\x00\x48\x00\x00\x00" + "\x07\x00\x00\x00\x04\x03\x02\x01\x08\x07\x06\x05\x05\x00\x00\x00\x05\x00\x00\x00" +
		"\x01\x02\x03\x04\x05\x00\x00\x00" + "\x01\x00\x03\x00abc\x00" + "\x02\x00\x04\x00\x01\x00\x00\x00" +
		"\x05\x00\x08\x00\x09\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x48\x00\x00\x00"
	require.Equal(t, []byte(want), b)
	require.Equal(t, len(b), wholeBlocks(b, len(b)))
	require.Equal(t, len(b)-0x48, wholeBlocks(b, len(b)-1))
	require.Equal(t, 0, wholeBlocks(b, 7))
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"not UTF-8", "a\xff\xfeb", "\x01\x00\x03\x00a?b\x00"},
		{"a multiple of four", "abcd", "\x01\x00\x04\x00abcd"},
		{"empty", "", "\x01\x00\x00\x00"},
		{"too long for 16 bits", strings.Repeat("x", maxText+1), "\x01\x00\xff\xff" + strings.Repeat("x", maxText) + "\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, string(appendText(nil, optComment, tt.in)))
		})
	}
}

func TestEpoch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		epoch time.Time
		want  uint64
		fails bool
	}{
		{"zero is 1970", time.Time{}, 0, false},
		{"2000", epoch, 946684800e9, false},
		{"another zone", epoch.In(time.FixedZone("", -3600)), 946684800e9, false},
		{"1969", time.Unix(-1, 0), 0, true},
		{"2262", time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Config{Epoch: tt.epoch}.epochNanos()
			require.Equal(t, tt.fails, err != nil, "%v", err)
			require.Equal(t, tt.want, got)
			_, err = New(io.Discard, Config{Epoch: tt.epoch})
			require.Equal(t, tt.fails, err != nil)
			_, err = NewDir(t.TempDir(), Config{Epoch: tt.epoch})
			require.Equal(t, tt.fails, err != nil)
		})
	}
}

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

// Every size of disk leaves a file of whole blocks, so it can be read.
func TestFullDisk(t *testing.T) {
	var whole bytes.Buffer
	w, err := New(&whole, Config{})
	require.NoError(t, err)
	write(t, w, sample()...)

	path := filepath.Join(t.TempDir(), "h.pcapng")
	for room := range whole.Len() {
		f, err := os.Create(path)
		require.NoError(t, err)
		w, err := New(&limited{f, room}, Config{})
		require.NoError(t, err)
		for _, ev := range sample() {
			require.NoError(t, w.Event(ev))
		}
		err = w.Flush()
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualError(t, err, path+": "+syscall.ENOSPC.Error())
		require.Equal(t, err, w.Event(sample()[1]), "the error is final, also for what is no packet")
		require.Equal(t, err, w.Event(sample()[0]))
		require.NoError(t, w.Close(), "the error was returned before")
		require.NoError(t, f.Close())

		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole.Bytes()[:wholeBlocks(whole.Bytes(), room)], got, "room for %d bytes", room)
	}
}

type stubborn struct{ err error }

func (s stubborn) Write(b []byte) (int, error) { return len(b) / 2, s.err }

func TestWriteErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a writer without a name", io.ErrClosedPipe, "capture: io: read/write on closed pipe"},
		{"a writer that breaks its contract", nil, "capture: short write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := New(stubborn{tt.err}, Config{})
			require.NoError(t, err)
			require.NoError(t, w.Event(sample()[0]), "buffered")
			require.EqualError(t, w.Close(), tt.want)
			require.NoError(t, w.Close())
		})
	}
}

// A full buffer is written by Event, and Event reports what goes wrong.
func TestEventFlushes(t *testing.T) {
	w, err := New(stubborn{io.ErrClosedPipe}, Config{})
	require.NoError(t, err)
	var got error
	for n := 0; got == nil && n < 4; n++ {
		got = w.Event(packet(1, 0, "h", trace.Packet{What: trace.Sent, Data: make([]byte, flushAt/2)}))
	}
	require.ErrorIs(t, got, io.ErrClosedPipe)
}

func TestFlush(t *testing.T) {
	var b bytes.Buffer
	w, err := New(&b, Config{})
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.Equal(t, appendSection(nil, ""), b.Bytes(), "a capture without packets is a section")
	require.NoError(t, w.Event(sample()[0]))
	n := b.Len()
	require.NoError(t, w.Flush())
	require.Greater(t, b.Len(), n)
	require.Equal(t, b.Len(), wholeBlocks(b.Bytes(), b.Len()))
}

// What can happen to a packet may grow; a capture shows what was on the wire.
func TestOtherEventsAreIgnored(t *testing.T) {
	var b bytes.Buffer
	w, err := New(&b, Config{})
	require.NoError(t, err)
	dir := t.TempDir()
	d, err := NewDir(dir, Config{})
	require.NoError(t, err)
	write(t, w, sample()[1], packet(1, 0, "h", trace.Packet{What: "pondered"}))
	write(t, d, sample()[1], packet(1, 0, "h", trace.Packet{What: "pondered"}))
	require.Equal(t, appendSection(nil, ""), b.Bytes())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestDirFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	d, err := NewDir(dir, Config{})
	require.NoError(t, err)
	for i, host := range []string{"a/b", "a_b", "A_b", "..", "", "grün", "a/b"} {
		require.NoError(t, d.Event(packet(trace.ID(i+1), 0, host, trace.Packet{What: trace.Sent})))
	}
	require.NoError(t, d.Flush())
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.Event(sample()[0]), os.ErrClosed)

	found, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(f))
	}
	require.ElementsMatch(t, []string{"a_b.pcapng", "a_b~2.pcapng", "A_b~3.pcapng", "_..pcapng", "_.pcapng", "gr_n.pcapng"}, names)
}

func TestDirErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "server.pcapng"), 0o777))
	d, err := NewDir(dir, Config{})
	require.NoError(t, err)
	events := sample()
	require.NoError(t, d.Event(events[0]))
	err = d.Event(events[2])
	require.EqualError(t, err, filepath.Join(dir, "server.pcapng")+": is a directory")
	require.Equal(t, err, d.Event(events[0]), "the first error ends all files")
	require.Equal(t, err, d.Flush())
	require.NoError(t, d.Close(), "and is not repeated")

	b, err := os.ReadFile(filepath.Join(dir, "client.pcapng"))
	require.NoError(t, err)
	require.Equal(t, len(b), wholeBlocks(b, len(b)))
	require.NotEmpty(t, b)

	_, err = NewDir(filepath.Join(dir, "client.pcapng"), Config{})
	require.Error(t, err)
}

// A real full disk, through the Bus, which reports each error once.
func TestDevFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full exists on Linux only")
	}
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	w, err := New(f, Config{})
	require.NoError(t, err)
	var bus trace.Bus
	bus.Attach(w)
	bus.Emit(trace.Origin{Host: "h"}, sample()[0].Body)
	require.EqualError(t, bus.Close(), "/dev/full: no space left on device")
}

func BenchmarkEvent(b *testing.B) {
	w, err := New(io.Discard, Config{})
	require.NoError(b, err)
	ev := sample()[0]
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Event(ev); err != nil {
			b.Fatal(err)
		}
	}
}
