// Package jsonl writes the events of a run as JSON, one object a line, and
// reads them back.
//
// Main types:
//
//	Writer  a trace.Sink
//	Config  what the header line says, and whether packets carry their bytes
//	Record  one line, as Read returns it
//
// It sits on package trace alone. docs/trace-format.md describes each field;
// a test compares the two. Objects are flat, times are integer nanoseconds,
// a field that is absent is unknown or does not apply, and a zero that means
// something (sequence number 0, descriptor 0) is written. Fields are in a
// fixed order, so equal runs give equal bytes.
//
// A Writer belongs to the goroutine that runs the world's loop, and does not
// allocate for an event: lines are appended by hand, not by encoding/json.
//
// Sharp edges: lines are buffered, so a live run calls Flush when somebody
// wants to look. A byte that is not UTF-8 becomes U+FFFD. Tools that keep
// numbers as floating point, jq among them, round beyond 2^53.
package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"fivetuple/internal/wholefile"
	"fivetuple/trace"
)

// Config says what a file contains. The zero Config is ready for use.
type Config struct {
	// Scenario and Seed name the run in the header line. An empty Scenario is
	// left out; the seed is always written.
	Scenario string
	Seed     uint64
	// Epoch is the moment at which the run starts, what "t":0 means by the
	// calendar. The zero Epoch is left out.
	Epoch time.Time
	// Data includes the bytes of each packet, in hexadecimal.
	Data bool
}

// flushAt is how many bytes are gathered before they are written.
const flushAt = 64 << 10

// Writer is a sink that writes every event. Its first error is final: the call
// that met it returns it, later ones write nothing and return it again, and
// Close does not repeat it.
type Writer struct {
	w    io.Writer
	name string // prefixes errors
	data bool

	buf []byte // whole lines that are not yet written
	err error
}

var _ trace.Sink = (*Writer)(nil)

// New returns a Writer to w. Its errors are prefixed with w's name if it has
// a Name method, as an *os.File has. Close does not close w.
//
// If a write fails and w can seek and be truncated, as a regular file can, w
// is cut back to its last whole line.
func New(w io.Writer, cfg Config) *Writer {
	j := &Writer{w: w, name: "events", data: cfg.Data}
	if n, ok := w.(interface{ Name() string }); ok {
		j.name = n.Name()
	}
	j.buf = appendHeader(j.buf, cfg)
	return j
}

// Event writes one line. An event whose body the format does not know is an
// error: nothing is left out in silence.
func (j *Writer) Event(ev *trace.Event) error {
	if j.err != nil {
		return j.err
	}
	whole := len(j.buf)
	l := line{buf: j.buf}
	l.event(ev)
	if !l.body(ev.Body, j.data) {
		j.buf = l.buf[:whole]
		j.err = fmt.Errorf("%s: event %d has a body of unknown type %T", j.name, ev.ID, ev.Body)
		return errors.Join(j.err, j.write())
	}
	j.buf = l.end()
	if len(j.buf) < flushAt {
		return nil
	}
	return j.Flush()
}

// Flush hands everything seen so far to the underlying writer.
func (j *Writer) Flush() error {
	if j.err == nil {
		j.err = j.write()
	}
	return j.err
}

// Close flushes. The writer given to New stays open.
func (j *Writer) Close() error {
	if j.err != nil {
		return nil
	}
	return j.Flush()
}

func (j *Writer) write() error {
	if len(j.buf) == 0 {
		return nil
	}
	err := wholefile.Write(j.w, j.name, "line", j.buf, func(n int) int { return 1 + bytes.LastIndexByte(j.buf[:n], '\n') })
	j.buf = j.buf[:0]
	return err
}
