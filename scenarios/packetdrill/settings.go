package packetdrill

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IPVersion is how a script's sockets and packets are addressed.
type IPVersion string

// The IP versions. Mapped uses IPv6 sockets and IPv4 packets.
const (
	IPv4   IPVersion = "ipv4"
	IPv6   IPVersion = "ipv6"
	Mapped IPVersion = "ipv4-mapped-ipv6"
)

// Settings are packetdrill's options. The zero value of each means: what the
// script says, else the default.
type Settings struct {
	IPVersion      IPVersion
	LocalIP        netip.Addr
	RemoteIP       netip.Addr
	Tolerance      time.Duration // of times; default 4 ms
	MTU            int           // default 1500; 1520 for IPv6, so that an MSS is 1460 in both
	TSTick         time.Duration // checks timestamps if it is set
	BindPort       int           // default 8080
	ConnectPort    int           // default 8080
	StrictSegments bool          // do not join segments
	StrictTime     bool          // no tolerance at all
	// Allow names differences that are known and do not count: see Allowances.
	Allow []string
	psp   bool
}

// DefaultTolerance is how early or late an event may be.
const DefaultTolerance = 4 * time.Millisecond

// Set gives an option by its name on packetdrill's command line, without the
// dashes. It reports false if there is no such option.
func (s *Settings) Set(name, value string) (known bool, err error) {
	switch name {
	case "ip_version":
		s.IPVersion = IPVersion(value)
		if s.IPVersion != IPv4 && s.IPVersion != IPv6 && s.IPVersion != Mapped {
			err = fmt.Errorf("--ip_version=%s: need ipv4, ipv6 or ipv4-mapped-ipv6", value)
		}
	case "local_ip":
		s.LocalIP, err = parseAddr(name, value)
	case "remote_ip":
		s.RemoteIP, err = parseAddr(name, value)
	case "tolerance_usecs":
		s.Tolerance, err = parseMicros(name, value)
	case "tcp_ts_tick_usecs":
		s.TSTick, err = parseMicros(name, value)
	case "mtu":
		s.MTU, err = parseRange(name, value, 576, 65535)
	case "bind_port":
		s.BindPort, err = parseRange(name, value, 1, 65535)
	case "connect_port":
		s.ConnectPort, err = parseRange(name, value, 1, 65535)
	case "strict_segments":
		s.StrictSegments = true
	case "tcp_ts_ecr_scaled":
		// A timestamp that was never sent is always echoed by its distance.
	case "allow":
		return true, s.allow(value)
	case "psp_udp_port":
		s.psp = true
	case "gateway_ip", "netmask_ip", "mss", "send_omit_free", "verbose", "non_fatal", "speed", "init_scripts", "define", "is_anyip", "v":
		// They say nothing to a link in virtual time; define is the parser's.
	default:
		return false, nil
	}
	return true, err
}

func parseAddr(name, value string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return a, fmt.Errorf("--%s=%s: not an IP address", name, value)
	}
	return a, nil
}

func parseMicros(name, value string) (time.Duration, error) {
	n, err := strconv.ParseUint(value, 10, 40)
	if err != nil {
		return 0, fmt.Errorf("--%s=%s: need a number of microseconds", name, value)
	}
	return time.Duration(n) * time.Microsecond, nil
}

func parseRange(name, value string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("--%s=%s: need %d to %d", name, value, lo, hi)
	}
	return n, nil
}

// Allowances are the differences of stacks that Settings.Allow can name.
var Allowances = map[string]string{
	"acks":      "a pure ACK may come earlier than expected, and more of them may, and a later timestamp may be echoed: netstack acknowledges each segment at once, Linux holds ACKs back",
	"psh":       "the PSH flag is not compared: netstack sets it on the last segment that is queued, Linux also at the end of what it can send",
	"sack-room": "the script's MSS is raised by what netstack keeps free for SACK blocks in each segment: Linux does not",
}

