package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"time"

	"fivetuple/scenarios/star"
	"fivetuple/sim"
	"fivetuple/sim/record"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"
)

// recorder writes the recording of a run, and the digest of its trace.
type recorder struct {
	w    *record.Writer
	dig  *digest
	sums *sums
}

// newRecorder begins a recording of what config says, which newly begins.
func newRecorder(f io.Writer, seed uint64, epoch time.Time, config any) (*recorder, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	out, err := record.NewWriter(f, record.Header{Tool: "fivetuple", GVisor: netstackVersion(), Seed: seed, Epoch: epoch, Config: text})
	if err != nil {
		return nil, err
	}
	r := &recorder{w: out, dig: newDigest(seed, epoch)}
	r.sums = &sums{to: out}
	r.dig.lines = r.sums
	return r, nil
}

// createRecording makes the file of --record.
func createRecording(o *outputs, path string) (*os.File, error) {
	if path == dash {
		return nil, usagef("--record -: a recording goes to a file, not to standard output: name one")
	}
	return o.create("--record", path)
}

// end writes how the run of a world ended.
func (r *recorder) end(w *sim.World, reason string) error {
	e, err := r.dig.end(w, reason)
	return errors.Join(err, r.sums.flush(), r.w.End(e))
}

// flush writes what is held back to the file: a run that is killed then leaves
// it.
func (r *recorder) flush() error {
	return errors.Join(r.dig.Flush(), r.sums.flush(), r.w.Flush())
}

// digest is a sink that hashes the trace as JSONL has it.
type digest struct {
	*jsonl.Writer
	sum    hash.Hash
	events uint64
	lines  interface{ line(text []byte) error } // takes each event besides; nil: nobody
	header bool                                 // has been written
}

func newDigest(seed uint64, epoch time.Time) *digest {
	d := &digest{sum: sha256.New()}
	d.Writer = jsonl.New((*digestLines)(d), jsonl.Config{Seed: seed, Epoch: epoch})
	return d
}

// digestLines is a digest as its JSONL is written to it: in whole lines.
type digestLines digest

// Write implements [io.Writer].
func (d *digestLines) Write(b []byte) (int, error) {
	d.sum.Write(b)
	if d.lines == nil {
		return len(b), nil
	}
	for text := range bytes.Lines(b) {
		if !d.header {
			d.header = true
		} else if err := d.lines.line(text); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// Event implements [trace.Sink].
func (d *digest) Event(e *trace.Event) error {
	d.events++
	return d.Writer.Event(e)
}

// end is how the world is at its end.
func (d *digest) end(w *sim.World, reason string) (record.End, error) {
	err := d.Flush()
	e := record.End{Ran: w.Events(), Now: w.Now(), Reason: reason, Events: d.events}
	d.sum.Sum(e.Digest[:0])
	return e, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// eventSum is the checksum of an event that a recording has.
func eventSum(text []byte) uint32 { return crc32.Checksum(text, castagnoli) }

// sums writes a recording's checksums of events, many at a time.
type sums struct {
	to  *record.Writer
	buf []byte
}

// sumsAtOnce is how many events share a record, in bytes of checksums.
const sumsAtOnce = 4 * 512

func (s *sums) line(text []byte) error {
	s.buf = binary.BigEndian.AppendUint32(s.buf, eventSum(text))
	if len(s.buf) < sumsAtOnce {
		return nil
	}
	return s.flush()
}

func (s *sums) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	err := s.to.Sums(s.buf)
	s.buf = s.buf[:0]
	return err
}

// comparison finds the first event of a replay that is not the recorded one.
type comparison struct {
	r       *record.Reader
	n       uint64   // events compared, which were the same
	pending [][]byte // events whose recorded checksum has not been read
	first   []byte   // the one that differs, without its end of line; nil: none
}

func (c *comparison) line(text []byte) error {
	if c.first == nil && len(c.pending) < maxPending {
		c.pending = append(c.pending, bytes.Clone(text))
		c.compare()
	}
	return nil
}

// maxPending bounds the events that wait for a checksum of a recording that has
// none for them. A whole one has them a thousand events later.
const maxPending = 1 << 16

// compare compares what both sides have.
func (c *comparison) compare() {
	for len(c.pending) > 0 && len(c.r.Sums) >= 4 && c.first == nil {
		if eventSum(c.pending[0]) != binary.BigEndian.Uint32(c.r.Sums) {
			c.first = bytes.TrimSpace(c.pending[0])
			return
		}
		c.pending, c.r.Sums = c.pending[1:], c.r.Sums[4:]
		c.n++
	}
}

// readOn reads the checksums of what waits for them, of a replay that has ended
// early.
func (c *comparison) readOn() {
	for c.compare(); len(c.pending) > 0 && c.first == nil; c.compare() {
		if _, _, err := c.r.Next(); err != nil {
			return
		}
	}
}

// source is a script in a recording: it is run again without its file.
type source struct {
	File string `json:"file"` // as it was named, for messages
	Text []byte `json:"text"`
}

func sourceOf(s *star.Scenario) *source {
	if s == nil {
		return nil
	}
	file, text := s.Source()
	return &source{file, text}
}

func (s *source) parse() (*star.Scenario, error) { return parse(s.File, s.Text) }
