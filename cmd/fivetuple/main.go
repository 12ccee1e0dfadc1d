// Command fivetuple is a TCP/IP lab: it runs scenarios in virtual time, and the
// same stack on a TUN device. See the README.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	tune()
	out := &standardOutput{w: os.Stdout}
	cmd := root()
	cmd.SetOut(out)
	ctx := untilSignal()
	err := cmd.ExecuteContext(ctx)
	if out.err != nil && !errors.Is(err, out.err) {
		err = errors.Join(err, out.err)
	}
	report(os.Stderr, err)
	os.Exit(exitStatus(ctx, err))
}

// untilSignal is a context that the first SIGINT or SIGTERM ends. The second
// one ends the program.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		sig := (<-signals).(syscall.Signal) // the only kind that is asked for
		signal.Stop(signals)
		cancel(interrupted{sig})
	}()
	return ctx
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
call, every state and the reason for each.

Exit status: 0 if all is well, 1 if a run failed, 2 if the command line or a
scenario's set-up is wrong, 130 or 143 if SIGINT or SIGTERM ended a run early.
What was captured until then is a valid file in every case.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetHelpCommand(helpCommand())
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(ssCommand(), portsCommand(), fdsCommand(), lookupCommand())
	cmd.AddCommand(liveCommands()...)
	cmd.AddCommand(runCommand(), listCommand(), testCommand(), pktCommand(), importCommand(), upCommand(), replayCommand(), execCommand(), insideCommand(), optionsCommand(), callsCommand())
	return cmd
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "describe a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd, args[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// exactly checks the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s; see `%s --help`", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}
