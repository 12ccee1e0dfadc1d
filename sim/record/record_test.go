package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sample has every kind of record.
func sample(t testing.TB) ([]byte, []any) {
	var b bytes.Buffer
	h := Header{Tool: "fivetuple", GVisor: "v0", Seed: 7, Epoch: time.Unix(1, 0).UTC(), Config: json.RawMessage(`{"addrs":["10.0.0.1/24"]}`)}
	w, err := NewWriter(&b, h)
	require.NoError(t, err)
	want := []any{
		&Input{Ran: 0, Now: time.Millisecond, Packets: []Packet{{Data: []byte{0x45, 1}}, {Meta: []byte{9}, Data: []byte{0x60}}}},
		&Input{Ran: 3, Now: time.Millisecond, Command: []byte(`["link"]`)},
		&Input{Ran: 3, Now: 2 * time.Millisecond, Lost: 41, Why: "no buffer space"},
		&Input{Ran: 3, Now: 2 * time.Millisecond, Seen: []byte(`{"host":"linux"}`)},
		&Input{Ran: 4, Now: 2 * time.Millisecond, Net: 1, Call: []byte("{}\ndata")},
		&Input{Ran: 9, Now: 2 * time.Millisecond, Taken: true},
		&Input{Ran: 9, Now: 2 * time.Millisecond, Pause: Paused},
		&Input{Ran: 900, Now: time.Hour, Packets: []Packet{{Data: bytes.Repeat([]byte{7}, 3000)}}},
		&End{Ran: 1000, Now: 2 * time.Hour, Reason: "stopped", Events: 12345, Digest: [32]byte{1, 2, 3}},
	}
	for _, r := range want {
		switch r := r.(type) {
		case *Input:
			require.NoError(t, w.Input(*r))
			require.NoError(t, w.Sums([]byte{1, 2, 3, byte(r.Ran)}))
			require.NoError(t, w.Answer([]byte("read 7 9"), []byte{byte(r.Ran)}))
		case *End:
			require.NoError(t, w.End(*r))
		}
	}
	return b.Bytes(), want
}

// readAll reads until an error.
func readAll(b []byte) (got []any, err error) {
	r, err := NewReader(bytes.NewReader(b))
	for err == nil {
		var in *Input
		var end *End
		in, end, err = r.Next()
		switch {
		case in != nil:
			got = append(got, in)
		case end != nil:
			got = append(got, end)
		}
	}
	return got, err
}

func TestRoundTrip(t *testing.T) {
	b, want := sample(t)
	got, err := readAll(b)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, want, got)
}

// TestLong: what is longer than a record can be is written in parts.
func TestLong(t *testing.T) {
	for _, size := range []int{maxRecord / 2, maxRecord, 2*maxRecord + 5} {
		var b bytes.Buffer
		w, err := NewWriter(&b, Header{})
		require.NoError(t, err)
		long := make([]byte, size)
		rand.NewChaCha8([32]byte{1}).Read(long)
		want := []any{&Input{Ran: 5, Now: 6, Call: long}, &Input{Ran: 7, Now: 8, Call: []byte("short")}}
		for _, in := range want {
			require.NoError(t, w.Input(*in.(*Input)))
		}
		require.NoError(t, w.Flush())
		got, err := readAll(b.Bytes())
		require.ErrorIs(t, err, ErrCut)
		require.True(t, reflect.DeepEqual(want, got), "%d bytes", size)
		got, err = readAll(b.Bytes()[:size])
		require.ErrorIs(t, err, ErrCut)
		require.Empty(t, got, "a part is no input")
	}
}

// TestSums: checksums of events come with what is read, and are no inputs.
func TestSums(t *testing.T) {
	b, _ := sample(t)
	r, err := NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	for range 3 {
		_, _, err = r.Next()
		require.NoError(t, err)
	}
	require.Equal(t, []byte{1, 2, 3, 0, 1, 2, 3, 3}, r.Sums)
}

