package pcapng

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
		n, err := o.w.Write(o.buf)
		if err == nil && n < len(o.buf) {
			err = io.ErrShortWrite
		}
		if err != nil {
			o.err = errors.Join(named(o.name, err), o.cut(n))
		}
	}
	o.buf = o.buf[:0]
	return o.err
}

// cut removes the torn end of the block that a failed write of buf left
// behind, if the file can be cut: a pipe or a device cannot, and then a reader
// has to cope with it.
func (o *blockWriter) cut(n int) error {
	torn := int64(n - wholeBlocks(o.buf, n))
	f, ok := o.w.(interface {
		io.Seeker
		Truncate(size int64) error
	})
	if !ok || torn == 0 {
		return nil
	}
	at, err := f.Seek(-torn, io.SeekCurrent)
	if err != nil {
		return nil
	}
	if err := f.Truncate(at); err != nil {
		return fmt.Errorf("%w; the last packet is torn", named(o.name, err))
	}
	return nil
}

// close flushes. An error that ended the file earlier was returned then.
func (o *blockWriter) close() error {
	if o.err != nil {
		return nil
	}
	return o.flush()
}

// named makes an error name the file first: "h.pcapng: no space left on
// device". The operation and path that package os adds say no more.
func named(name string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
