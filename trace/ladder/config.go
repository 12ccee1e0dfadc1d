package ladder

import (
	"net/netip"
	"strings"

	"fivetuple/trace"
)

// DefaultWidth is the width of a line, in columns, if Config gives none.
const DefaultWidth = 100

// minWidth is the least width that leaves room for a wire.
const minWidth = 80

// Config says how a ladder looks. The zero value is ready for use.
type Config struct {
	// Title and Claim make the first line: "handshake: three segments ...".
	// Without a title there is none.
	Title, Claim string
	// Seed is printed below the title, with the kind of time: virtual, or real
	// if Paced.
	Seed  uint64
	Paced bool
	// Hosts are the lanes from left to right. If empty, hosts get lanes in the
	// order in which they appear, and no addresses.
	Hosts []Host
	// ASCII draws with -->, <-- and X for terminals without UTF-8.
	ASCII bool
	// Width is the longest line, in columns: DefaultWidth if 0, at least 80.
	Width int
	// Full shows every segment of a bulk transfer. Otherwise more than 12 data
	// and ack segments of one connection in a row are summed up in one line.
	Full bool
	// MaxLines ends the ladder early, with a count of what is missing; 0 is
	// no limit.
	MaxLines int
}

// Host is one lane.
type Host struct {
	Name  string
	Addrs []netip.Addr
}

func (c Config) withDefaults() Config {
	if c.Width == 0 {
		c.Width = DefaultWidth
	}
	c.Width = max(c.Width, minWidth)
	return c
}

// Render writes the ladder of events that have been recorded. Without
// cfg.Hosts, every host of the trace gets a lane.
func Render(events []*trace.Event, cfg Config) string {
	if len(cfg.Hosts) == 0 {
		cfg.Hosts = hostsOf(events)
	}
	var out strings.Builder
	l := New(&out, cfg)
	for _, ev := range events {
		_ = l.Event(ev) // a strings.Builder takes everything
	}
	_ = l.Close()
	return out.String()
}

// hostsOf lists the hosts of a trace in order of appearance.
func hostsOf(events []*trace.Event) []Host {
	var lanes laneList
	for _, ev := range events {
		lanes.add(ev.Host)
	}
	hosts := make([]Host, len(lanes))
	for i, l := range lanes {
		hosts[i] = l.Host
	}
	return hosts
}
