package packetdrill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// code runs what stands between %{ and }%: assertions about struct tcp_info,
// in the part of Python that scripts use.
func (r *runner) code(c *Command) {
	info := r.tcpInfo(c.Line)
	ev := &evaluator{vars: r.vars, lookup: info}
	ev.lexer = lexer{src: c.Text, cursor: cursor{0, c.Line}}
	defer func() { r.line = c.Line }()
	for ev.statementAhead() {
		r.line = ev.line
		ev.failed = ""
		ev.statement()
		if ev.failed != "" {
			if strings.Contains(ev.failed, "TCPI_OPT_SYN_DATA") {
				r.doubtful(featureTFO, "netstack has no TCP Fast Open (RFC 7413)")
			}
			r.diverge("%s", ev.failed)
		}
	}
}

// value is an int64, a string, a bool or a []value (a tuple).
type value any

// evaluator runs statements.
type evaluator struct {
	lexer
	vars   map[string]value
	lookup func(name string, line int) (value, bool)
	failed string
	depth  int
	seen   []string // fields that the statement has looked at, and their values
}

// blank skips blanks, comments and continued lines, but no line ends.
func (ev *evaluator) blank() {
	for ev.pos < len(ev.src) {
		rest := ev.rest()
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			ev.advance(1)
		case strings.HasPrefix(rest, "\\\n"):
			ev.advance(2)
		case strings.HasPrefix(rest, "\\\r\n"):
			ev.advance(3)
		case rest[0] == '#':
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			ev.advance(n)
		default:
			return
		}
	}
}

func (ev *evaluator) statementAhead() bool {
	for {
		ev.blank()
		if rest := ev.rest(); rest != "" && (rest[0] == '\n' || rest[0] == ';') {
			ev.advance(1)
			continue
		}
		return ev.pos < len(ev.src)
	}
}

// tok reads a token of the expression, which ends at the end of its line.
func (ev *evaluator) tok() string {
	ev.blank()
	rest := ev.rest()
	if rest == "" || rest[0] == '\n' || rest[0] == ';' {
		return ""
	}
	n := 1
	switch {
	case isWordByte(rest[0]):
		for n < len(rest) && isWordByte(rest[n]) {
			n++
		}
	case rest[0] == '"' || rest[0] == '\'':
		for n < len(rest) && rest[n] != rest[0] && rest[n] != '\n' {
			n++
		}
		if n == len(rest) || rest[n] == '\n' {
			ev.fail(Dialect, ev.line, "a string that begins here has no end")
		}
		n++
	default:
		for _, op := range []string{"==", "!=", "<=", ">=", "<<", ">>", "//", "+=", "-=", "*="} {
			if strings.HasPrefix(rest, op) {
				n = 2
			}
		}
	}
	ev.advance(n)
	return rest[:n]
}

func (ev *evaluator) peekTok() string {
	at := ev.cursor
	t := ev.tok()
	ev.cursor = at
	return t
}

func (ev *evaluator) accept(t string) bool {
	if ev.peekTok() == t {
		ev.tok()
		return true
	}
	return false
}

func (ev *evaluator) statement() {
	ev.seen = nil
	start, line := ev.pos, ev.line
	t := ev.tok()
	switch {
	case t == "assert":
		ev.assert(start, line)
	case t == "print":
		ev.expr(0)
	case t == "pass":
	case isName(t):
		ev.assign(t)
	default:
		ev.fail(Dialect, line, "a statement of code begins with assert, print or a name, not %q", t)
	}
	if rest := ev.tok(); rest != "" {
		ev.fail(Dialect, ev.line, "%q is not expected here", rest)
	}
}

func isName(t string) bool { return t != "" && isWordByte(t[0]) && !isDigit(t[0]) }

func (ev *evaluator) assert(start, line int) {
	ok := truth(ev.expr(0))
	text := strings.TrimSpace(ev.src[start:ev.pos])
	seen := ev.seen
	if ev.accept(",") {
		ev.expr(0)
	}
	if !ok {
		ev.failed = text + " does not hold"
		if len(seen) > 0 {
			ev.failed += ": " + strings.Join(seen, ", ")
		}
	}
}

func (ev *evaluator) assign(name string) {
	op := ev.tok()
	v := ev.expr(0)
	switch op {
	case "=":
		ev.vars[name] = v
	case "+=", "-=", "*=":
		ev.vars[name] = ev.binary(op[:1], ev.name(name), v)
	default:
		ev.fail(Dialect, ev.line, "%s %s: code assigns with =, +=, -= or *=", name, op)
	}
}

