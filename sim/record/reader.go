package record

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrCut is what a reader returns at the end of a recording that was not ended:
// its writer was killed, or its disk was full. All before it is good.
var ErrCut = errors.New("the recording ends here without an end: its run was cut off")

// CorruptError is a recording that was changed.
type CorruptError struct {
	Record int   // number of the record, the header is 0
	Offset int64 // where it begins in the file, bytes
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("record %d, at byte %d: %s", e.Record, e.Offset, e.Reason)
}

// Reader reads a recording.
type Reader struct {
	// Header is what was run.
	Header Header
	// Sums are the checksums of events that Next has come across, 4 bytes each.
	// Whoever uses them takes them from the front.
	Sums []byte

	answers []byte // that Next has come across, as Writer.Answer has written them

	r     *bufio.Reader
	n     uint32
	at    int64
	ran   uint64
	now   time.Duration
	ended bool
}

// NewReader reads the beginning of a recording.
func NewReader(r io.Reader) (*Reader, error) {
	in := &Reader{r: bufio.NewReaderSize(r, 1<<16), at: int64(len(magic))}
	got := make([]byte, len(magic))
	_, err := io.ReadFull(in.r, got)
	switch short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); {
	case err != nil && !short:
		return nil, err // it could not be read
	case short || string(got) != magic:
		return nil, errors.New("this is no recording of fivetuple's, or of another version: `fivetuple up --record FILE` writes one")
	}
	kind, body, err := in.record()
	if err != nil {
		return nil, err
	}
	if kind != kindHeader {
		return nil, &CorruptError{0, in.at, "it is no header"}
	}
	if err := json.Unmarshal(body, &in.Header); err != nil {
		return nil, &CorruptError{0, in.at, err.Error()}
	}
	return in, nil
}

// record reads the next record. A file that ends in the middle of one gives
// ErrCut, one that was changed a CorruptError.
func (r *Reader) record() (kind byte, body []byte, err error) {
	start := r.at
	corrupt := func(reason string) error { return &CorruptError{int(r.n), start, reason} }
	size, err := binary.ReadUvarint(counted{r})
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil, ErrCut
	case err != nil:
		return 0, nil, corrupt(err.Error())
	case size == 0 || size > maxRecord:
		return 0, nil, corrupt(fmt.Sprintf("its length cannot be %d", size))
	}
	buf := make([]byte, size+4)
	n, err := io.ReadFull(r.r, buf)
	r.at += int64(n)
	if err != nil {
		return 0, nil, ErrCut
	}
	record := buf[:size]
	if got, want := checksum(r.n, record), binary.BigEndian.Uint32(buf[size:]); got != want {
		return 0, nil, corrupt(fmt.Sprintf("its checksum is %08x, and should be %08x: the file was changed", got, want))
	}
	r.n++
	return record[0], record[1:], nil
}

// whole reads the next record but checksums and answers, together with the parts of
// its body that come before it.
func (r *Reader) whole() (kind byte, body []byte, err error) {
	var parts []byte
	for {
		kind, body, err = r.record()
		switch {
		case err == nil && kind == kindMore:
			parts = append(parts, body...)
			continue
		case err == nil && kind == kindSums:
			r.Sums = append(r.Sums, body...)
			continue
		case err == nil && kind == kindAnswers:
			r.answers = append(r.answers, body...)
			continue
		}
		break
	}
	if parts != nil {
		body = append(parts, body...)
	}
	return kind, body, err
}

// counted reads bytes and counts them.
type counted struct{ r *Reader }

func (c counted) ReadByte() (byte, error) {
	b, err := c.r.r.ReadByte()
	if err == nil {
		c.r.at++
	}
	return b, err
}

// Next reads the next input, or the end: one of the two is not nil. After the
// end it returns io.EOF.
func (r *Reader) Next() (*Input, *End, error) {
	if r.ended {
		return nil, nil, io.EOF
	}
	start := r.at
	kind, body, err := r.whole()
	if err != nil {
		return nil, nil, err
	}
	f := fields{b: body}
	r.ran += f.uvarint()
	r.now += time.Duration(f.uvarint())
	in := &Input{Ran: r.ran, Now: r.now}
	if kind&ofLine != 0 {
		in.Line = int(min(f.uvarint(), maxLine))
		kind &^= ofLine
	}
	switch kind {
	case kindPackets:
		for len(f.b) > 0 && !f.bad {
			in.Packets = append(in.Packets, Packet{Meta: f.bytes(), Data: f.bytes()})
		}
	case kindCommand:
		in.Command = f.b
	case kindSeen:
		in.Seen = f.b
	case kindCall:
		in.Net = int(f.uvarint())
		in.Call = f.b
	case kindTaken:
		in.Taken = true
	case kindPause:
		in.Pause = int(f.uvarint())
	case kindLost:
		in.Lost = int(f.uvarint())
		in.Why = string(f.b)
	case kindEnd:
		e := &End{Ran: r.ran, Now: r.now, Events: f.uvarint()}
		if len(f.b) < len(e.Digest) {
			f.bad = true
			break
		}
		copy(e.Digest[:], f.b)
		e.Reason = string(f.b[len(e.Digest):])
		r.ended = true
		return nil, e, nil
	default:
		f.bad = true
	}
	if f.bad {
		return nil, nil, &CorruptError{int(r.n) - 1, start, fmt.Sprintf("a record of kind %q cannot be read", kind)}
	}
	return in, nil, nil
}

// Answer returns the next question that was asked before the input that Next has
// returned last, and its answer. They are valid until Next is called. ok is false
// if there is none, or no more that can be read.
func (r *Reader) Answer() (question, answer []byte, ok bool) {
	if len(r.answers) == 0 {
		return nil, nil, false
	}
	f := fields{b: r.answers}
	question, answer = f.bytes(), f.bytes()
	r.answers = f.b
	return question, answer, !f.bad
}

// fields takes a body apart.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) bytes() []byte {
	n := f.uvarint()
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	if n == 0 {
		return nil
	}
	return b
}
