package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"fivetuple/gateway"
	"fivetuple/sim"
	"fivetuple/sim/netem"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"
	"fivetuple/trace/ladder"
	"fivetuple/trace/pcapng"

	"github.com/spf13/cobra"
)

// A liveSession is a run that others may look at and change, through its
// control socket. A command that is given @NAME instead of a scenario is
// carried out there: see control_linux.go.
type liveSession struct {
	world *sim.World
	stop  context.CancelCauseFunc
	end   <-chan struct{} // closed when nobody runs the world any more
	peers []ladder.Host   // who is outside of the world, for the ladder
	// looks is told, by the world's goroutine, that so many more follow the trace.
	looks func(more int)
	gate  gatewayView // nil: no gateway
	// publications reads what the gateway is to publish.
	publications func(specs []string) ([]gateway.Publication, error)
	// kernels are asked by ss --linux; nil: there are none.
	kernels kernels

	answers sync.WaitGroup // commands that are being carried out
}

// errStopped is why a live run ended: `fivetuple stop`.
var errStopped = errors.New("stopped through the control socket")

// errSessionEnded is what a command says whose session ends meanwhile.
var errSessionEnded = errors.New("the session has ended")

// sessionKey is the context's key for the session that a command works on.
type sessionKey struct{}

func sessionOf(cmd *cobra.Command) *liveSession {
	s, _ := cmd.Context().Value(sessionKey{}).(*liveSession)
	return s
}

// isLiveName reports whether a command line names a session: "@ft0".
func isLiveName(name string) bool { return strings.HasPrefix(name, "@") }

// do runs f on the world's goroutine, and waits for it, or for the session's end.
func (s *liveSession) do(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-s.end:
			cancel(errSessionEnded) // nobody takes what waits, so there may be no room for more
		case <-ctx.Done():
		}
	}()
	done := make(chan error, 1)
	if !s.world.Look(ctx, func() { done <- f() }) {
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-s.end:
		return errSessionEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell prints what the world's goroutine has written, which waits for no client.
func tell(cmd *cobra.Command, err error, text *bytes.Buffer) error {
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(text.Bytes())
	return err
}

// command carries out what changes the world, as an input that a recording has.
func (s *liveSession) command(ctx context.Context, args []string) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	return s.world.Command(ctx, text, s.end)
}

// liveCommands are the commands that make sense for a session alone.
func liveCommands() []*cobra.Command {
	return []*cobra.Command{traceCommand(), linkCommand(), markCommand(), statsCommand(), gatewayCommand(), publishCommand(), stopCommand()}
}

// onSession makes a command that takes @NAME first. It is carried out where the
// session is.
func onSession(cmd *cobra.Command, run func(*liveSession, *cobra.Command, []string) error) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 || !isLiveName(args[0]) {
			return usagef("%s works on a live session: `fivetuple %s @NAME`, NAME being that of --tun or --control", cmd.Name(), cmd.Name())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s := sessionOf(cmd); s != nil {
			return run(s, cmd, args[1:])
		}
		return forward(cmd, args[0])
	}
	return cmd
}

// alone refuses arguments behind @NAME.
func alone(run func(*liveSession, *cobra.Command) error) func(*liveSession, *cobra.Command, []string) error {
	return func(s *liveSession, cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("%s takes @NAME alone, and not %q", cmd.Name(), args[0])
		}
		return run(s, cmd)
	}
}

func stopCommand() *cobra.Command {
	return onSession(&cobra.Command{Use: "stop @NAME", Short: "end a live session, as Ctrl-C does"},
		alone(func(s *liveSession, _ *cobra.Command) error { s.stop(errStopped); return nil }))
}

func markCommand() *cobra.Command {
	return onSession(&cobra.Command{Use: "mark @NAME TEXT", Short: "put a remark into a live session's trace"},
		func(s *liveSession, cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("mark: which text?")
			}
			return s.command(cmd.Context(), append([]string{"mark"}, args...))
		})
}

func statsCommand() *cobra.Command {
	return onSession(&cobra.Command{Use: "stats @NAME", Short: "count what a live session has done"},
		alone(func(s *liveSession, cmd *cobra.Command) error {
			var text bytes.Buffer
			err := s.do(cmd.Context(), func() error { writeStats(&text, s.world, s.gate); return nil })
			return tell(cmd, err, &text)
		}))
}

func writeStats(w io.Writer, world *sim.World, gate gatewayView) {
	fmt.Fprintf(w, "time %s, %d events, %d packets sent\n", world.Now().Round(time.Millisecond), world.Events(), world.Packets())
	for _, h := range world.Hosts() {
		fmt.Fprintf(w, "host %s: %d processes, %d sockets, %d checksum errors\n", h.Name(), len(h.Processes()), len(h.Sockets()), h.Stack().ChecksumErrors())
	}
	for _, l := range world.Links() {
		for _, d := range []sim.Dir{sim.AB, sim.BA} {
			n := l.Stats(d)
			fmt.Fprintf(w, "link %s %s: %d packets, %d lost, %d overflowed, %d duplicated, %d corrupted, %d reordered\n",
				l.Name(), dirName(d), n.Packets, n.Lost, n.Overflowed, n.Duplicated, n.Corrupted, n.Reordered)
		}
	}
	if gate != nil {
		fmt.Fprintln(w, gatewayCounts(gate))
	}
}

