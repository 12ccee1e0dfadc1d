// Command fivetuple is a TCP/IP lab: it runs scenarios in virtual time, and the
// same stack on a TUN device. See the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses: usage is the user's input, failed is a run that did not end well.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the command line or in a file it names.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// silentError ends with exit status 1 after everything has been said.
var errSilent = errors.New("failed")

func main() {
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "fivetuple: "+err.Error())
		}
		stop()
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailed)
	}
}

// tune sets the Go runtime for one busy loop: a hand-over between a world's
// goroutine and netstack's worker is several times faster on one processor,
// and a little garbage costs less than collecting it often. The environment
// has the last word; results do not depend on it.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fivetuple",
		Short: "a TCP/IP lab: sockets, hosts and links in virtual time, or live on a TUN device",
		Long: `fivetuple runs a production TCP/IP stack in a lab: drive it with Berkeley sockets,
attach it to simulated links or to a TUN device, and see every packet, every
call, every state and the reason for each.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q%s", args[0], hint(cmd, args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see `%s --help`)", err, cmd.CommandPath())
	})
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(runCommand(), listCommand(), testCommand(), upCommand())
	return cmd
}

func hint(cmd *cobra.Command, arg string) string {
	if s := cmd.SuggestionsFor(arg); len(s) > 0 {
		return fmt.Sprintf(": did you mean %q?", s[0])
	}
	return "; see `fivetuple --help`"
}

// exactly checks the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s (see `%s --help`)", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}
