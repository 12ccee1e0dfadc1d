package packetdrill

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokWord
	tokNumber
	tokString
	tokBacktick
	tokEllipsis
	tokPunct
)

// token is one token of a script.
type token struct {
	kind tokenKind
	text string // without quotes
	num  int64
	hex  bool
	line int
}

func (t token) is(punct string) bool { return t.kind == tokPunct && t.text == punct }

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "the end of the script"
	case tokString:
		return strconv.Quote(t.text)
	case tokBacktick:
		return "a command in backticks"
	}
	return strconv.Quote(t.text)
}

// lexer reads tokens on demand: what a character means depends on where the
// parser is. Saving and restoring cursor is how it looks ahead.
type lexer struct {
	src string
	cursor
	defines map[string]string
}

type cursor struct{ pos, line int }

// fail ends parsing: Parse recovers it.
func (l *lexer) fail(v Verdict, line int, format string, args ...any) {
	panic(problem(v, line, format, args...))
}

func (l *lexer) rest() string { return l.src[l.pos:] }

func (l *lexer) advance(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

// space skips blanks and comments.
func (l *lexer) space() {
	for l.pos < len(l.src) {
		rest := l.rest()
		switch {
		case strings.IndexByte(" \t\r\n\v\f", rest[0]) >= 0:
			l.advance(1)
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.advance(n)
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				l.fail(Dialect, l.line, "a comment that begins here has no end")
			}
			l.advance(n + 4)
		default:
			return
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c)
}

// next reads a token.
func (l *lexer) next() token {
	l.space()
	if l.pos >= len(l.src) {
		return token{kind: tokEOF, line: l.line}
	}
	rest, line := l.rest(), l.line
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "..."):
		l.advance(3)
		return token{kind: tokEllipsis, text: "...", line: line}
	case isDigit(c):
		return l.number()
	case isWordByte(c):
		n := 1
		for n < len(rest) && isWordByte(rest[n]) {
			n++
		}
		l.advance(n)
		return l.define(token{kind: tokWord, text: rest[:n], line: line})
	case c == '"':
		return l.quoted()
	case c == '`':
		return token{kind: tokBacktick, text: l.until("`", "`", "a command"), line: line}
	}
	l.advance(1)
	return token{kind: tokPunct, text: rest[:1], line: line}
}

// peek reads a token and puts it back.
func (l *lexer) peek() token {
	at := l.cursor
	t := l.next()
	l.cursor = at
	return t
}

// define replaces a word that -D defines.
func (l *lexer) define(t token) token {
	text, ok := l.defines[t.text]
	if !ok {
		return t
	}
	in := lexer{src: text, cursor: cursor{0, t.line}}
	d := in.next()
	d.line = t.line
	if in.space(); in.pos < len(in.src) {
		l.fail(Dialect, t.line, "-D %s=%s: a value is one word, number, string or command", t.text, text)
	}
	return d
}

func (l *lexer) number() token {
	rest, line := l.rest(), l.line
	n, hex := 0, strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X")
	if hex {
		n = 2
	}
	for n < len(rest) && (isDigit(rest[n]) || hex && isWordByte(rest[n])) {
		n++
	}
	l.advance(n)
	digits, base := rest[:n], 10
	if hex {
		digits, base = rest[2:n], 16
	}
	v, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		l.fail(Dialect, line, "%s is not a number", rest[:n])
	}
	return token{kind: tokNumber, text: rest[:n], num: int64(v), hex: hex, line: line}
}

// quoted reads a string with C's escapes.
func (l *lexer) quoted() token {
	rest, line := l.rest(), l.line
	for n := 1; n < len(rest) && rest[n] != '\n'; n++ {
		switch rest[n] {
		case '\\':
			n++
		case '"':
			text, err := strconv.Unquote(rest[:n+1])
			if err != nil {
				text = rest[1:n]
			}
			l.advance(n + 1)
			return token{kind: tokString, text: text, line: line}
		}
	}
	l.fail(Dialect, line, "a string that begins here has no end")
	return token{}
}

// until reads what is between two marks.
func (l *lexer) until(open, end, what string) string {
	line := l.line
	body := l.rest()[len(open):]
	n := strings.Index(body, end)
	if n < 0 {
		l.fail(Dialect, line, "%s that begins here has no end", what)
	}
	l.advance(len(open) + n + len(end))
	return body[:n]
}

// field reads the bytes up to the next blank.
func (l *lexer) field() string {
	l.space()
	rest := l.rest()
	n := 0
	for n < len(rest) && strings.IndexByte(" \t\r\n\v\f", rest[n]) < 0 {
		n++
	}
	l.advance(n)
	return rest[:n]
}

// has reports whether the text goes on with s, after blanks.
func (l *lexer) has(s string) bool {
	l.space()
	return strings.HasPrefix(l.rest(), s)
}

// seconds reads a decimal number of seconds: "1", "0.25", ".5", "1.".
func (l *lexer) seconds() time.Duration {
	l.space()
	rest := l.rest()
	whole := 0
	for whole < len(rest) && isDigit(rest[whole]) {
		whole++
	}
	n := whole
	if n < len(rest) && rest[n] == '.' && !strings.HasPrefix(rest[n:], "...") {
		for n++; n < len(rest) && isDigit(rest[n]); n++ {
		}
	}
	if n == 0 || rest[:n] == "." {
		l.fail(Dialect, l.line, "a time is expected here, not %s", l.peek())
	}
	const maxWhole = 9
	frac := strings.TrimPrefix(rest[whole:n], ".")
	if whole > maxWhole {
		l.fail(Dialect, l.line, "%s seconds: that is too long", rest[:n])
	}
	s, _ := strconv.ParseInt("0"+rest[:whole], 10, 64)
	ns, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	l.advance(n)
	return time.Duration(s)*time.Second + time.Duration(ns)
}

// formatSeconds is the inverse of seconds.
func formatSeconds(d time.Duration) string {
	s := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
