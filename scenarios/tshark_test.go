package scenarios_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/pcapng"

	"github.com/stretchr/testify/require"
)

// TestWireshark lets tshark judge the capture of every scenario: it reads it
// without a warning, finds nothing malformed, and its TCP analysis objects to
// what a configured loss has caused, and to nothing else. A frame out of order,
// on the wrong interface or with a wrong number would be flagged.
func TestWireshark(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name+".pcapng")
			wire := capture(t, name, path)
			frames := tshark(t, path)
			require.Len(t, frames, wire.packets, "each packet is there once")
			for _, f := range frames {
				f.judge(t)
			}
			require.Equal(t, wire.drops, dropMarks(frames), "each drop is marked with its reason")
			if _, shown := flagged[name]; !shown {
				explain(t, frames, len(wire.drops) > 0)
			}
		})
	}
}

// capture runs a scenario into a file and returns what was on its wires.
func capture(t *testing.T, name, path string) *wire {
	t.Helper()
	file, src, err := scenarios.Source(name)
	require.NoError(t, err)
	s, err := star.Parse(file, src)
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	w, err := pcapng.New(f, pcapng.Config{Epoch: stack.Epoch})
	require.NoError(t, err)
	seen := &wire{}
	r, err := s.Run(context.Background(), star.Config{Seed: 7, Sinks: []trace.Sink{w, seen}})
	require.NoError(t, err)
	defer r.World.Close()
	require.NoError(t, r.World.Bus().Close())
	return seen
}

// wire is a sink that counts packets where they were sent.
type wire struct {
	packets int
	drops   []string // reasons
}

func (w *wire) Event(ev *trace.Event) error {
	p, ok := ev.Body.(*trace.Packet)
	if !ok || p.What != trace.Dropped && (p.What != trace.Sent || p.Forwarded) {
		return nil
	}
	w.packets++
	if p.What == trace.Dropped {
		w.drops = append(w.drops, p.Reason)
	}
	return nil
}

func (w *wire) Close() error { return nil }

// frame is what tshark says about one.
type frame struct {
	number, comment, malformed, severity, expert string
	flags, retransmission, duplicateAck, sack    string
}

// severityError is Wireshark's PI_ERROR (epan/proto.h).
const severityError = "8388608"

// judge demands what holds for each frame alone.
func (f frame) judge(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, f.comment, "frame %s says whose it is", f.number)
	require.Empty(t, f.malformed, "frame %s: %s", f.number, f.expert)
	require.NotContains(t, strings.Split(f.severity, ","), severityError, "frame %s: %s", f.number, f.expert)
}

func (f frame) dropped() bool { return strings.HasPrefix(f.comment, "DROPPED: ") }

// dropMarks lists the reasons in the comments.
func dropMarks(frames []frame) (reasons []string) {
	for _, f := range frames {
		if text, ok := strings.CutPrefix(f.comment, "DROPPED: "); ok {
			reason, _, _ := strings.Cut(text, ";")
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// flagged are the scenarios that show, without a loss on a link, what
// Wireshark's TCP analysis has a word for; the word is the reason.
var flagged = map[string]string{
	"backlog-overflow":  "a listener drops the SYN in silence, so it is sent again",
	"keepalive":         "keep-alive segments",
	"simultaneous-open": "the SYN+ACK repeats the sequence number of its SYN",
	"zero-window":       "window full, zero window, and its probes",
}

// explain demands that a loss came before each frame that the analysis flags,
// and that the frame is what a loss leads to: the segment sent again, a
// duplicate acknowledgment, or one that reports a hole in SACK blocks.
func explain(t *testing.T, frames []frame, lossy bool) {
	t.Helper()
	lost := false
	for _, f := range frames {
		lost = lost || f.dropped()
		if f.flags == "" {
			continue
		}
		require.True(t, lost, "tshark flags frame %s, and nothing had been lost: %s", f.number, f.expert)
		require.True(t, f.retransmission != "" || f.duplicateAck != "" || f.sack != "",
			"tshark flags frame %s, which no loss explains: %s", f.number, f.expert)
		if f.retransmission != "" {
			require.Contains(t, f.comment, "; retransmission", "frame %s: we know it, too", f.number)
		}
	}
	any := slices.ContainsFunc(frames, func(f frame) bool { return f.flags != "" })
	require.Equal(t, lossy, any, "a loss has consequences on the wire, and nothing else has")
}

var fields = []string{
	"frame.number", "frame.comment", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message",
	"tcp.analysis.flags", "tcp.analysis.retransmission", "tcp.analysis.duplicate_ack", "tcp.options.sack_le",
}

// tshark reads a capture, once, without a complaint.
func tshark(t *testing.T, path string) (frames []frame) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs tshark in PATH, and must run in CI (make deps installs it)")
		}
		t.Skip("this test needs tshark in PATH (make deps installs it)")
	}
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "separator=/t"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), "tshark", args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	require.NoError(t, cmd.Run(), complaints.String())
	for line := range strings.Lines(complaints.String()) {
		require.Contains(t, line, "Running as user", "tshark warns")
	}
	for line := range strings.Lines(out.String()) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, v, len(fields), line)
		frames = append(frames, frame{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]})
	}
	return frames
}
