package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fivetuple/scenarios/packetdrill/capture"

	"github.com/spf13/cobra"
)

// importOptions are the flags of `fivetuple import`.
type importOptions struct {
	stream, side, out string
	asJSON            bool
	script            capture.Options
}

func importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE.pcap|FILE.pcapng",
		Short: "turn a TCP connection of a packet capture into a packetdrill script",
		Long: `Turn a TCP connection of a packet capture into a packetdrill script, which
` + "`fivetuple pkt`" + ` runs. Without --stream, list the connections.

The file is pcap or pcapng. Link types: Ethernet with VLAN tags, Linux cooked
(tcpdump -i any), raw IP, null and loopback. A file "-" is standard input.

The script plays the other end, and expects what the host under test has sent.
That is the host on which the capture was taken, if it says which: those of
fivetuple do, and those of tcpdump -i any. Otherwise it is the server. The calls
of its program are not in a capture: they are inferred. See docs/packetdrill.md.

Exit status: 0 if all is well, 2 if the command line or the capture is wrong.`,
		Example: `  fivetuple import web.pcapng
  fivetuple import web.pcapng --stream 3 > flow.pkt && fivetuple pkt flow.pkt
  fivetuple import web.pcapng --stream 10.0.0.1:53864 --side client -o flow.pkt
  fivetuple import web.pcapng --json`,
		Args: exactly(1, "the file of a capture"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.stream, "stream", "", "connection to import: its `number`, or an address:port that no other connection has")
	f.StringVar(&o.side, "side", "auto", "host under test: client, server or auto")
	f.StringVarP(&o.out, "output", "o", "", "write the script to this `file` instead of standard output")
	f.IntVar(&o.script.Packets, "packets", 0, "stop after so many packets of the connection (default all)")
	f.BoolVar(&o.script.Strict, "strict", false, "expect ACKs exactly as in the capture, even where it shows some that were held back")
	f.BoolVar(&o.script.Windows, "windows", false, "expect the windows of outbound segments as well")
	f.BoolVar(&o.script.Lenient, "lenient", false, "let the stack send more and earlier ACKs than in the capture, wherever it likes")
	f.BoolVar(&o.asJSON, "json", false, "list the connections as JSON, one object a line")
	return cmd
}

func (o *importOptions) run(cmd *cobra.Command, path string) error {
	side, err := capture.ParseSide(o.side)
	switch {
	case err != nil:
		return usagef("--side: %w", err)
	case o.script.Packets < 0:
		return usagef("--packets %d: need a number above 0", o.script.Packets)
	case o.script.Strict && o.script.Lenient:
		return usagef("--strict and --lenient: choose one")
	case o.asJSON && o.stream != "":
		return usagef("--json is for the list of connections: leave out --stream")
	case o.out != "" && o.stream == "":
		return usagef("--output is for a script: choose a connection with --stream")
	}
	o.script.Side, o.script.Name = side, path
	if path == "-" {
		o.script.Name = "standard input"
	}
	file, err := readCapture(cmd.InOrStdin(), path)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(file.Unread)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "fivetuple: %s: packets of link type %s cannot be read: %d are left out\n", path, name, file.Unread[name])
	}
	if o.stream == "" {
		return o.list(cmd.OutOrStdout(), file)
	}
	s, err := findStream(file, o.stream)
	if err != nil {
		return usagef("%s: %w", path, err)
	}
	script, err := capture.Import(s, o.script)
	if err != nil {
		return usagef("%s: %w", path, err)
	}
	if o.out == "" {
		_, err := io.WriteString(cmd.OutOrStdout(), script.Text())
		return err
	}
	if err := os.WriteFile(o.out, []byte(script.Text()), 0o644); err != nil {
		return fileError("--output "+o.out, err)
	}
	return nil
}

func readCapture(stdin io.Reader, path string) (*capture.File, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError{namedError(path, err)}
		}
		defer f.Close()
		in = f
	}
	file, err := capture.Read(in)
	if err != nil {
		return nil, usageError{namedError(path, err)}
	}
	return file, nil
}

// findStream is the connection with a number, or the one with an address and port.
func findStream(f *capture.File, which string) (*capture.Stream, error) {
	if len(f.Streams) == 0 {
		return nil, errors.New("there is no TCP connection in it")
	}
	if n, err := strconv.Atoi(which); err == nil {
		if n < 0 || n >= len(f.Streams) {
			return nil, fmt.Errorf("--stream %d: it has connections 0 to %d", n, len(f.Streams)-1)
		}
		return f.Streams[n], nil
	}
	var found []*capture.Stream
	for _, s := range f.Streams {
		if slices.Contains([]string{s.Client.String(), s.Server.String()}, which) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("--stream %s: no connection has this address and port; without --stream they are listed", which)
	case 1:
		return found[0], nil
	}
	var nums []string
	for _, s := range found {
		nums = append(nums, strconv.Itoa(s.Num))
	}
	return nil, fmt.Errorf("--stream %s: several connections have this address and port: %s", which, strings.Join(nums, ", "))
}

// importLine is a line of `fivetuple import --json`.
type importLine struct {
	Stream    int       `json:"stream"`
	Client    string    `json:"client"`
	Server    string    `json:"server"`
	Start     time.Time `json:"start"`
	Duration  float64   `json:"duration_seconds"`
	Packets   int       `json:"packets"`
	ToServer  int64     `json:"bytes_to_server"`
	ToClient  int64     `json:"bytes_to_client"`
	Handshake string    `json:"handshake"`
	End       string    `json:"end"`
}

func (o *importOptions) list(w io.Writer, f *capture.File) error {
	if o.asJSON {
		enc := json.NewEncoder(w)
		for _, s := range f.Streams {
			line := importLine{s.Num, s.Client.String(), s.Server.String(), s.Start.UTC(), s.Duration.Seconds(), s.Packets(),
				s.ToServer, s.ToClient, s.Handshake(), s.End()}
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	if len(f.Streams) == 0 {
		_, err := fmt.Fprintf(w, "no TCP connection in %d packets\n", f.Frames)
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "stream\tclient\tserver\tpackets\tto server\tto client\tseconds\thandshake\tend")
	for _, s := range f.Streams {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%d\t%d\t%d\t%.6f\t%s\t%s\n", s.Num, s.Client, s.Server, s.Packets(), s.ToServer, s.ToClient,
			s.Duration.Seconds(), s.Handshake(), s.End())
	}
	return tw.Flush()
}
