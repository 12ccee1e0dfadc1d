package packetdrill

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// shellLine is one simple command of a shell's text.
type shellLine struct {
	line  int
	words []string
	out   string // where its output goes
	piped bool   // it is a part of a pipeline
}

// command does what a script's command line asks for. No shell is run: each
// command is looked up in a table.
func (r *runner) command(c *Command, first bool) {
	for _, l := range splitShell(c) {
		r.shell(l, first)
	}
}

func (r *runner) shell(l shellLine, first bool) {
	name := path.Base(l.words[0])
	if strings.HasPrefix(name, "sysctl_restore") {
		return // the run is over, or nothing was changed outside it
	}
	f, ok := shellCommands[name]
	if !ok {
		panic(problem(Dialect, l.line, "command %q is not known: commands are mapped to settings of the stack, not run", name))
	}
	r.line = l.line
	f(r, l, first)
}

// shellCommands are the commands that scripts use. It is filled by init,
// because they call each other.
var shellCommands map[string]func(r *runner, l shellLine, first bool)

func init() {
	nothing := func(*runner, shellLine, bool) {}
	shellCommands = map[string]func(*runner, shellLine, bool){
		"defaults.sh":    func(r *runner, l shellLine, first bool) { r.defaultSysctls(l, first) },
		"set_sysctls.py": func(r *runner, l shellLine, first bool) { r.sysctls(l, first) },
		"sysctl":         func(r *runner, l shellLine, first bool) { r.sysctls(l, first) },
		"echo":           (*runner).echo,
		"ip":             (*runner).ipCommand,
		"tc":             (*runner).tcCommand,
		"dd":             (*runner).dd,
		"rm": func(r *runner, l shellLine, _ bool) {
			for _, f := range l.words[1:] {
				delete(r.files, f)
			}
		},
		"ethtool": func(r *runner, l shellLine, _ bool) { r.note("ethtool: the host sends and receives single segments") },
		"sleep":   (*runner).sleepCommand,
		"nstat": func(r *runner, l shellLine, _ bool) {
			if l.piped {
				panic(unsupported(l.line, "kernel counters", "there are no counters of Linux's to read with nstat"))
			}
		},
		"grep": func(r *runner, l shellLine, _ bool) {
			panic(unsupported(l.line, "files in /proc", "there is no file that grep could read"))
		},
		"cat":  func(r *runner, l shellLine, _ bool) { panic(unsupported(l.line, "files", "there is no file to read")) },
		"true": nothing, ":": nothing, "sync": nothing, "set": nothing,
	}
}

func (r *runner) note(text string) { r.res.Notes = append(r.res.Notes, text) }

// echo writes to a file of /proc/sys, or says something to nobody.
func (r *runner) echo(l shellLine, first bool) {
	value := strings.Join(l.words[1:], " ")
	switch {
	case strings.HasPrefix(l.out, "/proc/sys/"):
		r.sysctl(l, l.out, value, first)
	case strings.HasSuffix(l.out, "/tcp_cubic/parameters/hystart_detect") && value == "3":
		r.note("hystart_detect=3: netstack's HyStart looks at both")
	case strings.HasPrefix(l.out, "/sys/"):
		panic(unsupported(l.line, path.Base(l.out), "netstack has no such parameter (%s)", value))
	}
}

func (r *runner) ipCommand(l shellLine, _ bool) {
	if strings.Contains(strings.Join(l.words, " "), "tcp_metrics flush") {
		return // a new host has none
	}
	panic(unsupported(l.line, "ip "+strings.Join(l.words[1:min(3, len(l.words))], " "), "routes have no settings in netstack"))
}

func (r *runner) tcCommand(l shellLine, _ bool) {
	text := strings.Join(l.words, " ")
	switch {
	case strings.Contains(text, " fq"):
		panic(unsupported(l.line, "pacing", "netstack does not pace (tc qdisc fq)"))
	case strings.Contains(text, "limit 0"):
		panic(unsupported(l.line, "local drops", "a link does not refuse packets (tc qdisc limit 0)"))
	case strings.Contains(text, "netem") || strings.Contains(text, "tbf"):
		panic(unsupported(l.line, "tc", "the script's link takes no impairments"))
	}
}

func (r *runner) sleepCommand(l shellLine, _ bool) {
	if len(l.words) != 2 {
		panic(problem(Dialect, l.line, "sleep takes a number of seconds"))
	}
	s, err := strconv.ParseFloat(l.words[1], 64)
	if err != nil || s < 0 || s > 1e6 {
		panic(problem(Dialect, l.line, "sleep %s: need a number of seconds", l.words[1]))
	}
	if r.w != nil {
		r.advance(r.w.Now() + time.Duration(s*float64(time.Second)))
	}
}

// dd notes a file of zeros, for open.
func (r *runner) dd(l shellLine, _ bool) {
	arg := map[string]string{"bs": "512", "count": "1"}
	for _, w := range l.words[1:] {
		if name, v, ok := strings.Cut(w, "="); ok {
			arg[name] = v
		}
	}
	bs, err := strconv.Atoi(arg["bs"])
	count, err2 := strconv.Atoi(arg["count"])
	const most = 1 << 24
	if err != nil || err2 != nil || bs < 0 || count < 0 || bs > most || count > most || bs*count > most {
		panic(problem(Dialect, l.line, "dd: bs and count are numbers, and their product at most %d", most))
	}
	r.files[arg["of"]] = bs * count
}

// splitShell reads simple commands out of a shell's text: quotes, comments,
// continued lines, redirections, ; && || and |. What it does not understand
// becomes a word that no command knows.
func splitShell(c *Command) []shellLine {
	var out []shellLine
	cur := shellLine{line: c.Line}
	pipe := false
	end := func(line int, nextPiped bool) {
		if len(cur.words) > 0 {
			cur.piped = pipe || nextPiped
			out = append(out, cur)
			pipe = nextPiped
		}
		cur = shellLine{line: line}
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
func (l *shellLine) add(w, rest string) string {
	i := strings.IndexByte(w, '>')
	if i < 0 || strings.Trim(w[:i], "012&") != "" {
		l.words = append(l.words, w)
		return rest
	}
	to := strings.TrimLeft(w[i:], ">&")
	if to == "" {
		to, rest = shellWord(strings.TrimLeft(rest, " \t"))
	}
	if w[:i] != "2" && to != "1" {
		l.out = to
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
