package packetdrill

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// ShellLine is one simple command of a shell's text.
type ShellLine struct {
	Line  int
	Words []string
	Out   string // where its output goes
	Piped bool   // it is a part of a pipeline
	Of    *Command
}

// command does what a script's command line asks for.
func (r *runner) command(c *Command, first bool) {
	for _, l := range splitShell(c) {
		l.Of = c
		if ofScript[path.Base(l.Words[0])] {
			r.shell(l, first)
			continue
		}
		note, p := r.tgt.Command(l, first)
		if p != nil {
			r.line = p.Line
			r.fail(p)
		}
		if note != "" {
			r.note(note)
		}
	}
}

// ofScript are the commands that say nothing to the host.
var ofScript = map[string]bool{"dd": true, "rm": true, "sleep": true, "true": true, ":": true, "sync": true, "set": true}

// shell is what a command is to netstack. No shell is run: each command is
// looked up in a table.
func (r *runner) shell(l ShellLine, first bool) {
	name := path.Base(l.Words[0])
	if strings.HasPrefix(name, "sysctl_restore") {
		return // the run is over, or nothing was changed outside it
	}
	f, ok := shellCommands[name]
	if !ok {
		panic(problem(Dialect, l.Line, "command %q is not known: commands are mapped to settings of the stack, not run", name))
	}
	r.line = l.Line
	f(r, l, first)
}

// shellCommands are the commands that scripts use. It is filled by init,
// because they call each other.
var shellCommands map[string]func(r *runner, l ShellLine, first bool)

func init() {
	nothing := func(*runner, ShellLine, bool) {}
	shellCommands = map[string]func(*runner, ShellLine, bool){
		"defaults.sh":    func(r *runner, l ShellLine, first bool) { r.defaultSysctls(l, first) },
		"set_sysctls.py": func(r *runner, l ShellLine, first bool) { r.sysctls(l, first) },
		"sysctl":         func(r *runner, l ShellLine, first bool) { r.sysctls(l, first) },
		"echo":           (*runner).echo,
		"ip":             (*runner).ipCommand,
		"tc":             (*runner).tcCommand,
		"dd":             (*runner).dd,
		"rm": func(r *runner, l ShellLine, _ bool) {
			for _, f := range l.Words[1:] {
				delete(r.files, f)
			}
		},
		"ethtool": func(r *runner, l ShellLine, _ bool) { r.note("ethtool: the host sends and receives single segments") },
		"sleep":   (*runner).sleepCommand,
		"nstat": func(r *runner, l ShellLine, _ bool) {
			if l.Piped {
				panic(unsupported(l.Line, "kernel counters", "there are no counters of Linux's to read with nstat"))
			}
		},
		"grep": func(r *runner, l ShellLine, _ bool) {
			panic(unsupported(l.Line, "files in /proc", "there is no file that grep could read"))
		},
		"cat":  func(r *runner, l ShellLine, _ bool) { panic(unsupported(l.Line, "files", "there is no file to read")) },
		"true": nothing, ":": nothing, "sync": nothing, "set": nothing,
	}
}

func (r *runner) note(text string) { r.res.Notes = append(r.res.Notes, text) }

// echo writes to a file of /proc/sys, or says something to nobody.
func (r *runner) echo(l ShellLine, first bool) {
	value := strings.Join(l.Words[1:], " ")
	switch {
	case strings.HasPrefix(l.Out, "/proc/sys/"):
		r.sysctl(l, l.Out, value, first)
	case strings.HasSuffix(l.Out, "/tcp_cubic/parameters/hystart_detect") && value == "3":
		r.note("hystart_detect=3: netstack's HyStart looks at both")
	case strings.HasPrefix(l.Out, "/sys/"):
		panic(unsupported(l.Line, path.Base(l.Out), "netstack has no such parameter (%s)", value))
	}
}

func (r *runner) ipCommand(l ShellLine, _ bool) {
	if strings.Contains(strings.Join(l.Words, " "), "tcp_metrics flush") {
		return // a new host has none
	}
	panic(unsupported(l.Line, "ip "+strings.Join(l.Words[1:min(3, len(l.Words))], " "), "routes have no settings in netstack"))
}

