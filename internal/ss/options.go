package ss

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"fivetuple/trace"
	"fivetuple/trace/table"

	"github.com/spf13/pflag"
)

// Options are ss's flags, by its long names.
type Options struct {
	TCP, UDP, Raw                     bool
	Listening, All, BoundInactive     bool
	IPv4, IPv6                        bool
	Processes, Info, Timers, Extended bool
	Memory, OneLine, NoHeader         bool
	Summary, Resolve, Numeric         bool
}

// Flags declares the options with ss's letters.
func (o *Options) Flags(f *pflag.FlagSet) {
	for _, b := range []struct {
		to                *bool
		name, letter, use string
	}{
		{&o.TCP, "tcp", "t", "TCP sockets"},
		{&o.UDP, "udp", "u", "UDP sockets"},
		{&o.Raw, "raw", "w", "raw sockets, and those for ICMP echo"},
		{&o.Listening, "listening", "l", "only sockets that listen, or that receive from anybody"},
		{&o.All, "all", "a", "all sockets; without it, only those that are connected"},
		{&o.BoundInactive, "bound-inactive", "B", "only TCP sockets that are bound, and neither listen nor are connected"},
		{&o.IPv4, "ipv4", "4", "only sockets of AF_INET"},
		{&o.IPv6, "ipv6", "6", "only sockets of AF_INET6"},
		{&o.Processes, "processes", "p", "show the descriptors of each socket"},
		{&o.Info, "info", "i", "show TCP's variables"},
		{&o.Timers, "options", "o", "show the timer that a socket waits for, and how often it has fired"},
		{&o.Extended, "extended", "e", "show the timer, v6only, and the directions that are open: <-> both, -- none.\nInodes, uids, cookies and cgroups do not exist here"},
		{&o.Memory, "memory", "m", "show skmem: r, rb, tb, and w, the bytes in the send buffer.\nWhat else Linux shows, netstack does not count"},
		{&o.OneLine, "oneline", "O", "each socket on one line"},
		{&o.NoHeader, "no-header", "H", "no line of headings"},
		{&o.Summary, "summary", "s", "count the sockets"},
		{&o.Resolve, "resolve", "r", "show names of hosts and services"},
		{&o.Numeric, "numeric", "n", "show numbers: the default"},
	} {
		f.BoolVarP(b.to, b.name, b.letter, false, b.use)
	}
}

// Query is what ss is asked for.
type Query struct {
	Options
	filter *Filter
}

// Query adds a filter, in any number of words, to the options.
func (o Options) Query(filter ...string) (*Query, error) {
	f, err := ParseFilter(strings.Join(filter, " "))
	return &Query{Options: o, filter: f}, err
}

// Parse reads a command line without the command: "-tan state established".
func Parse(args string) (*Query, error) {
	var o Options
	f := pflag.NewFlagSet("ss", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.Flags(f)
	if err := f.Parse(strings.Fields(strings.NewReplacer("'", " ", `"`, " ").Replace(args))); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			err = errors.New("the options are described by `fivetuple ss --help`")
		}
		return nil, fmt.Errorf("ss %s: %w", args, err)
	}
	return o.Query(f.Args()...)
}

// protocols are the trace's names of those that were asked for.
func (o *Options) protocols() []string {
	var out []string
	for _, p := range []struct {
		asked bool
		names []string
	}{{o.Raw, rawProtos}, {o.UDP, []string{"udp"}}, {o.TCP, []string{"tcp"}}} {
		if p.asked || !o.TCP && !o.UDP && !o.Raw {
			out = append(out, p.names...)
		}
	}
	return out
}

var rawProtos = []string{"raw", "icmp", "icmpv6"}

// states is which states to show. With neither flag nor filter it depends on
// the protocol: see defaultStates.
func (q *Query) states() (s states, given bool) {
	switch {
	case q.filter.given:
		return q.filter.states, true
	case q.All:
		return allStates, true
	case q.BoundInactive:
		return boundInactive, true
	case q.Listening:
		return stateBit(trace.Listen) | stateBit(trace.Closed), true
	}
	for _, p := range q.protocols() {
		s |= defaultStates(p)
	}
	return s, false
}

// defaultStates are the connected ones; ss has TIME-WAIT and SYN-RECV not among
// them, for which the kernel keeps no whole socket.
func defaultStates(proto string) states {
	if proto != "tcp" {
		return stateBit(trace.Established)
	}
	return stateGroups["connected"] &^ stateGroups["bucket"]
}

// Select returns the sockets that were asked for, in ss's order: raw, UDP, TCP;
// IPv4 before IPv6; listeners first. It keeps the order of equals.
func (q *Query) Select(all []trace.Socket) []trace.Socket {
	var out []trace.Socket
	takes := q.taker()
	for i := range all {
		if takes(&all[i]) {
			out = append(out, all[i])
		}
	}
	slices.SortStableFunc(out, func(a, b trace.Socket) int { return compare(&a, &b) })
	return out
}

// taker returns a function that reports whether a socket was asked for.
func (q *Query) taker() func(*trace.Socket) bool {
	mask, given := q.states()
	protos := q.protocols()
	return func(k *trace.Socket) bool {
		allowed := mask
		if !given {
			allowed = defaultStates(k.Proto)
		}
		switch {
		case !visible(k), !slices.Contains(protos, k.Proto), allowed&stateOf(k) == 0:
			return false
		case (q.IPv4 || q.IPv6) && !(q.IPv4 && !k.V6 || q.IPv6 && k.V6):
			return false
		}
		return q.filter.matches(k)
	}
}

// compare has ss's order.
func compare(a, b *trace.Socket) int {
	return cmp.Or(cmp.Compare(order(a.Proto), order(b.Proto)), compareBool(a.V6, b.V6),
		compareBool(b.State == trace.Listen, a.State == trace.Listen))
}

// visible reports whether ss can see a socket: not one without a port.
func visible(k *trace.Socket) bool {
	switch k.Proto {
	case "tcp":
		return k.State != trace.Closed || k.Bound
	case "udp":
		return k.Local.Port() != 0
	}
	return true
}

func order(proto string) int {
	return slices.Index([]string{"icmpv6", "icmp", "raw", "udp", "tcp"}, proto)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Write prints what ss would print about a host's sockets. names gives the
// names of hosts for -r; nil has none.
func (q *Query) Write(w io.Writer, all []trace.Socket, names func(netip.Addr) string) error {
	if q.Summary {
		return table.Summary(w, all)
	}
	return table.View(w, q.Select(all), q.view(names))
}

// view is what the options say about the table.
func (q *Query) view(names func(netip.Addr) string) table.ViewOptions {
	mask, _ := q.states()
	o := table.ViewOptions{
		Header: !q.NoHeader, OneLine: q.OneLine,
		Netid: len(q.protocols()) > 1 && !(q.Raw && !q.TCP && !q.UDP), State: !mask.single(),
		Processes: q.Processes, Timers: q.Timers || q.Extended, Extended: q.Extended, Memory: q.Memory, Info: q.Info,
	}
	if q.Resolve {
		o.Host, o.Service = names, serviceName
	}
	return o
}
