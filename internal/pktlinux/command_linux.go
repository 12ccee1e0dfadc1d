package pktlinux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"

	"fivetuple/scenarios/packetdrill"
)

// why is what a command needs and is not there. Other errors say that it has
// failed.
type why struct{ feature, text string }

func (w *why) Error() string { return w.text }

func missing(feature, format string, args ...any) error {
	return &why{feature, fmt.Sprintf(format, args...)}
}

// commands are those that are done without a shell. Each returns a note for the
// report, or "".
var commands map[string]func(t *Target, l packetdrill.ShellLine) (string, error)

func init() {
	commands = map[string]func(*Target, packetdrill.ShellLine) (string, error){
		"defaults.sh":    (*Target).defaults,
		"set_sysctls.py": (*Target).sysctls,
		"sysctl":         (*Target).sysctls,
		"echo":           (*Target).echo,
		"ip":             (*Target).ip,
		"tc":             (*Target).tc,
		"ethtool":        (*Target).ethtool,
		"nstat":          (*Target).nstat,
		"grep":           (*Target).grep,
	}
}

// Command looks a command up; a shell is run for others if that is allowed.
func (t *Target) Command(l packetdrill.ShellLine, _ bool) (string, *packetdrill.Problem) {
	name := path.Base(l.Words[0])
	if strings.HasPrefix(name, "sysctl_restore") {
		return "", nil // the namespace goes, and its settings with it
	}
	note, err := "", missing("a shell", "%s is not known, and no shell is run without --allow-shell", name)
	if f := commands[name]; f != nil {
		note, err = f(t, l)
	}
	var w *why
	if errors.As(err, &w) && t.how.AllowShell {
		err = t.shell(l)
	}
	if err == nil {
		return note, nil
	}
	p := &packetdrill.Problem{Line: l.Line, Verdict: packetdrill.Diverges, Text: err.Error()}
	if errors.As(err, &w) {
		p.Verdict, p.Feature = packetdrill.Unsupported, w.feature
	}
	return "", p
}

// shell runs the whole text that a line is from, once.
func (t *Target) shell(l packetdrill.ShellLine) error {
	if t.ran == l.Of {
		return nil
	}
	t.ran = l.Of
	ctx, cancel := context.WithTimeout(t.ctx, promptly*5)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", l.Of.Text) // in the namespace: of this thread
	cmd.Dir = t.how.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("/bin/sh: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// echo writes to a file of /proc/sys/net.
func (t *Target) echo(l packetdrill.ShellLine) (string, error) {
	value := strings.Join(l.Words[1:], " ")
	switch {
	case strings.HasPrefix(l.Out, "/proc/sys/"):
		return t.sysctl(l.Out, value)
	case strings.HasPrefix(l.Out, "/sys/module/"):
		have, err := os.ReadFile(path.Clean(l.Out))
		if err == nil && strings.TrimSpace(string(have)) == value {
			return "", nil
		}
		return "", missing("module parameters", "%s is %q, not %s: it is the whole machine's", l.Out, strings.TrimSpace(string(have)), value)
	case l.Out != "" && l.Out != "/dev/null":
		return "", missing("a shell", "echo to %s", l.Out)
	}
	return "", nil
}
