package packetdrill

import (
	"encoding/hex"
	"math"
)

// options reads a segment's options, after "<".
func (p *parser) options(t *TCP, inbound bool) {
	t.Opts = []TCPOpt{}
	if p.peek().kind == tokEllipsis {
		line := p.next().line
		if inbound {
			p.fail(Invalid, line, "<...> is for outbound packets: an inbound one has the options that are written")
		}
		t.AnyOpts, t.Opts = true, nil
		p.want(">", "after the options")
		return
	}
	for !p.peek().is(">") {
		t.Opts = append(t.Opts, p.tcpOption())
		if !p.peek().is(",") {
			break
		}
		p.next()
	}
	p.want(">", "after the options")
}

func (p *parser) tcpOption() TCPOpt {
	line := p.line
	o := TCPOpt{Name: p.word("a TCP option")}
	switch o.Name {
	case "nop", "eol", "sackOK":
	case "mss":
		o.Value = p.bounded("mss", math.MaxUint16)
	case "wscale":
		o.Value = p.bounded("wscale", math.MaxUint8)
	case "TS":
		p.wantWord("val")
		o.Value = p.bounded("TS val", math.MaxUint32)
		p.wantWord("ecr")
		o.Ecr = p.bounded("TS ecr", math.MaxUint32)
	case "sack":
		for p.peek().kind == tokNumber {
			from := p.bounded("a sequence number", math.MaxUint32)
			p.want(":", "between sequence numbers")
			o.Blocks = append(o.Blocks, [2]uint32{uint32(from), uint32(p.bounded("a sequence number", math.MaxUint32))})
		}
	case "FO", "FOEXP", "md5", "FOEXPO":
		o.Hex = p.cookie(o.Name)
	case "ECN":
		for p.peek().kind == tokWord {
			c := ECNCount{Name: p.word("a counter")}
			c.Value = p.bounded(c.Name, 1<<24-1)
			o.Words = append(o.Words, c)
		}
	default:
		p.fail(Dialect, line, "TCP option %q is not known", o.Name)
	}
	return o
}

func (p *parser) wantWord(word string) {
	if t := p.next(); t.kind != tokWord || t.text != word {
		p.fail(Dialect, t.line, "%q is expected here, not %s", word, t)
	}
}

// cookie reads hexadecimal digits, which may look like a number or a word, or
// nothing.
func (p *parser) cookie(what string) string {
	p.space()
	rest, line := p.rest(), p.line
	n := 0
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	text := rest[:n]
	p.advance(n)
	if d, ok := p.defines[text]; ok {
		text = d
	}
	if _, err := hex.DecodeString(text); err != nil {
		p.fail(Dialect, line, "%s %q: hexadecimal digits are expected, two for a byte", what, text)
	}
	return text
}
