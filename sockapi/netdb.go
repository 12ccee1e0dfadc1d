package sockapi

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Netdb is what the files /etc/hosts and /etc/services of a world say:
// hosts(5), services(5). All hosts of a world share it.
type Netdb struct {
	hosts    []hostEntry
	services []Service
}

type hostEntry struct {
	name string
	addr netip.Addr
}

// Service is one line of the services file.
type Service struct {
	Name  string // "http"
	Port  int    // 80
	Proto string // "tcp" or "udp"
}

// NewNetdb makes a table that knows localhost and the common services.
func NewNetdb() *Netdb {
	d := &Netdb{services: slices.Clone(commonServices)}
	d.AddHost("localhost", netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	return d
}

// commonServices are those that a lab meets; port numbers are IANA's.
var commonServices = []Service{
	{"echo", 7, "tcp"}, {"echo", 7, "udp"}, {"discard", 9, "tcp"}, {"discard", 9, "udp"}, {"daytime", 13, "tcp"},
	{"daytime", 13, "udp"}, {"chargen", 19, "tcp"}, {"chargen", 19, "udp"}, {"ftp-data", 20, "tcp"}, {"ftp", 21, "tcp"},
	{"ssh", 22, "tcp"}, {"telnet", 23, "tcp"}, {"smtp", 25, "tcp"}, {"time", 37, "tcp"}, {"time", 37, "udp"},
	{"domain", 53, "tcp"}, {"domain", 53, "udp"}, {"tftp", 69, "udp"}, {"finger", 79, "tcp"}, {"http", 80, "tcp"},
	{"pop3", 110, "tcp"}, {"ntp", 123, "udp"}, {"imap2", 143, "tcp"}, {"snmp", 161, "udp"}, {"bgp", 179, "tcp"},
	{"https", 443, "tcp"}, {"https", 443, "udp"}, {"syslog", 514, "udp"}, {"mdns", 5353, "udp"}, {"http-alt", 8080, "tcp"},
}

// AddHost adds addresses to a name.
func (d *Netdb) AddHost(name string, addrs ...netip.Addr) {
	for _, a := range addrs {
		e := hostEntry{strings.ToLower(name), a}
		if !slices.Contains(d.hosts, e) {
			d.hosts = append(d.hosts, e)
		}
	}
}

// HostEntry is one line of the hosts file.
type HostEntry struct {
	Addr netip.Addr
	Name string
}

// Hosts lists the lines of the hosts file, in the order in which they were added.
func (d *Netdb) Hosts() []HostEntry {
	out := make([]HostEntry, len(d.hosts))
	for i, e := range d.hosts {
		out[i] = HostEntry{e.addr, e.name}
	}
	return out
}

// AddService adds a line to the services. It replaces one of the same name and
// protocol.
func (d *Netdb) AddService(s Service) error {
	if s.Name == "" || s.Port < 1 || s.Port > 65535 || s.Proto != "tcp" && s.Proto != "udp" {
		return fmt.Errorf(`service %q %d/%s: a service has a name, a port from 1 to 65535, and the protocol "tcp" or "udp"`, s.Name, s.Port, s.Proto)
	}
	d.services = slices.DeleteFunc(d.services, func(o Service) bool { return o.Name == s.Name && o.Proto == s.Proto })
	d.services = append(d.services, s)
	return nil
}

// Lookup lists the addresses of a name, in the order in which they were added.
func (d *Netdb) Lookup(name string) []netip.Addr {
	var out []netip.Addr
	for _, e := range d.hosts {
		if e.name == strings.ToLower(name) {
			out = append(out, e.addr)
		}
	}
	return out
}

// Reverse is the first name of an address; empty if it has none.
func (d *Netdb) Reverse(a netip.Addr) string {
	for _, e := range d.hosts {
		if e.addr == a.Unmap() {
			return e.name
		}
	}
	return ""
}

// ServiceByName finds a service; an empty proto is any.
func (d *Netdb) ServiceByName(name, proto string) (Service, bool) {
	for _, s := range d.services {
		if s.Name == name && (proto == "" || proto == s.Proto) {
			return s, true
		}
	}
	return Service{}, false
}

// ServiceByPort finds a service by its port; an empty proto is any.
func (d *Netdb) ServiceByPort(port int, proto string) (Service, bool) {
	for _, s := range d.services {
		if s.Port == port && (proto == "" || proto == s.Proto) {
			return s, true
		}
	}
	return Service{}, false
}

// Flags of getaddrinfo and getnameinfo: <netdb.h>.
const (
	AI_PASSIVE     = 0x1
	AI_CANONNAME   = 0x2
	AI_NUMERICHOST = 0x4
	AI_V4MAPPED    = 0x8
	AI_ALL         = 0x10
	AI_ADDRCONFIG  = 0x20
	AI_NUMERICSERV = 0x400

	NI_NUMERICHOST = 1
	NI_NUMERICSERV = 2
	NI_NAMEREQD    = 8
	NI_DGRAM       = 16
)

// EAI is an error of getaddrinfo and getnameinfo: gai_strerror(3).
type EAI int

// The errors of look-ups, with glibc's numbers.
const (
	EAI_BADFLAGS EAI = -1
	EAI_NONAME   EAI = -2
	EAI_FAMILY   EAI = -6
	EAI_SOCKTYPE EAI = -7
	EAI_SERVICE  EAI = -8
)

var eaiTexts = map[EAI][2]string{
	EAI_BADFLAGS: {"EAI_BADFLAGS", "bad value for ai_flags"}, EAI_NONAME: {"EAI_NONAME", "name or service not known"},
	EAI_FAMILY: {"EAI_FAMILY", "ai_family not supported"}, EAI_SOCKTYPE: {"EAI_SOCKTYPE", "ai_socktype not supported"},
	EAI_SERVICE: {"EAI_SERVICE", "servname not supported for ai_socktype"},
}

// EAINames lists the names of the errors, for scenario languages.
func EAINames() []string {
	return []string{"EAI_BADFLAGS", "EAI_NONAME", "EAI_FAMILY", "EAI_SOCKTYPE", "EAI_SERVICE"}
}

// Name is the symbolic name, "EAI_NONAME".
func (e EAI) Name() string { return eaiTexts[e][0] }

// Error is the text, "name or service not known".
func (e EAI) Error() string { return eaiTexts[e][1] }

// LookupError is a look-up that failed.
type LookupError struct {
	Call, Args string
	Code       EAI
}

// Error reads `getaddrinfo("nowhere", "http"): name or service not known (EAI_NONAME)`.
func (e *LookupError) Error() string {
	return fmt.Sprintf("%s(%s): %s (%s)", e.Call, e.Args, e.Code.Error(), e.Code.Name())
}

// Unwrap gives the EAI, so that errors.Is(err, EAI_NONAME) holds.
func (e *LookupError) Unwrap() error { return e.Code }