func (r *runner) tcCommand(l ShellLine, _ bool) {
	text := strings.Join(l.Words, " ")
	switch {
	case strings.Contains(text, " fq"):
		panic(unsupported(l.Line, "pacing", "netstack does not pace (tc qdisc fq)"))
	case strings.Contains(text, "limit 0"):
		panic(unsupported(l.Line, "local drops", "a link does not refuse packets (tc qdisc limit 0)"))
	case strings.Contains(text, "netem") || strings.Contains(text, "tbf"):
		panic(unsupported(l.Line, "tc", "the script's link takes no impairments"))
	}
}

func (r *runner) sleepCommand(l ShellLine, _ bool) {
	if len(l.Words) != 2 {
		panic(problem(Dialect, l.Line, "sleep takes a number of seconds"))
	}
	s, err := strconv.ParseFloat(l.Words[1], 64)
	if err != nil || s < 0 || s > 1e6 {
		panic(problem(Dialect, l.Line, "sleep %s: need a number of seconds", l.Words[1]))
	}
	if r.started {
		r.advance(r.tgt.Now() + time.Duration(s*float64(time.Second)))
	}
}

// dd notes a file of zeros, for open.
func (r *runner) dd(l ShellLine, _ bool) {
	arg := map[string]string{"bs": "512", "count": "1"}
	for _, w := range l.Words[1:] {
		if name, v, ok := strings.Cut(w, "="); ok {
			arg[name] = v
		}
	}
	bs, err := strconv.Atoi(arg["bs"])
	count, err2 := strconv.Atoi(arg["count"])
	const most = 1 << 24
	if err != nil || err2 != nil || bs < 0 || count < 0 || bs > most || count > most || bs*count > most {
		panic(problem(Dialect, l.Line, "dd: bs and count are numbers, and their product at most %d", most))
	}
	r.files[arg["of"]] = bs * count
}

// splitShell reads simple commands out of a shell's text: quotes, comments,
// continued lines, redirections, ; && || and |. What it does not understand
// becomes a word that no command knows.
func splitShell(c *Command) []ShellLine {
	var out []ShellLine
	cur := ShellLine{Line: c.Line}
	pipe := false
	end := func(line int, nextPiped bool) {
		if len(cur.Words) > 0 {
			cur.Piped = pipe || nextPiped
			out = append(out, cur)
			pipe = nextPiped
		}
		cur = ShellLine{Line: line}
	}
	line := c.Line
	for s := c.Text; s != ""; {
		switch {
		case strings.HasPrefix(s, "\\\n"):
			line++
			s = s[2:]
		case s[0] == '\n':
			line++
			end(line, false)
			s = s[1:]
		case s[0] == ' ' || s[0] == '\t' || s[0] == '\r':
			s = s[1:]
		case s[0] == '#':
			n := strings.IndexByte(s, '\n')
			if n < 0 {
				n = len(s)
			}
			s = s[n:]
		case strings.HasPrefix(s, "&&"), strings.HasPrefix(s, "||"):
			end(line, false)
			s = s[2:]
		case s[0] == ';':
			end(line, false)
			s = s[1:]
		case s[0] == '|':
			end(line, true)
			s = s[1:]
		default:
			var w string
			w, s = shellWord(s)
			s = cur.add(w, s)
		}
	}
	end(line, false)
	return out
}

// add takes a word, or a redirection with the word that follows it.
func (l *ShellLine) add(w, rest string) string {
	i := strings.IndexByte(w, '>')
	if i < 0 || strings.Trim(w[:i], "012&") != "" {
		l.Words = append(l.Words, w)
		return rest
	}
	to := strings.TrimLeft(w[i:], ">&")
	if to == "" {
		to, rest = shellWord(strings.TrimLeft(rest, " \t"))
	}
	if w[:i] != "2" && to != "1" {
		l.Out = to
	}
	return rest
}

// shellWord reads up to a blank or an operator that is not quoted.
func shellWord(s string) (word, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			n := strings.IndexByte(s[i+1:], c)
			if n < 0 {
				n = len(s) - i - 1
			}
			b.WriteString(s[i+1 : i+1+n])
			i += n + 1
		case strings.HasPrefix(s[i:], "$(("):
			n := strings.Index(s[i:], "))")
			if n < 0 {
				n = len(s) - i - 2
			}
			b.WriteString(s[i : i+n+2])
			i += n + 1
		case c == '\\' && i+1 < len(s) && s[i+1] != '\n':
			b.WriteByte(s[i+1])
			i++
		case strings.IndexByte(" \t\r\n;|\\", c) >= 0, strings.HasPrefix(s[i:], "&&"):
			return b.String(), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
