package scenarios_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/jsonl"

	"github.com/stretchr/testify/require"
)

// TestPkt runs the packetdrill scripts in each IP version: what comes of them
// is in their profile, and a second run gives the same bytes.
func TestPkt(t *testing.T) {
	src, err := scenarios.PktSource("netstack.profile")
	require.NoError(t, err)
	profile, err := packetdrill.ParseProfile("netstack.profile", src)
	require.NoError(t, err)
	for _, name := range scenarios.PktNames() {
		t.Run(name, func(t *testing.T) {
			for _, v := range versions(t, name) {
				verdict, why, events := runPkt(t, name, v)
				require.Empty(t, profile.Expects(name, verdict, why), "%s: %s: %v", v, verdict, why)
				_, _, again := runPkt(t, name, v)
				require.Equal(t, events, again)
			}
		})
	}
}

// versions are the IP versions that a script is run in: all, unless it names one.
func versions(t *testing.T, name string) []packetdrill.IPVersion {
	t.Helper()
	src, err := scenarios.PktSource(name)
	require.NoError(t, err)
	if _, v, ok := strings.Cut(string(src), "--ip_version="); ok {
		return []packetdrill.IPVersion{packetdrill.IPVersion(strings.Fields(v)[0])}
	}
	return []packetdrill.IPVersion{packetdrill.IPv4, packetdrill.IPv6, packetdrill.Mapped}
}

func runPkt(t *testing.T, name string, v packetdrill.IPVersion) (packetdrill.Verdict, *packetdrill.Problem, string) {
	t.Helper()
	src, err := scenarios.PktSource(name)
	require.NoError(t, err)
	s, err := packetdrill.Parse(name, src, nil)
	require.NoError(t, err)
	again, err := packetdrill.Parse(name, []byte(packetdrill.Format(s)), nil)
	require.NoError(t, err)
	require.Equal(t, packetdrill.Format(s), packetdrill.Format(again))
	var b bytes.Buffer
	sink := jsonl.New(&b, jsonl.Config{Scenario: name, Seed: goldenSeed, Epoch: stack.Epoch})
	r := packetdrill.Run(context.Background(), s, packetdrill.Config{
		Seed: goldenSeed, Settings: packetdrill.Settings{IPVersion: v}, Sinks: []trace.Sink{sink},
	})
	require.NotNil(t, r.World)
	defer r.World.Close()
	require.NoError(t, r.World.Bus().Close())
	return r.Verdict, r.Problem, b.String()
}

// TestPktManual: a script says what it shows, and where that is written.
func TestPktManual(t *testing.T) {
	files, err := filepath.Glob("corpus/pkt/*.pkt")
	require.NoError(t, err)
	require.Len(t, scenarios.PktNames(), len(files))
	for _, name := range scenarios.PktNames() {
		src, err := scenarios.PktSource(name)
		require.NoError(t, err)
		require.Regexp(t, `^// [A-Z]`, string(src), name)
		head, _, _ := strings.Cut(string(src), "\n0 ")
		require.Regexp(t, `(?m)^// RFC \d+`, head, name)
	}
}

// TestPktNotices changes one expectation at a time in each script that passes:
// none of what is written may go unnoticed.
func TestPktNotices(t *testing.T) {
	for _, name := range scenarios.PktNames() {
		if verdict, _, _ := runPkt(t, name, versions(t, name)[0]); verdict != packetdrill.Pass {
			continue
		}
		src, err := scenarios.PktSource(name)
		require.NoError(t, err)
		fresh := func() *packetdrill.Script {
			s, err := packetdrill.Parse(name, src, nil)
			require.NoError(t, err)
			return s
		}
		for i := range fresh().Events {
			for _, m := range mutations {
				s := fresh()
				if !m.change(&s.Events[i]) {
					continue
				}
				r := packetdrill.Run(context.Background(), s, packetdrill.Config{Seed: goldenSeed})
				if r.World != nil {
					r.World.Close()
				}
				require.NotEqual(t, packetdrill.Pass, r.Verdict, "%s:%d: %s: %s", name, s.Events[i].Line, m.name, &s.Events[i])
			}
		}
	}
}

// mutations are changes of one event; change reports whether there is one.
var mutations = []struct {
	name   string
	change func(e *packetdrill.Event) bool
}{
	{"ack", segment(func(t *packetdrill.TCP) bool {
		if t.Ack != nil {
			*t.Ack++
		}
		return t.Ack != nil
	})},
	{"seq", segment(func(t *packetdrill.TCP) bool {
		t.Start, t.End = t.Start+1, t.End+1
		return !strings.Contains(t.Flags, "S") // a SYN's number is the script's to choose
	})},
	{"length", segment(func(t *packetdrill.TCP) bool { t.Len, t.End = t.Len+1, t.End+1; return true })},
	{"flags", segment(func(t *packetdrill.TCP) bool { t.Flags += "U"; return true })},
	{"window", segment(func(t *packetdrill.TCP) bool { win := 7; t.Win = &win; return true })},
	{"an option more", segment(func(t *packetdrill.TCP) bool {
		t.Opts = append(t.Opts, packetdrill.TCPOpt{Name: "nop"})
		return !t.AnyOpts
	})},
	{"an option less", segment(func(t *packetdrill.TCP) bool {
		if len(t.Opts) > 0 {
			t.Opts = t.Opts[1:]
			return true
		}
		return false
	})},
	{"a later packet", func(e *packetdrill.Event) bool {
		e.Time.At += 100 * time.Second
		e.Time.End += 100 * time.Second
		return e.Packet != nil && !e.Packet.Inbound
	}},
	{"a later return", func(e *packetdrill.Event) bool {
		e.Time.End += 100 * time.Second
		return e.Time.Blocking
	}},
	{"a result", func(e *packetdrill.Event) bool {
		if e.Call == nil || e.Call.Errno != "" || newDescriptor[e.Call.Name] {
			return false
		}
		e.Call.Result.Int++
		return true
	}},
	{"an error", func(e *packetdrill.Event) bool {
		if e.Call == nil || e.Call.Errno == "" {
			return false
		}
		e.Call.Errno = "EXDEV"
		return true
	}},
}

// newDescriptor are the calls whose result is a descriptor: any will do.
var newDescriptor = map[string]bool{"socket": true, "accept": true, "epoll_create": true}

func segment(change func(*packetdrill.TCP) bool) func(*packetdrill.Event) bool {
	return func(e *packetdrill.Event) bool {
		return e.Packet != nil && !e.Packet.Inbound && e.Packet.TCP != nil && change(e.Packet.TCP)
	}
}

// TestPktProfiles: the profiles of this and of other sets of scripts can be read,
// and give the reason of each difference.
func TestPktProfiles(t *testing.T) {
	files, err := filepath.Glob("corpus/pkt/*.profile")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, f := range files {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		_, err = packetdrill.ParseProfile(f, src)
		require.NoError(t, err)
		for _, l := range strings.Split(string(src), "\n") {
			if strings.HasPrefix(l, "diverges ") {
				require.Regexp(t, `:\d+  # \S.{20}`, l, "%s: why does it differ?", f)
			}
		}
	}
}
