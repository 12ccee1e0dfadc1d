package pcapng

import (
	"io"

	"fivetuple/internal/wholefile"
)

// flushAt is how many bytes are gathered before they are written.
const flushAt = 64 << 10

// blockWriter gathers whole blocks and writes them with one Write each time.
// A file that takes only part of them is cut back to the last whole one.
type blockWriter struct {
	w    io.Writer
	name string // prefixes errors

	buf []byte // whole blocks that are not yet written
	err error  // final: nothing is written after it
}

// added is called when blocks were appended to buf.
func (o *blockWriter) added() error {
	if len(o.buf) < flushAt {
		return o.err
	}
	return o.flush()
}

func (o *blockWriter) flush() error {
	if o.err == nil && len(o.buf) > 0 {
		o.err = wholefile.Write(o.w, o.name, "packet", o.buf, func(n int) int { return wholeBlocks(o.buf, n) })
	}
	o.buf = o.buf[:0]
	return o.err
}

// close flushes. An error that ended the file earlier was returned then.
func (o *blockWriter) close() error {
	if o.err != nil {
		return nil
	}
	return o.flush()
}
