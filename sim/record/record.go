// Package record is the file format of recordings: the inputs of a live run,
// enough to run it again in virtual time.
//
//	Writer  appends records; every one has a checksum
//	Reader  reads them back, up to the last complete one
//	Header  what was run: configuration, seed, versions
//	Input   what came from outside, and when
//	End     how the run ended, and a digest of all its events
//
// A file is a magic line and then records: a length (uvarint, of the kind and
// the body), a kind (one byte), the body, and a CRC-32C (4 bytes, big endian)
// over the record's number, kind and body. The number makes a record that is
// missing show. The first record is the header, as JSON.
package record

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// magic begins every recording.
const magic = "fivetuple recording 1\n"

// maxRecord bounds a record: a batch of 64 packets of 64 KiB, and more.
const maxRecord = 16 << 20

// maxLine bounds a line's number.
const maxLine = 1 << 16

// Kinds of records.
const (
	kindHeader  = 'H'
	kindPackets = 'P'
	kindCommand = 'C'
	kindLost    = 'L'
	kindSeen    = 'S'
	kindCall    = 'O' // of code outside of the world
	kindTaken   = 'T' // what had happened at the world's source
	kindAnswers = 'A'
	kindPause   = 'R'
	kindSums    = 'X'
	kindMore    = 'M' // the beginning of the next record's body, which is too long for one
	kindEnd     = 'E'

	// ofLine makes a kind its lower-case letter: the body then has the number of a
	// line, which is not 0, behind the place.
	ofLine = 0x20
)

// Header says what was run.
type Header struct {
	Tool   string    `json:"tool"`   // "fivetuple"
	GVisor string    `json:"gvisor"` // the version of netstack: another one may behave otherwise
	Seed   uint64    `json:"seed"`
	Epoch  time.Time `json:"epoch"` // wall-clock time at the start
	// Config is whatever the recorder needs to build the same world.
	Config json.RawMessage `json:"config"`
}

// Input is what came from outside of the world at one instant: packets, a
// command, a posted call, what was seen there, or that something had happened.
type Input struct {
	// Ran is how many events the loop had run before it, Now the world's time
	// at which it was let in: together they place it exactly.
	Ran uint64
	Now time.Duration
	// Line is the device that it is about, of several: 0 is the first.
	Line int
	// Packets are the packets that came together.
	Packets []Packet
	// Command is a change that somebody asked for, as the recorder wrote it.
	Command []byte
	// Lost is how many packets the device would not take when the world sent
	// them then, and why: it is an input too. 0 for the others.
	Lost int
	Why  string
	// Seen is what a kernel outside of the world said of its connections, as
	// the recorder wrote it.
	Seen []byte
	// Call is a socket call that a goroutine outside of the world posted, as
	// sockapi writes it, and Net the number of the process that it is for, from
	// 0 in the order in which they were made.
	Call []byte
	Net  int
	// Taken: the world took what had happened to the machine's sockets. What that
	// was is an answer.
	Taken bool
	// Pause is not 0 where a run came to its limit, or to its end: [Paused] or
	// [PausedForGood].
	Pause int
}

// What a run that has come to its limit leaves.
const (
	Paused        = 1 // code outside of the world waits for the next run
	PausedForGood = 2 // it was let go: there is none
)

// Packet is a packet, and what the device said of its checksums and segments.
type Packet struct {
	Meta []byte // as the device layer writes it; nil for a plain packet
	Data []byte
}

// End is the end of a run.
type End struct {
	Ran    uint64
	Now    time.Duration
	Reason string
	Events uint64   // events of the trace
	Digest [32]byte // SHA-256 of the trace as JSONL
}

// Writer writes a recording. Records are buffered: Flush writes what is complete.
type Writer struct {
	w   *bufio.Writer
	n   uint32 // records written
	ran uint64
	now time.Duration
	buf []byte
	ans []byte // answers that are not written yet
	err error
}

// NewWriter writes the beginning of a recording.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	out := &Writer{w: bufio.NewWriterSize(w, 1<<16)}
	if _, err := out.w.WriteString(magic); err != nil {
		return nil, err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	out.record(kindHeader, text)
	return out, out.Flush()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(n uint32, record []byte) uint32 {
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], n)
	return crc32.Update(crc32.Checksum(number[:], castagnoli), castagnoli, record)
}

