package packetdrill

import "fmt"

// Verdict is what came of a script.
type Verdict string

// The verdicts.
const (
	// Pass: all that the script expects has happened, to its last line.
	Pass Verdict = "pass"
	// Diverges: the stack did something else.
	Diverges Verdict = "diverges"
	// Unsupported: the script needs something that the stack does not have.
	Unsupported Verdict = "unsupported"
	// Dialect: the script has something that cannot be parsed, or not be mapped.
	Dialect Verdict = "dialect"
	// Invalid: the script contradicts itself.
	Invalid Verdict = "invalid"
)

// Verdicts lists them, the best first.
var Verdicts = []Verdict{Pass, Diverges, Unsupported, Dialect, Invalid}

// Problem is why a script does not pass.
type Problem struct {
	File    string
	Line    int
	Verdict Verdict
	Text    string
	// Feature names what is missing, for Unsupported: "TCP Fast Open".
	Feature string
	// Late says that the script was late, and not its host: the machine is busy.
	Late bool
}

// Error reads "file:line: text".
func (p *Problem) Error() string {
	text := p.Text
	if p.Feature != "" && text != p.Feature {
		text = p.Feature + ": " + text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}

func problem(v Verdict, line int, format string, args ...any) *Problem {
	return &Problem{Verdict: v, Line: line, Text: fmt.Sprintf(format, args...)}
}

func unsupported(line int, feature, format string, args ...any) *Problem {
	p := problem(Unsupported, line, format, args...)
	p.Feature = feature
	return p
}