// TestAnswers: answers come before the next input, or the end, in their order;
// those that nothing follows are there once they are written.
func TestAnswers(t *testing.T) {
	long := bytes.Repeat([]byte{8}, 2*answersAtOnce)
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{})
	require.NoError(t, err)
	for n := range byte(3) {
		require.NoError(t, w.Answer([]byte("short"), []byte{n}))
		require.NoError(t, w.Answer([]byte("long"), long[:int(n)*answersAtOnce]))
		require.NoError(t, w.Input(Input{Ran: uint64(n), Command: []byte("x")}))
	}
	require.NoError(t, w.Answer([]byte("at the end"), nil))
	cut := b.Len()
	require.NoError(t, w.Flush())

	r, err := NewReader(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Greater(t, b.Len(), cut)
	answer := func() (string, []byte) {
		q, a, ok := r.Answer()
		require.True(t, ok)
		return string(q), a
	}
	for n := range byte(3) {
		_, _, ok := r.Answer()
		require.False(t, ok, "what comes next has not been read")
		in, _, err := r.Next()
		require.NoError(t, err)
		require.EqualValues(t, n, in.Ran)
		q, a := answer()
		require.Equal(t, "short", q)
		require.Equal(t, []byte{n}, a)
		q, a = answer()
		require.Equal(t, "long", q)
		require.True(t, bytes.Equal(long[:int(n)*answersAtOnce], a))
	}
	_, _, err = r.Next()
	require.ErrorIs(t, err, ErrCut)
	q, a := answer()
	require.Equal(t, "at the end", q)
	require.Empty(t, a)
}

// TestCut: a recording that is cut anywhere reads up to its last complete
// record, and says that it was cut.
func TestCut(t *testing.T) {
	b, want := sample(t)
	last := -1
	for n := len(magic); n < len(b); n++ {
		got, err := readAll(b[:n])
		require.ErrorIs(t, err, ErrCut, "cut to %d bytes", n)
		require.Equal(t, len(got), len(want[:len(got)]))
		for i := range got {
			require.Equal(t, want[i], got[i])
		}
		require.GreaterOrEqual(t, len(got), last, "more bytes never give less")
		last = len(got)
	}
	require.Equal(t, len(want)-1, last, "all but the end")
}

// TestChanged: one changed byte anywhere is found. It is never read as
// something else; at most, what follows a changed length seems cut off.
func TestChanged(t *testing.T) {
	b, want := sample(t)
	for n := range b {
		if n > 200 && n < len(b)-200 && n%97 != 0 {
			continue // inside of the long packet one place is like another
		}
		bad := bytes.Clone(b)
		bad[n] ^= 0x10
		got, err := readAll(bad)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) && !errors.Is(err, ErrCut) {
			require.ErrorContains(t, err, "no recording", "byte %d", n)
		}
		for i := range got {
			require.Equal(t, want[i], got[i], "byte %d", n)
		}
		require.Less(t, len(got), len(want), "byte %d", n)
	}
}

// TestMissing: a record that was taken out is found by the number of the next.
func TestMissing(t *testing.T) {
	b, _ := sample(t)
	r, err := NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	from := r.at
	_, _, err = r.Next()
	require.NoError(t, err)
	short := append(bytes.Clone(b[:from]), b[r.at:]...)
	got, err := readAll(short)
	require.Empty(t, got)
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, 1, corrupt.Record)
	require.Equal(t, from, corrupt.Offset)
}

func FuzzReader(f *testing.F) {
	b, _ := sample(f)
	f.Add(b)
	f.Add(b[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := NewReader(bytes.NewReader(b)); err != nil {
			return // no beginning: nothing to read
		}
		_, err := readAll(b)
		var corrupt *CorruptError
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrCut) && !errors.As(err, &corrupt) {
			t.Fatalf("reading ended with %v: it is a good end, a cut, or a place that was changed", err)
		}
	})
}