func (w *Writer) record(kind byte, body []byte) {
	if w.err != nil {
		return
	}
	var head [binary.MaxVarintLen64 + 1]byte
	k := binary.PutUvarint(head[:], uint64(len(body)+1))
	head[k] = kind
	sum := crc32.Update(checksum(w.n, head[k:k+1]), castagnoli, body)
	_, e1 := w.w.Write(head[:k+1])
	_, e2 := w.w.Write(body)
	_, e3 := w.w.Write(binary.BigEndian.AppendUint32(nil, sum))
	w.err = errors.Join(e1, e2, e3)
	w.n++
}

// place writes when something happened, as differences to the last one.
func (w *Writer) place(ran uint64, now time.Duration) {
	w.buf = binary.AppendUvarint(w.buf[:0], ran-w.ran)
	w.buf = binary.AppendUvarint(w.buf, uint64(now-w.now))
	w.ran, w.now = ran, now
}

func (w *Writer) bytes(b []byte) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(b)))
	w.buf = append(w.buf, b...)
}

// Input appends an input.
func (w *Writer) Input(in Input) error {
	w.flushAnswers()
	w.place(in.Ran, in.Now)
	of := byte(0)
	if in.Line > 0 {
		of = ofLine
		w.buf = binary.AppendUvarint(w.buf, uint64(in.Line))
	}
	switch {
	case in.Command != nil:
		w.buf = append(w.buf, in.Command...)
		w.record(kindCommand, w.buf)
	case in.Seen != nil:
		w.buf = append(w.buf, in.Seen...)
		w.record(kindSeen|of, w.buf)
	case in.Call != nil:
		w.buf = binary.AppendUvarint(w.buf, uint64(in.Net))
		w.buf = append(w.buf, in.Call...)
		w.record(kindCall, w.parts())
	case in.Taken:
		w.record(kindTaken, w.buf)
	case in.Pause != 0:
		w.buf = binary.AppendUvarint(w.buf, uint64(in.Pause))
		w.record(kindPause, w.buf)
	case in.Lost > 0:
		w.buf = binary.AppendUvarint(w.buf, uint64(in.Lost))
		w.buf = append(w.buf, in.Why...)
		w.record(kindLost|of, w.buf)
	default:
		for _, p := range in.Packets {
			w.bytes(p.Meta)
			w.bytes(p.Data)
		}
		w.record(kindPackets|of, w.buf)
	}
	return w.err
}

// Sums appends checksums of events of the trace, 4 bytes each, in order: a replay
// finds the first event that differs by them. They are no inputs.
func (w *Writer) Sums(sums []byte) error {
	w.record(kindSums, sums)
	return w.err
}

// answersAtOnce is how many bytes of answers share a record, about.
const answersAtOnce = 64 << 10

// Answer appends what the machine has answered to a question of a process of the
// world. The questions follow from the inputs; so the answers have no place but
// their order, and that they come before the next input.
func (w *Writer) Answer(question, answer []byte) error {
	w.ans = binary.AppendUvarint(w.ans, uint64(len(question)))
	w.ans = append(w.ans, question...)
	w.ans = binary.AppendUvarint(w.ans, uint64(len(answer)))
	if w.ans = append(w.ans, answer...); len(w.ans) >= answersAtOnce {
		w.flushAnswers()
	}
	return w.err
}

func (w *Writer) flushAnswers() {
	if len(w.ans) > 0 {
		w.record(kindAnswers, w.ans)
		w.ans = w.ans[:0]
	}
}

// parts writes all of buf but its end, which it returns, where one record would
// be too long.
func (w *Writer) parts() []byte {
	b := w.buf
	for len(b) > maxRecord/2 {
		w.record(kindMore, b[:maxRecord/2])
		b = b[maxRecord/2:]
	}
	return b
}

// End appends the end, and flushes.
func (w *Writer) End(e End) error {
	w.flushAnswers()
	w.place(e.Ran, e.Now)
	w.buf = binary.AppendUvarint(w.buf, e.Events)
	w.buf = append(w.buf, e.Digest[:]...)
	w.buf = append(w.buf, e.Reason...)
	w.record(kindEnd, w.buf)
	return w.Flush()
}

// Flush writes what is complete to the file.
func (w *Writer) Flush() error {
	w.flushAnswers()
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}
