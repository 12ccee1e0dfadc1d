package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// variant is a row of a table: a stack to measure, or the kernel.
type variant struct {
	name string // as it was typed, with its number
	kind *kind
	mtu  int
	work time.Duration // of the mirror, for each packet

	awake bool // no processor halts while it is measured
}

// kind is what a variant is, whatever its MTU.
type kind struct {
	name    string
	gateway bool // it passes connections on to the kernel's TCP beside it; else it ends them itself
	must    bool // the benchmark has failed if it could not be measured
	short   bool // it has no streams: no bulk transfers, and nothing to hold idle connections in
	launch  func(l *lab, s *server, v variant) error
}

// kinds are set in init, since their functions use the table.
var kinds []kind

func init() {
	up := (*lab).launchUp
	kinds = []kind{
		{name: "veth", must: true, launch: (*lab).launchVeth},
		{name: "offload", must: true, launch: up},
		{name: "no-awake", launch: up},
		{name: "no-poll", launch: up},
		{name: "mirror", short: true, launch: (*lab).launchMirror},
		{name: "raw", launch: up},
		{name: "water", launch: up},
		{name: "tap", launch: up},
		{name: "tap-off", launch: up},
		{name: "fdbased", launch: (*lab).launchPeer},
		{name: "wireguard", launch: (*lab).launchPeer},
		{name: "gateway", gateway: true, must: true, launch: (*lab).launchGateway},
		{name: "tun2socks", gateway: true, launch: (*lab).launchTun2socks},
		{name: "gvisor-tap-vsock", gateway: true, launch: (*lab).launchTapVsock},
		{name: "slirp4netns", gateway: true, launch: (*lab).launchSlirp},
		{name: "pasta", gateway: true, launch: (*lab).launchPasta},
	}
}

// defaultVariants are the kinds at an MTU of 1500 without those of a TAP device, and pasta at its own default.
var defaultVariants = []string{"veth", "veth-awake", "offload", "no-awake", "no-poll", "mirror", "raw", "water", "fdbased", "wireguard",
	"gateway", "tun2socks", "gvisor-tap-vsock", "slirp4netns", "pasta", "pasta-65520"}

// parseVariant reads a name: that of a kind, of a gateway with an MTU, or of a
// mirror with a time; each with awakeSuffix or without.
func parseVariant(name string) (variant, error) {
	if base, ok := strings.CutSuffix(name, awakeSuffix); ok && base != "no" {
		v, err := parseVariant(base)
		v.name, v.awake = name, true
		return v, err
	}
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name }); i >= 0 {
		return variant{name: name, kind: &kinds[i], mtu: 1500}, nil
	}
	base, number, ok := cutLast(name, "-")
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == base && (k.gateway || k.short) })
	if ok && i >= 0 && kinds[i].short {
		work, err := time.ParseDuration(number)
		if err != nil || work < 0 || work > time.Millisecond {
			return variant{}, fmt.Errorf("-variants %s: a mirror works for 0s to 1ms, as in mirror-20us", name)
		}
		return variant{name: name, kind: &kinds[i], work: work}, nil
	}
	mtu, err := strconv.Atoi(number)
	if !ok || i < 0 || err != nil {
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return variant{}, fmt.Errorf("-variants %s: there are %s; a gateway's name may be followed by its MTU, as in pasta-65520, mirror by a time, as in mirror-20us, and any by -awake", name, strings.Join(names, ", "))
	}
	if mtu < 1280 || mtu > 65520 {
		return variant{}, fmt.Errorf("-variants %s: an MTU is 1280 to 65520 bytes", name)
	}
	return variant{name: name, kind: &kinds[i], mtu: mtu}, nil
}

const awakeSuffix = "-awake"

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// measurement is one thing that is measured in each round; idle connections
// have a server of their own before the rounds.
type measurement struct {
	name    string
	gateway bool // of gateways too
	bulk    bool // it needs streams
	run     func(o *options, s *server) error
}

var measurements = []measurement{
	{"in", true, true, func(o *options, s *server) error { return s.bulk("in", 1, s.to(9), send, o.bulk) }},
	{"out", true, true, func(o *options, s *server) error { return s.bulk("out", 1, s.to(19), receive, o.bulk) }},
	{"in4", false, true, func(o *options, s *server) error { return s.bulk("in4", 4, s.to(9), send, o.bulk) }},
	{"out4", false, true, func(o *options, s *server) error { return s.bulk("out4", 4, s.to(19), receive, o.bulk) }},
	{"in6", false, true, func(o *options, s *server) error { return s.bulk("in6", 1, s.to6(9), send, o.bulk) }},
	{"out6", false, true, func(o *options, s *server) error { return s.bulk("out6", 1, s.to6(19), receive, o.bulk) }},
	{"rtt", true, false, func(o *options, s *server) error { return s.roundTrips(o.short) }},
	{"conn1", true, false, func(o *options, s *server) error { return s.connections("conn1", 1, o.short) }},
	{"conn8", true, false, func(o *options, s *server) error { return s.connections("conn8", 8, o.short) }},
	{"http", false, false, func(o *options, s *server) error { return s.requests(8, o.short) }},
}

// measurementNames are the names for -only.
func measurementNames() []string {
	var out []string
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return append(out, "idle")
}
