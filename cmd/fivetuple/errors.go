package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"fivetuple/internal/spell"

	"github.com/spf13/cobra"
)

// Exit statuses. A run that a signal ended has 128 plus the signal's number,
// as in a shell.
const (
	exitFailed = 1
	exitUsage  = 2
	exitSignal = 128
)

// usageError is a mistake in the command line or in a file it names.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent ends with exit status 1 after everything has been said.
var errSilent = errors.New("failed")

// interrupted is why a run ended early: the signal that its user sent.
type interrupted struct{ sig syscall.Signal }

func (i interrupted) Error() string {
	if i.sig == syscall.SIGTERM {
		return "interrupted by SIGTERM"
	}
	return "interrupted by SIGINT"
}

// exitStatus is the status that the program ends with: an error after a signal
// came of the signal.
func exitStatus(ctx context.Context, err error) int {
	var sig interrupted
	var usage usageError
	var program programExit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &program):
		return program.status
	case errors.As(context.Cause(ctx), &sig):
		return exitSignal + int(sig.sig)
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// report prints each of several errors that were joined on lines of its own.
func report(w io.Writer, err error) {
	for _, e := range leaves(err) {
		var program programExit
		if e != nil && !errors.Is(e, errSilent) && !errors.As(e, &program) {
			fmt.Fprintln(w, "fivetuple: "+e.Error()+remedy(e))
		}
	}
}

// leaves takes joined errors apart. An error that wraps several in a sentence
// of its own stays whole.
func leaves(err error) (errs []error) {
	if usage, ok := err.(usageError); ok {
		return leaves(usage.err)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		errs = append(errs, leaves(e)...)
	}
	return errs
}

// flagError makes a wrong flag a usage error, in words that are not Go's.
func flagError(cmd *cobra.Command, err error) error {
	text := goWords.ReplaceAllString(err.Error(), "")
	if name, ok := strings.CutPrefix(text, "unknown flag: "); ok {
		text += spell.Hint(name, flagNames(cmd))
	}
	return usagef("%s; see `%s --help`", text, cmd.CommandPath())
}

// goWords is how package strconv begins its errors.
var goWords = regexp.MustCompile(`strconv\.\w+: parsing ".*": `)

func flagNames(cmd *cobra.Command) (names []string) {
	for _, word := range strings.Fields(cmd.Flags().FlagUsages()) {
		if strings.HasPrefix(word, "--") {
			names = append(names, word)
		}
	}
	return names
}

// unknownCommand names what the user probably meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Root().Commands() {
		names = append(names, c.Name())
	}
	return usagef("unknown command %q%s; see `fivetuple --help`", name, spell.Hint(name, slices.Sorted(slices.Values(names))))
}

// fileError says in one line what is wrong with a file that the user named, and
// what to do. what is a flag with its value, or a path.
func fileError(what string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	remedy := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = ": create its folder first"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		remedy = ": choose a place that you may write to"
	case errors.Is(err, syscall.EISDIR):
		remedy = ": name a file in it"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		remedy = ": choose another name"
	}
	return usagef("%s: %w%s", what, err, remedy)
}

// remedy is what to do about an output that had been opened and then failed.
func remedy(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ": free some space, or write elsewhere; what is there is valid"
	}
	return ""
}

// standardOutput remembers that it failed, so that no caller has to look.
type standardOutput struct {
	w   io.Writer
	err error
}

func (o *standardOutput) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	if err != nil {
		o.err = namedError("standard output", err)
	}
	return n, o.err
}

// namedWriter makes errors name the file in the way of the other outputs.
type namedWriter struct{ f *os.File }

func (n namedWriter) Write(b []byte) (int, error) {
	c, err := n.f.Write(b)
	if err != nil {
		err = namedError(n.f.Name(), err)
	}
	return c, err
}

func namedError(name string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
