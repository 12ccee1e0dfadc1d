package ss

import (
	"fmt"
	"slices"
	"strings"

	"fivetuple/internal/spell"
	"fivetuple/trace"
)

// Filter chooses sockets. The nil Filter takes them all.
type Filter struct {
	states states
	given  bool // a state was named
	expr   cond // nil: no expression
}

// cond is a condition on a socket.
type cond func(*trace.Socket) bool

// ParseFilter reads a filter of ss(8): first state and exclude with their words,
// then an expression. An error names the column, from 1.
func ParseFilter(text string) (*Filter, error) {
	p := &parser{text: text}
	if err := p.lex(); err != nil {
		return nil, err
	}
	f := &Filter{}
	if err := p.stateWords(f); err != nil {
		return nil, err
	}
	if p.peek().kind == tokEnd {
		return f, nil
	}
	expr, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.errorf(t, "%q is one too many: no parenthesis is open", t.text)
	}
	f.expr = expr
	return f, nil
}

// Match reports whether a socket passes. Without a word about states, every
// state does.
func (f *Filter) Match(k *trace.Socket) bool {
	return f == nil || visible(k) && (!f.given || f.states&stateOf(k) != 0) && f.matches(k)
}

// matches evaluates the expression alone.
func (f *Filter) matches(k *trace.Socket) bool { return f == nil || f.expr == nil || f.expr(k) }

type kind int

const (
	tokEnd kind = iota
	tokWord
	tokOp // = == != < <= > >=
	tokAnd
	tokOr
	tokNot
	tokOpen
	tokClose
)

type token struct {
	kind kind
	text string
	col  int // from 1, in bytes
}

// parser reads by recursive descent: or, and, not, in increasing precedence.
type parser struct {
	text   string
	tokens []token
	pos    int
	depth  int
}

// maxDepth bounds parentheses and nots within one another.
const maxDepth = 1000

// symbols are the operators that need no blanks around them, longest first.
var symbols = []struct {
	text string
	kind kind
}{
	{"&&", tokAnd}, {"||", tokOr}, {"==", tokOp}, {"!=", tokOp}, {"<=", tokOp}, {">=", tokOp},
	{"&", tokAnd}, {"|", tokOr}, {"=", tokOp}, {"<", tokOp}, {">", tokOp}, {"!", tokNot}, {"(", tokOpen}, {")", tokClose},
}

// spelled are the operators that are words.
var spelled = map[string]kind{
	"and": tokAnd, "or": tokOr, "not": tokNot, "eq": tokOp, "ne": tokOp, "neq": tokOp,
	"lt": tokOp, "gt": tokOp, "le": tokOp, "leq": tokOp, "ge": tokOp, "geq": tokOp,
}

func (p *parser) lex() error {
	for i := 0; i < len(p.text); {
		rest := p.text[i:]
		if strings.ContainsRune(" \t\r\n", rune(rest[0])) {
			i++
			continue
		}
		tok := token{tokWord, rest, i + 1}
		if n := strings.IndexAny(rest, " \t\r\n&|=<>!()"); n >= 0 {
			tok.text = rest[:n]
		}
		if k, ok := spelled[strings.ToLower(tok.text)]; ok {
			tok.kind = k
		}
		for _, s := range symbols {
			if strings.HasPrefix(rest, s.text) {
				tok.text, tok.kind = s.text, s.kind
				break
			}
		}
		p.tokens = append(p.tokens, tok)
		i += len(tok.text)
	}
	p.tokens = append(p.tokens, token{tokEnd, "the end", len(p.text) + 1})
	return nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

// next takes a token; the end stays.
func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

func (p *parser) errorf(at token, format string, args ...any) error {
	return fmt.Errorf("filter %q, column %d: %s", p.text, at.col, fmt.Sprintf(format, args...))
}

func (p *parser) stateWords(f *Filter) error {
	for {
		word := strings.ToLower(p.peek().text)
		exclude := word == "exclude" || word == "excl"
		if p.peek().kind != tokWord || word != "state" && !exclude {
			return nil
		}
		p.next()
		t := p.next()
		if t.kind != tokWord {
			return p.errorf(t, "after %s comes a state, as in `%s established`", word, word)
		}
		s, err := stateWord(t.text)
		if err != nil {
			return p.errorf(t, "%v", err)
		}
		switch {
		case !exclude:
			f.states |= s
		case f.given:
			f.states &^= s
		default:
			f.states = allStates &^ s
		}
		f.given = true
	}
}

func (p *parser) or() (cond, error) {
	left, err := p.and()
	for err == nil && p.peek().kind == tokOr {
		p.next()
		var right cond
		if right, err = p.and(); err == nil {
			a, b := left, right
			left = func(k *trace.Socket) bool { return a(k) || b(k) }
		}
	}
	return left, err
}

// and also joins what stands side by side.
func (p *parser) and() (cond, error) {
	left, err := p.not()
	for err == nil {
		switch p.peek().kind {
		case tokAnd:
			p.next()
		case tokWord, tokNot, tokOpen, tokOp:
		default:
			return left, nil
		}
		var right cond
		if right, err = p.not(); err == nil {
			a, b := left, right
			left = func(k *trace.Socket) bool { return a(k) && b(k) }
		}
	}
	return nil, err
}

func (p *parser) not() (cond, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf(p.peek(), "more than %d parentheses within one another", maxDepth)
	}
	defer func() { p.depth-- }()
	switch t := p.next(); t.kind {
	case tokNot:
		c, err := p.not()
		if err != nil {
			return nil, err
		}
		return func(k *trace.Socket) bool { return !c(k) }, nil
	case tokOpen:
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		if end := p.next(); end.kind != tokClose {
			return nil, p.errorf(end, "the parenthesis of column %d is not closed", t.col)
		}
		return c, nil
	case tokWord:
		return p.predicate(t)
	case tokEnd:
		return nil, p.errorf(t, "a condition is missing, as in `dport = :80`")
	default:
		return nil, p.errorf(t, "a condition cannot begin with %q; write it as in `dport = :80`", t.text)
	}
}

// absent are the predicates of ss for what no socket has here.
var absent = []string{"dev", "fwmark", "cgroup", "autobound"}

func (p *parser) predicate(t token) (cond, error) {
	switch word := strings.ToLower(t.text); {
	case word == "dst" || word == "src":
		return p.hostPredicate(word == "dst")
	case word == "dport" || word == "sport":
		return p.portPredicate(word == "dport")
	case word == "state" || word == "exclude" || word == "excl":
		return nil, p.errorf(t, "states come before the expression: `state established dport = :80`")
	case slices.Contains(absent, word):
		return nil, p.errorf(t, "%s is not known of a socket here; there are src, dst, sport and dport", word)
	}
	return nil, p.errorf(t, "no condition is called %q%s; there are src, dst, sport and dport", t.text,
		spell.Hint(t.text, []string{"src", "dst", "sport", "dport"}))
}

// operator reads one of a predicate's, "=" if there is none.
func (p *parser) operator() (op string, at token) {
	at = p.peek()
	if at.kind != tokOp {
		return "=", at
	}
	p.next()
	switch op = strings.ToLower(at.text); op {
	case "==", "eq":
		op = "="
	case "ne", "neq":
		op = "!="
	case "lt":
		op = "<"
	case "gt":
		op = ">"
	case "le", "leq":
		op = "<="
	case "ge", "geq":
		op = ">="
	}
	return op, at
}
