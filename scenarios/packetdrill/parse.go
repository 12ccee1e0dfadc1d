package packetdrill

import (
	"maps"
	"strings"
)

// Bounds of a script: far more than any that a person writes.
const (
	MaxSource = 1 << 20
	maxDepth  = 32
	maxEvents = 100_000
)

// Parse reads a script. file is used for messages, defines are the words that
// -D replaces. Its error is a [*Problem].
func Parse(file string, src []byte, defines map[string]string) (s *Script, err error) {
	all := maps.Clone(standing)
	maps.Copy(all, defines)
	p := &parser{lexer: lexer{src: string(src), cursor: cursor{0, 1}, defines: all}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Problem:
			r.File = file
			s, err = nil, r
		default:
			panic(r)
		}
	}()
	if len(src) > MaxSource {
		p.fail(Dialect, 1, "the script has more than %d bytes: that is no script of a person's", MaxSource)
	}
	p.checkText()
	s = &Script{File: file}
	p.script(s, defines)
	return s, nil
}

// checkText refuses what is no text, before a byte of it is taken for a wrong
// character of a script.
func (p *parser) checkText() {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(p.src, mark) {
			p.fail(Dialect, 1, "the file begins with a byte order mark: save it as UTF-8 without one")
		}
	}
	if at := strings.IndexByte(p.src, 0); at >= 0 {
		p.fail(Dialect, 1+strings.Count(p.src[:at], "\n"), "the file is no text: it has a byte 0 here")
	}
}

type parser struct {
	lexer
	depth int
}

func (p *parser) script(s *Script, defines map[string]string) {
	for p.has("--") {
		o := p.option()
		s.Options = append(s.Options, o)
		if sym, value, ok := strings.Cut(o.Value, "="); ok && o.Name == "define" && defines[sym] == "" {
			p.defines[sym] = value // the command line has the last word
		}
	}
	if p.has("`") {
		s.Init = p.command()
	}
	for p.peek().kind != tokEOF {
		if p.has("--") {
			p.fail(Invalid, p.line, "options come before the first event")
		}
		if p.has("`") {
			s.Cleanup = p.command()
			if t := p.next(); t.kind != tokEOF {
				p.fail(Dialect, t.line, "nothing comes after the final command, but here is %s", t)
			}
			break
		}
		if len(s.Events) == maxEvents {
			p.fail(Dialect, p.line, "a script has at most %d events", maxEvents)
		}
		s.Events = append(s.Events, p.event())
	}
}

// option reads "--name", "--name=value" or "--name="a value"".
func (p *parser) option() Option {
	line := p.line
	rest := p.rest()
	n := 2
	for n < len(rest) && (isWordByte(rest[n]) || rest[n] == '-') {
		n++
	}
	o := Option{Line: line, Name: rest[2:n]}
	p.advance(n)
	if o.Name == "" {
		p.fail(Dialect, line, "an option is --name or --name=value")
	}
	if !strings.HasPrefix(p.rest(), "=") {
		return o
	}
	o.HasValue = true
	p.advance(1)
	switch {
	case strings.HasPrefix(p.rest(), `"`):
		o.Value = p.quoted().text
	case p.rest() != "" && strings.IndexByte(" \t\r\n\v\f", p.rest()[0]) < 0:
		o.Value = p.field()
	}
	return o
}

func (p *parser) command() *Command {
	p.space()
	t := p.next()
	return &Command{Line: t.line, Text: t.text}
}

func (p *parser) event() Event {
	p.space()
	e := Event{Line: p.line, Time: p.time()}
	switch t := p.peek(); {
	case t.is("<") || t.is(">"):
		p.next()
		e.Packet = p.packet(t.is("<"))
	case t.kind == tokBacktick:
		p.next()
		e.Command = &Command{Line: t.line, Text: t.text}
	case p.has("%{"):
		line := p.line
		e.Code = &Command{Line: line, Text: p.until("%{", "}%", "code")}
	case t.kind == tokWord:
		e.Call = p.call()
	default:
		p.fail(Dialect, t.line, "a packet (< or >), a call, `a command` or %%{ code }%% is expected here, not %s", t)
	}
	p.checkTime(&e)
	return e
}

// time reads "t", "+t", "*", and "a~b" or "a...b" of the first two.
func (p *parser) time() Time {
	if p.has("*") {
		p.next()
		return Time{Kind: AnyTime}
	}
	var t Time
	if p.has("+") {
		p.next()
		t.Kind = Relative
	}
	t.At = p.seconds()
	switch {
	case p.has("~"):
		p.next()
		t.Range = true
	case p.has("..."):
		p.next()
		t.Blocking = true
	default:
		return t
	}
	if p.has("+") {
		if t.Kind != Relative {
			p.fail(Invalid, p.line, "both ends of a range are absolute, or both relative")
		}
		p.next()
	}
	t.End = p.seconds()
	return t
}

// checkTime refuses times that the event cannot have.
func (p *parser) checkTime(e *Event) {
	outbound := e.Packet != nil && !e.Packet.Inbound
	switch t := e.Time; {
	case t.Kind == AnyTime && !outbound:
		p.fail(Invalid, e.Line, "* is for outbound packets: others happen when the script says")
	case t.Range && !outbound:
		p.fail(Invalid, e.Line, "a range of times is for outbound packets: others happen when the script says")
	case t.Blocking && e.Call == nil:
		p.fail(Invalid, e.Line, "a...b is for calls: it says when one returns")
	case (t.Range || t.Blocking) && t.End < t.At:
		p.fail(Invalid, e.Line, "the range of times ends before it begins")
	}
}

// want reads a punctuation mark.
func (p *parser) want(mark, where string) {
	if t := p.next(); !t.is(mark) {
		p.fail(Dialect, t.line, "%q is expected %s, not %s", mark, where, t)
	}
}

// integer reads a number that may be negative.
func (p *parser) integer(what string) (v int64, hex bool) {
	t := p.next()
	neg := t.is("-")
	if neg {
		t = p.next()
	}
	if t.kind != tokNumber {
		p.fail(Dialect, t.line, "%s is a number, not %s", what, t)
	}
	if neg {
		return -t.num, t.hex
	}
	return t.num, t.hex
}

// bounded reads a number from 0 to limit.
func (p *parser) bounded(what string, limit int64) int64 {
	line := p.line
	v, _ := p.integer(what)
	if v < 0 || v > limit {
		p.fail(Invalid, line, "%s %d: need 0 to %d", what, v, limit)
	}
	return v
}

// word reads a word.
func (p *parser) word(what string) string {
	t := p.next()
	if t.kind != tokWord {
		p.fail(Dialect, t.line, "%s is expected here, not %s", what, t)
	}
	return t.text
}