func truth(v value) bool {
	switch v := v.(type) {
	case int64:
		return v != 0
	case bool:
		return v
	case string:
		return v != ""
	case []value:
		return len(v) > 0
	}
	return false
}

// levels are the binary operators, the loosest first; comparisons chain.
var levels = [][]string{{"or"}, {"and"}, {"==", "!=", "<=", ">=", "<", ">"}, {"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "//", "/", "%"}}

const compareLevel = 2

func (ev *evaluator) expr(level int) value {
	ev.deeper()
	defer func() { ev.depth-- }()
	if level == len(levels) {
		return ev.unary()
	}
	left := ev.expr(level + 1)
	held := true
	for {
		op := ev.peekTok()
		if !slices.Contains(levels[level], op) {
			break
		}
		ev.tok()
		right := ev.expr(level + 1)
		if level != compareLevel {
			left = ev.binary(op, left, right)
			continue
		}
		held = held && truth(ev.binary(op, left, right))
		left = right
		if !slices.Contains(levels[level], ev.peekTok()) {
			return held
		}
	}
	return left
}

// deeper bounds the recursion of what calls itself.
func (ev *evaluator) deeper() {
	if ev.depth++; ev.depth > 16*maxDepth {
		ev.fail(Dialect, ev.line, "code is nested too deep")
	}
}

func (ev *evaluator) unary() value {
	ev.deeper()
	defer func() { ev.depth-- }()
	t := ev.tok()
	switch {
	case t == "not":
		return !truth(ev.expr(compareLevel))
	case t == "-":
		return ev.binary("-", int64(0), ev.unary())
	case t == "(":
		var tuple []value
		for !ev.accept(")") {
			tuple = append(tuple, ev.expr(0))
			if !ev.accept(",") {
				if !ev.accept(")") {
					ev.fail(Dialect, ev.line, "a parenthesis is not closed")
				}
				break
			}
		}
		if len(tuple) == 1 {
			return tuple[0]
		}
		return tuple
	case t == "True" || t == "False":
		return t == "True"
	case t != "" && isDigit(t[0]):
		n, err := strconv.ParseInt(t, 0, 64)
		if err != nil {
			ev.fail(Dialect, ev.line, "%s is not a number", t)
		}
		return n
	case t != "" && (t[0] == '"' || t[0] == '\''):
		return t[1 : len(t)-1]
	case isName(t):
		return ev.name(t)
	}
	ev.fail(Dialect, ev.line, "a value is expected in code, not %q", t)
	return nil
}

func (ev *evaluator) name(name string) value {
	if v, ok := ev.vars[name]; ok {
		return v
	}
	if v, ok := infoConstants[name]; ok {
		return v
	}
	v, ok := ev.lookup(name, ev.line)
	if !ok {
		ev.fail(Dialect, ev.line, "the name %q is not known", name)
	}
	ev.seen = append(ev.seen, fmt.Sprintf("%s is %v", name, v))
	return v
}

// binary applies an operator to two numbers, or two strings, or formats.
func (ev *evaluator) binary(op string, a, b value) value {
	switch op {
	case "or":
		if truth(a) {
			return a
		}
		return b
	case "and":
		if !truth(a) {
			return a
		}
		return b
	}
	if s, ok := a.(string); ok {
		return ev.onString(op, s, b)
	}
	x, ok := number(a)
	y, ok2 := number(b)
	if !ok || !ok2 {
		ev.fail(Dialect, ev.line, "code cannot apply %s to %v and %v", op, a, b)
	}
	switch op {
	case "==":
		return x == y
	case "!=":
		return x != y
	case "<=":
		return x <= y
	case ">=":
		return x >= y
	case "<":
		return x < y
	case ">":
		return x > y
	case "|":
		return x | y
	case "^":
		return x ^ y
	case "&":
		return x & y
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "<<":
		return x << (uint64(y) & 63)
	case ">>":
		return x >> (uint64(y) & 63)
	}
	if y == 0 {
		ev.fail(Invalid, ev.line, "division by zero in code")
	}
	if op == "%" {
		return x % y
	}
	return x / y
}

func (ev *evaluator) onString(op, s string, b value) value {
	t, isText := b.(string)
	switch {
	case op == "%":
		return s // a message: it is not shown, the values are
	case op == "==" && isText:
		return s == t
	case op == "!=" && isText:
		return s != t
	case op == "+" && isText:
		return s + t
	}
	ev.fail(Dialect, ev.line, "code cannot apply %s to a string", op)
	return nil
}

func number(v value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
