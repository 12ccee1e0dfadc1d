package packetdrill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Profile is the outcomes that are expected of a set of scripts, as a text
// file: one line a script, "diverges dir/name.pkt:23  # reason".
type Profile struct {
	rows map[string]expectation
}

// expectation is a verdict, the line of the script that it is about (0 for a
// pass), and why that is expected, for people: it is not compared.
type expectation struct {
	verdict Verdict
	line    int
	reason  string
}

func (e expectation) equal(o expectation) bool { return e.verdict == o.verdict && e.line == o.line }

func (e expectation) String() string {
	if e.line == 0 {
		return string(e.verdict)
	}
	return fmt.Sprintf("%s at line %d", e.verdict, e.line)
}

// ParseProfile reads a profile. Its errors begin with file:line.
func ParseProfile(file string, src []byte) (*Profile, error) {
	p := &Profile{rows: make(map[string]expectation)}
	for i, l := range strings.Split(string(src), "\n") {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		verdict, rest, ok := strings.Cut(l, " ")
		script, reason, _ := strings.Cut(rest, " #")
		script, reason = strings.TrimSpace(script), strings.TrimSpace(reason)
		if !ok || script == "" || !slices.Contains(Verdicts, Verdict(verdict)) {
			return nil, fmt.Errorf("%s:%d: need a verdict (%s) and a script", file, i+1, verdictList())
		}
		e := expectation{verdict: Verdict(verdict), reason: reason}
		if at := strings.LastIndexByte(script, ':'); at > 0 {
			if n, err := strconv.Atoi(script[at+1:]); err == nil {
				script, e.line = script[:at], n
			}
		}
		if _, twice := p.rows[script]; twice {
			return nil, fmt.Errorf("%s:%d: %s is there twice", file, i+1, script)
		}
		p.rows[script] = e
	}
	return p, nil
}

func verdictList() string {
	var names []string
	for _, v := range Verdicts {
		names = append(names, string(v))
	}
	return strings.Join(names, ", ")
}

// NewProfile is a profile without scripts, to be filled with Set.
func NewProfile() *Profile { return &Profile{rows: make(map[string]expectation)} }

// Set records what came of a script.
func (p *Profile) Set(script string, v Verdict, why *Problem) { p.rows[script] = outcomeOf(v, why) }

func outcomeOf(v Verdict, why *Problem) expectation {
	e := expectation{verdict: v}
	if why != nil {
		e.line = why.Line
	}
	return e
}

// Expects compares a script's outcome with the profile. The text says what was
// expected, and is empty if that is what has happened. Without a profile, a
// pass is expected of what the stack supports.
func (p *Profile) Expects(script string, v Verdict, why *Problem) string {
	got := outcomeOf(v, why)
	if p == nil {
		if v == Diverges || v == Dialect || v == Invalid {
			return string(Pass)
		}
		return ""
	}
	want, ok := p.find(script)
	switch {
	case !ok:
		return NotInProfile
	case !want.equal(got):
		return want.String()
	}
	return ""
}

// Reason is what the profile says of why the outcome of a script is expected;
// empty if it says nothing, or expects something else.
func (p *Profile) Reason(script string, v Verdict, why *Problem) string {
	if p == nil {
		return ""
	}
	if e, ok := p.find(script); ok && e.equal(outcomeOf(v, why)) {
		return e.reason
	}
	return ""
}

// KeepReasons takes over the reasons that another profile has for the same
// outcomes: those of the profile that this one replaces.
func (p *Profile) KeepReasons(old *Profile) {
	for name, e := range p.rows {
		if o, ok := old.find(name); ok && o.equal(e) {
			e.reason = o.reason
			p.rows[name] = e
		}
	}
}

// find looks a script up by its name, or by the end of its path if that is in
// the profile once.
func (p *Profile) find(script string) (expectation, bool) {
	if e, ok := p.rows[script]; ok {
		return e, true
	}
	var found expectation
	n := 0
	for name, e := range p.rows {
		if strings.HasSuffix(script, "/"+name) || strings.HasSuffix(name, "/"+script) {
			found = e
			n++
		}
	}
	return found, n == 1
}

// Format writes the profile, sorted by script. The comment goes before it, one
// line or more.
func (p *Profile) Format(comment string) string {
	var b strings.Builder
	for _, l := range strings.Split(comment, "\n") {
		b.WriteString(strings.TrimRight("# "+l, " ") + "\n")
	}
	var names []string
	for name := range p.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e := p.rows[name]
		if e.line > 0 {
			name = fmt.Sprintf("%s:%d", name, e.line)
		}
		if e.reason != "" {
			name += "  # " + e.reason
		}
		fmt.Fprintf(&b, "%-11s %s\n", e.verdict, name)
	}
	return b.String()
}

// NotInProfile is what Expects says of a script that the profile does not have.
const NotInProfile = "no such script: it is not in the profile"