func (s *Settings) allow(list string) error {
	for _, name := range strings.Split(list, ",") {
		if Allowances[name] == "" {
			return fmt.Errorf("--allow=%s: need acks, psh or sack-room", name)
		}
		s.Allow = append(s.Allow, name)
	}
	return nil
}

func (s *Settings) allows(name string) bool { return slices.Contains(s.Allow, name) }

// over gives the settings of a run: those of the script, and over them those
// of the command line.
func (s *Settings) over(script *Script) (Settings, *Problem) {
	var out Settings
	for _, o := range script.Options {
		known, err := out.Set(o.Name, o.Value)
		switch {
		case err != nil:
			return out, problem(Invalid, o.Line, "%v", err)
		case !known:
			return out, problem(Dialect, o.Line, "option --%s is not known", o.Name)
		case out.psp:
			return out, unsupported(o.Line, "PSP", "netstack has no PSP encryption, and Linux needs a network card for it")
		}
	}
	if s.IPVersion != "" && (out.LocalIP.IsValid() && out.LocalIP.Is6() != (s.IPVersion == IPv6)) {
		out.LocalIP = netip.Addr{} // the script's addresses go with another version
	}
	if s.IPVersion != "" && (out.RemoteIP.IsValid() && out.RemoteIP.Is6() != (s.IPVersion == IPv6)) {
		out.RemoteIP = netip.Addr{}
	}
	set(&out.IPVersion, s.IPVersion)
	set(&out.LocalIP, s.LocalIP)
	set(&out.RemoteIP, s.RemoteIP)
	set(&out.Tolerance, s.Tolerance)
	set(&out.MTU, s.MTU)
	set(&out.TSTick, s.TSTick)
	set(&out.BindPort, s.BindPort)
	set(&out.ConnectPort, s.ConnectPort)
	out.StrictSegments = out.StrictSegments || s.StrictSegments
	out.StrictTime = s.StrictTime
	out.Allow = append(out.Allow, s.Allow...)
	out.defaults()
	return out, out.check()
}

func set[T comparable](to *T, v T) {
	var zero T
	if v != zero {
		*to = v
	}
}

func (s *Settings) defaults() {
	def := func(to *netip.Addr, v4, v6 string) {
		switch {
		case to.IsValid():
		case s.IPVersion == IPv6:
			*to = netip.MustParseAddr(v6)
		default:
			*to = netip.MustParseAddr(v4)
		}
	}
	if s.IPVersion == "" {
		s.IPVersion = IPv4
		if s.LocalIP.Is6() || s.RemoteIP.Is6() {
			s.IPVersion = IPv6
		}
	}
	def(&s.LocalIP, "192.168.0.1", "fd3d:fa7b:d17d:8888::1")
	def(&s.RemoteIP, "192.0.2.1", "2001:db8::1")
	if s.Tolerance == 0 {
		s.Tolerance = DefaultTolerance
	}
	if s.MTU == 0 {
		s.MTU = 1500
		if s.IPVersion == IPv6 {
			s.MTU = 1520
		}
	}
	if s.BindPort == 0 {
		s.BindPort = 8080
	}
	if s.ConnectPort == 0 {
		s.ConnectPort = 8080
	}
}

func (s *Settings) check() *Problem {
	want6 := s.IPVersion == IPv6
	for _, a := range []netip.Addr{s.LocalIP, s.RemoteIP} {
		if a.Is6() != want6 {
			return problem(Invalid, 1, "address %s does not go with --ip_version=%s", a, s.IPVersion)
		}
	}
	if s.LocalIP == s.RemoteIP {
		return problem(Invalid, 1, "both ends have the address %s", s.LocalIP)
	}
	return nil
}

// standing are the words that stand for something else unless -D says so.
var standing = map[string]string{"MSS": "1460", "TFO_COOKIE": "0000000000000000"}
