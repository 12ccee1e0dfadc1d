package jsonl

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// line appends one flat JSON object to buf. Keys are literals of this package
// and need no escaping.
type line struct{ buf []byte }

// begin starts the object; every line has the schema's version first.
func (l *line) begin(version int) {
	l.buf = append(l.buf, `{"v":`...)
	l.buf = strconv.AppendInt(l.buf, int64(version), 10)
}

// end ends the object and returns the buffer.
func (l *line) end() []byte { return append(l.buf, '}', '\n') }

func (l *line) key(key string) {
	l.buf = append(l.buf, ',', '"')
	l.buf = append(l.buf, key...)
	l.buf = append(l.buf, '"', ':')
}

// str writes a text unless it is empty.
func (l *line) str(key, text string) {
	if text != "" {
		l.key(key)
		l.buf = appendString(l.buf, text)
	}
}

// uint and int write a number, zero or not.
func (l *line) uint(key string, n uint64) {
	l.key(key)
	l.buf = strconv.AppendUint(l.buf, n, 10)
}

func (l *line) int(key string, n int) {
	l.key(key)
	l.buf = strconv.AppendInt(l.buf, int64(n), 10)
}

// nanos writes a duration, or a time since the start of the run.
func (l *line) nanos(key string, d time.Duration) {
	l.key(key)
	l.buf = strconv.AppendInt(l.buf, int64(d), 10)
}

// bool writes true or false; flag writes true, or nothing.
func (l *line) bool(key string, v bool) {
	l.key(key)
	l.buf = strconv.AppendBool(l.buf, v)
}

func (l *line) flag(key string, v bool) {
	if v {
		l.bool(key, true)
	}
}

// addr writes an address, with its port if it has one to show, unless it is
// the zero address.
func (l *line) addr(key string, a netip.AddrPort, port bool) {
	if !a.Addr().IsValid() {
		return
	}
	l.key(key)
	if !port {
		a = netip.AddrPortFrom(a.Addr(), 0)
	}
	// A zone is text from outside, so it may need escaping.
	if a.Addr().Zone() != "" {
		text := a.Addr().String()
		if port {
			text = a.String()
		}
		l.buf = appendString(l.buf, text)
		return
	}
	l.buf = append(l.buf, '"')
	if port {
		l.buf = a.AppendTo(l.buf)
	} else {
		l.buf = a.Addr().AppendTo(l.buf)
	}
	l.buf = append(l.buf, '"')
}

// pairs writes SACK blocks: [[1001,2001],[3001,4001]].
func (l *line) pairs(key string, blocks [][2]uint32) {
	if len(blocks) == 0 {
		return
	}
	l.key(key)
	for i, b := range blocks {
		if i == 0 {
			l.buf = append(l.buf, '[', '[')
		} else {
			l.buf = append(l.buf, ',', '[')
		}
		l.buf = strconv.AppendUint(l.buf, uint64(b[0]), 10)
		l.buf = append(l.buf, ',')
		l.buf = strconv.AppendUint(l.buf, uint64(b[1]), 10)
		l.buf = append(l.buf, ']')
	}
	l.buf = append(l.buf, ']')
}

const hexDigits = "0123456789abcdef"

// hex writes bytes, two lower-case digits each.
func (l *line) hex(key string, data []byte) {
	l.key(key)
	l.buf = append(l.buf, '"')
	for _, c := range data {
		l.buf = append(l.buf, hexDigits[c>>4], hexDigits[c&15])
	}
	l.buf = append(l.buf, '"')
}

// appendString appends a JSON string (RFC 8259, section 7). It escapes what
// must be and nothing else, and replaces bytes that are not UTF-8, which JSON
// cannot carry (section 8.1), by U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0 // everything before it is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[done:i]...)
				b = append(b, "\ufffd"...)
				done = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = append(b, s[done:i]...)
			b = appendEscape(b, c)
			done = i + 1
		}
		i++
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
