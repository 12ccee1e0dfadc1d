package packetdrill

import "strings"

// call reads "name(args) = result [ERRNO] [(note)]".
func (p *parser) call() *Call {
	c := &Call{Name: p.word("a call")}
	p.want("(", "after the name of a call")
	c.Args = p.list(")")
	p.want("=", "after a call: what it returns")
	t := p.peek()
	switch {
	case t.kind == tokEllipsis:
		p.next()
		c.Result = Expr{Kind: Ellipsis}
	case t.kind == tokWord:
		p.next()
		c.Result = Expr{Kind: Word, Text: t.text}
	default:
		v, hex := p.integer("what a call returns")
		c.Result = Expr{Kind: Number, Int: v, Hex: hex}
	}
	if t := p.peek(); t.kind == tokWord {
		p.next()
		c.Errno = t.text
	}
	if p.has("(") {
		c.Note = strings.TrimSpace(p.until("(", ")", "a note"))
	}
	return c
}

// list reads expressions up to a closing mark, which it reads too.
func (p *parser) list(end string) []Expr {
	out := []Expr{}
	for !p.peek().is(end) {
		out = append(out, p.expr())
		if !p.peek().is(",") {
			break
		}
		p.next()
	}
	p.want(end, "after a list")
	return out
}

// expr reads an expression.
func (p *parser) expr() Expr {
	p.deeper()
	defer func() { p.depth-- }()
	return p.or(p.primary())
}

// deeper bounds the recursion of what calls itself.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxDepth {
		p.fail(Dialect, p.line, "expressions are nested more than %d deep", maxDepth)
	}
}

// or reads what may follow a value: |b|c.
func (p *parser) or(e Expr) Expr {
	if !p.peek().is("|") {
		return e
	}
	or := Expr{Kind: Or, List: []Expr{e}}
	for p.peek().is("|") {
		p.next()
		or.List = append(or.List, p.primary())
	}
	return or
}

func (p *parser) primary() Expr {
	t := p.peek()
	switch {
	case t.kind == tokEllipsis:
		p.next()
		return Expr{Kind: Ellipsis}
	case t.kind == tokNumber || t.is("-"):
		v, hex := p.integer("an argument")
		return Expr{Kind: Number, Int: v, Hex: hex}
	case t.kind == tokString:
		return p.text()
	case t.is("["):
		p.next()
		return Expr{Kind: List, List: p.list("]")}
	case t.is("{"):
		p.next()
		return p.structure()
	case t.kind == tokWord:
		p.next()
		if p.peek().is("(") {
			p.next()
			return Expr{Kind: Apply, Text: t.text, List: p.list(")")}
		}
		return Expr{Kind: Word, Text: t.text}
	}
	p.fail(Dialect, t.line, "an argument is expected here, not %s", t)
	return Expr{}
}

// text reads one string, or several in a row.
func (p *parser) text() Expr {
	first := Expr{Kind: String, Text: p.next().text}
	if p.peek().kind != tokString {
		return first
	}
	all := Expr{Kind: Concat, List: []Expr{first}}
	for p.peek().kind == tokString {
		all.List = append(all.List, Expr{Kind: String, Text: p.next().text})
	}
	return all
}

// structure reads the fields of a { }, after its opening brace.
func (p *parser) structure() Expr {
	e := Expr{Kind: Struct, Fields: []Field{}}
	for !p.peek().is("}") {
		e.Fields = append(e.Fields, p.structField())
		if !p.peek().is(",") {
			break
		}
		p.next()
	}
	p.want("}", "after the fields of a structure")
	return e
}

// structField reads "value", "name=value" or "name(arg)=value". What begins like
// a field may turn out to be a value: nothing is read twice.
func (p *parser) structField() Field {
	p.deeper()
	defer func() { p.depth-- }()
	first := p.primary()
	if p.peek().is("=") {
		switch {
		case first.Kind == Word:
			p.next()
			return Field{Name: first.Text, Value: p.expr()}
		case first.Kind == Apply && len(first.List) == 1:
			p.next()
			return Field{Name: first.Text, Arg: &first.List[0], Value: p.expr()}
		}
	}
	return Field{Value: p.or(first)}
}