// dirName is a direction of a link on the command line.
func dirName(d sim.Dir) string {
	if d == sim.AB {
		return "ab"
	}
	return "ba"
}

func linkCommand() *cobra.Command {
	return onSession(&cobra.Command{
		Use:   "link @NAME [set [LINK] [ab|ba] IMPAIRMENT...]",
		Short: "show or change the impairments of a live session's links",
		Long: `Show or change the impairments of a live session's links.

IMPAIRMENT is in the words of tc-netem(8): delay 40ms 5ms, loss 1%, rate 10mbit.
What is not named is off. ab is the direction that leaves the stack (or the
link's first host), ba the other one; without either, both change. LINK may be
left out if there is one link.`,
		Example: `  fivetuple link @ft0
  fivetuple link @ft0 set delay 40ms loss 1%
  fivetuple link @ft0 set ba rate 10mbit limit 100
  fivetuple link @ft0 set none`,
	}, func(s *liveSession, cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			if err := s.command(cmd.Context(), append([]string{"link"}, args...)); err != nil {
				return err
			}
		}
		var text bytes.Buffer
		err := s.do(cmd.Context(), func() error {
			for _, l := range s.world.Links() {
				for _, d := range []sim.Dir{sim.AB, sim.BA} {
					now := l.Impairments(d).String()
					if now == "" {
						now = "none"
					}
					fmt.Fprintf(&text, "%s %s: %s\n", l.Name(), dirName(d), now)
				}
			}
			return nil
		})
		return tell(cmd, err, &text)
	})
}

func setLink(w *sim.World, args []string) error {
	if args[0] != "set" {
		return usagef("link %s: write set, and then the impairments", args[0])
	}
	args = args[1:]
	links := w.Links()
	if len(args) > 0 {
		if i := slices.IndexFunc(links, func(l *sim.Link) bool { return l.Name() == args[0] }); i >= 0 {
			links, args = links[i:i+1], args[1:]
		}
	}
	if len(links) != 1 {
		return usagef("link set: which link? There are %d", len(links))
	}
	dirs := []sim.Dir{sim.AB, sim.BA}
	if len(args) > 0 && (args[0] == "ab" || args[0] == "ba") {
		dirs = dirs[:1]
		if args[0] == "ba" {
			dirs[0] = sim.BA
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return usagef("link set: which impairments? As in delay 40ms loss 1%%, or none")
	}
	words := strings.Join(args, " ")
	if words == "none" {
		words = ""
	}
	cfg, err := netem.Parse(words)
	if err != nil {
		return usageError{err}
	}
	for _, d := range dirs {
		if err := links[0].Impair(d, cfg); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func traceCommand() *cobra.Command {
	var format string
	var ascii, full bool
	cmd := onSession(&cobra.Command{
		Use:   "trace @NAME",
		Short: "follow a live session's trace, until Ctrl-C",
		Long: `Follow a live session's trace from now on, until Ctrl-C or the session's end.

A reader that is too slow loses events, which is said; the session does not wait.`,
		Example: `  fivetuple trace @ft0
  fivetuple trace @ft0 --format pcapng | wireshark -k -i -
  fivetuple trace @ft0 --format jsonl | jq .kind`,
	}, alone(func(s *liveSession, cmd *cobra.Command) error {
		return s.follow(cmd, format != "ladder", func(w io.Writer) (trace.Sink, func() error, error) {
			switch format {
			case "ladder":
				o := outputs{ascii: ascii, full: full}
				l := o.newLadder(w, s.world, "trace", "", true, s.peers...)
				return l, l.Flush, nil
			case "jsonl":
				j := jsonl.New(w, jsonl.Config{Seed: s.world.Seed(), Epoch: s.world.Epoch()})
				return j, j.Flush, nil
			case "pcapng":
				p, err := pcapng.New(w, pcapng.Config{Epoch: s.world.Epoch()})
				if err != nil {
					return nil, nil, err
				}
				return p, p.Flush, nil
			}
			return nil, nil, usagef("--format %s: it is ladder, jsonl or pcapng", format)
		})
	}))
	cmd.Flags().StringVar(&format, "format", "ladder", "`how` to write it: ladder, jsonl or pcapng")
	for _, f := range []string{"jsonl", "pcap"} {
		cmd.Flags().Func(f, "the same as --format "+strings.Replace(f, "pcap", "pcapng", 1)+"; the `file` is -, standard output", func(file string) error {
			format = strings.Replace(f, "pcap", "pcapng", 1)
			if file != "-" {
				return fmt.Errorf("a session writes to standard output: write - and redirect it")
			}
			return nil
		})
	}
	cmd.Flags().BoolVar(&ascii, "ascii", false, "draw the ladder without UTF-8")
	cmd.Flags().BoolVar(&full, "full", false, "show every segment of a bulk transfer in the ladder")
	cmd.Flags().BoolP("follow", "f", true, "go on until Ctrl-C; there is no other way")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if on, err := cmd.Flags().GetBool("follow"); err != nil || !on {
			return usagef("--follow=false: a trace begins now; what was before is in the files of --pcap, --jsonl and --ladder, or in a recording")
		}
		return nil
	}
	return cmd
}
