// Package wholefile writes files that consist of records, lines or blocks, so
// that a disk that fills up leaves a file of whole records: what was captured
// before stays valid. It is a leaf that the trace's writers share.
package wholefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Write writes buf, which holds whole records, with one Write. If w takes only
// a part, it is cut back to the last whole record, if it can be cut: a pipe or
// a device cannot, and then a reader has to cope with a torn one. The result
// of whole is how many of the first n bytes of buf are whole records; name and
// record are for the error: "h.jsonl: no space left on device".
func Write(w io.Writer, name, record string, buf []byte, whole func(n int) int) error {
	n, err := w.Write(buf)
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		return nil
	}
	return errors.Join(Named(name, err), cut(w, name, record, int64(n-whole(n))))
}

// cut takes the last torn bytes off w.
func cut(w io.Writer, name, record string, torn int64) error {
	f, ok := w.(interface {
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
		return fmt.Errorf("%w; the last %s is torn", Named(name, err), record)
	}
	return nil
}

// Named makes an error name the file first. The operation and path that package
// os adds say no more.
func Named(name string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
