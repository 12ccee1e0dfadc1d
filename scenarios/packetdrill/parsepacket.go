package packetdrill

import (
	"math"
	"strings"
)

// packet reads what follows < or >.
func (p *parser) packet(inbound bool) *Packet {
	k := &Packet{Inbound: inbound}
	for {
		switch {
		case p.has("["):
			p.next()
			k.IP = p.ipInfo()
			continue
		case p.keyword("encap"):
			p.next()
			k.Encap = append(k.Encap, p.encapPSP())
			continue
		case p.keyword("ipv4"), p.keyword("ipv6"), p.keyword("gre"), p.keyword("mpls"):
			k.Encap = append(k.Encap, p.encap())
			continue
		}
		break
	}
	k.Ports = p.ports()
	switch {
	case p.keyword("udp"):
		p.next()
		k.UDP = &UDP{Len: p.length()}
	case p.keyword("icmp"), p.keyword("icmpv4"), p.keyword("icmpv6"):
		p.next()
		k.ICMP = p.icmp()
	default:
		k.TCP = p.tcp(inbound)
	}
	return k
}

// keyword reports whether the text goes on with the word.
func (p *parser) keyword(word string) bool {
	t := p.peek()
	return t.kind == tokWord && t.text == word
}

// ipInfo reads "ect0, ttl 3]".
func (p *parser) ipInfo() *IPInfo {
	info := &IPInfo{}
	for {
		f := IPField{Name: p.word("a field of the IP header")}
		if p.peek().kind == tokNumber {
			f.Value, f.Hex = p.integer(f.Name)
			f.HasValue = true
		}
		info.Fields = append(info.Fields, f)
		t := p.next()
		if t.is("]") {
			return info
		}
		if !t.is(",") {
			p.fail(Dialect, t.line, "%q or %q is expected after a field of the IP header, not %s", ",", "]", t)
		}
	}
}

func (p *parser) encapPSP() Encap {
	p.wantWord("psp")
	p.wantWord("spi")
	v := p.bounded("spi", math.MaxUint32)
	return Encap{Kind: "psp", Text: "spi " + formatInt(v, false)}
}

// encap reads an outer header, up to its colon, which ends a word. An IPv6
// address may end in two.
func (p *parser) encap() Encap {
	line := p.line
	e := Encap{Kind: p.word("a header")}
	var parts []string
	for {
		if p.peek().kind == tokEOF {
			p.fail(Dialect, line, "the header %q that begins here has no colon at its end", e.Kind)
		}
		f := p.field()
		body, done := strings.CutSuffix(f, ":")
		if strings.HasSuffix(body, ":") {
			body, done = f, false
		}
		if body != "" {
			parts = append(parts, body)
		}
		if done {
			e.Text = strings.Join(parts, " ")
			return e
		}
	}
}

// ports reads "4321 > 8080", if it is there.
func (p *parser) ports() *[2]int {
	at := p.cursor
	if t := p.next(); t.kind == tokNumber && p.peek().is(">") {
		p.cursor = at
		src := p.bounded("a port", math.MaxUint16)
		p.next()
		return &[2]int{int(src), int(p.bounded("a port", math.MaxUint16))}
	}
	p.cursor = at
	return nil
}

// length reads "(100)".
func (p *parser) length() int {
	p.want("(", "before a length")
	n := p.bounded("a length", maxPayload)
	p.want(")", "after a length")
	return int(n)
}

// maxPayload is the longest payload of a packet.
const maxPayload = 65535

func (p *parser) tcp(inbound bool) *TCP {
	p.space()
	line := p.line
	t := &TCP{Flags: p.field()}
	if !validFlags(t.Flags) {
		p.fail(Dialect, line, "flags are letters of SFRPEWCAU, . and the digits of AccECN, or -, not %q", t.Flags)
	}
	t.Start, t.End, t.Len = p.span()
	if p.keyword("ack") {
		p.next()
		v := uint32(p.bounded("ack", math.MaxUint32))
		t.Ack = &v
	}
	for _, f := range []struct {
		name string
		to   **int
	}{{"win", &t.Win}, {"urg", &t.Urg}} {
		if p.keyword(f.name) {
			p.next()
			v := int(p.bounded(f.name, math.MaxUint16))
			*f.to = &v
		}
	}
	if p.has("<") {
		p.next()
		p.options(t, inbound)
	}
	return t
}

// span reads "1:1001(1000)".
func (p *parser) span() (start, end uint32, n int) {
	line := p.line
	start = uint32(p.bounded("a sequence number", math.MaxUint32))
	p.want(":", "between sequence numbers")
	end = uint32(p.bounded("a sequence number", math.MaxUint32))
	n = p.length()
	if start+uint32(n) != end {
		p.fail(Invalid, line, "%d:%d(%d): the end is not the start plus the length", start, end, n)
	}
	return start, end, n
}

func validFlags(s string) bool {
	if s == "-" {
		return true
	}
	for i := range len(s) {
		if strings.IndexByte("SFRPEWCAU.01234567", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func (p *parser) icmp() *ICMP {
	m := &ICMP{Type: p.nameOrNumber("an ICMP type")}
	if t := p.peek(); t.kind == tokNumber && !p.timeAhead() || t.kind == tokWord && t.text != "mtu" && t.text != "id" {
		m.Code = p.nameOrNumber("an ICMP code")
	}
	for {
		switch {
		case p.keyword("mtu"):
			p.next()
			v := p.bounded("mtu", math.MaxUint32)
			m.MTU = &v
			continue
		case p.keyword("id"):
			p.next()
			v := p.bounded("id", math.MaxUint16)
			m.ID = &v
			continue
		}
		break
	}
	if p.has("[") {
		p.next()
		m.Echoed = p.echoed()
	} else if p.has("(") {
		n := p.length()
		m.Len = &n
	}
	return m
}

// timeAhead reports whether a number is the time of the next event: it stands
// on a line of its own.
func (p *parser) timeAhead() bool { return p.peek().line != p.line }

func (p *parser) echoed() *Echoed {
	e := &Echoed{}
	switch t := p.peek(); {
	case t.kind == tokWord && (t.text == "udp" || t.text == "raw"):
		p.next()
		e.Proto = t.text
		e.Len = p.length()
	default:
		e.Start, e.End, e.Len = p.span()
	}
	p.want("]", "after what an ICMP message quotes")
	return e
}

func (p *parser) nameOrNumber(what string) string {
	t := p.next()
	if t.kind != tokWord && t.kind != tokNumber {
		p.fail(Dialect, t.line, "%s is a name or a number, not %s", what, t)
	}
	return t.text
}
