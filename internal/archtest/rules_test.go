package archtest

import (
	"path"
	"strings"
)

// module is the path in go.mod; our own imports start with it.
const module = "fivetuple"

// rule says what a package's non-test files may do. A rule covers the packages
// below its own that have no rule themselves.
type rule struct {
	// pkg is the package's folder. "trace/*" means the folders in trace.
	pkg string
	// allow lists our packages that it may import; "sim/..." is sim and all below.
	allow []string
	// third lists the modules of others that it may import, by path prefix.
	third []string
	// clock allows the wall clock and unseeded randomness.
	clock bool
	// why is the reason, shown when the rule is broken.
	why string
}

// rules is the drawing in docs/design.md: each package may import those to
// its right. cmd > scenarios/{star,packetdrill} > sim > sockapi > stack > trace
var rules = []rule{
	{
		pkg: "trace",
		why: "a leaf: every package emits events, so it may depend on none, and on the standard library only",
	},
	{
		pkg: "trace/*", allow: []string{"internal/wholefile", "trace"},
		why: "a writer sees events and nothing else, so that a recorded trace can be written as well as a live one",
	},
	{
		pkg: "stack", allow: []string{"stack/...", "trace"}, third: []string{gvisor},
		why: "one host: it knows neither world nor processes",
	},
	{
		pkg: "sockapi", allow: []string{"sockapi/...", "stack", "trace"}, third: []string{gvisor},
		why: "one process on one stack: the same code serves virtual time and a live TUN device",
	},
	{
		pkg: "sim/netem",
		why: "deciders are pure: packet, time and random stream in, verdict out; the standard library is enough",
	},
	{
		pkg: "sim/record",
		why: "a file format; the standard library is enough",
	},
	{
		pkg: "sim", allow: []string{"sim/...", "sockapi", "stack", "trace"},
		why: "the world sees hosts and sockets through our names; it knows no scenario language, file format or device",
	},
	{
		pkg: "scenarios/star", allow: []string{"internal/spell", "internal/ss", "sim/...", "sockapi", "stack", "trace"}, third: []string{"go.starlark.net"},
		why: "a thin skin over the API that a Go test uses; Starlark is seen here and nowhere else",
	},
	{
		pkg: "scenarios/packetdrill", allow: []string{"sim/...", "sockapi", "stack", "trace"},
		why: "a thin skin over the API that a Go test uses; it has its own parser and needs no module",
	},
	{
		pkg: "scenarios/packetdrill/capture", allow: []string{"scenarios/packetdrill"}, third: []string{"github.com/gopacket/gopacket"},
		why: "a capture in, a script out: it runs nothing and opens no file; gopacket reads the file format and is seen here and nowhere else",
	},
	{
		pkg:   "scenarios",
		allow: []string{"internal/spell", "scenarios/...", "sim/...", "sockapi", "stack", "trace"},
		why:   "the corpus and how to find it; it writes no files and opens no device",
	},
	{
		pkg: "gateway", allow: []string{"sockapi", "stack", "trace"}, third: []string{"golang.org/x/sys/unix"},
		why: "a process of a host, and sockets of the machine: it lives in the host's time, and knows neither world nor device",
	},
	{
		pkg: "tun", allow: []string{"tun/...", "stack", "trace"}, clock: true,
		third: []string{"github.com/songgao/water", "github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		why:   "real devices must work without the simulator; water and netlink are wrapped here and nowhere else",
	},
	{
		pkg: "tun/sockdiag", allow: []string{"trace"}, third: []string{"golang.org/x/sys/unix"},
		why: "asks the kernel for its connections in trace's words: a real namespace is enough, no device or stack",
	},
	{
		pkg: "cmd", allow: []string{"..."}, clock: true,
		third: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/sys/unix"},
		why:   "the command wires everything, through our packages: a module of others is wrapped by one of them",
	},
	{
		pkg: "internal/wholefile",
		why: "a leaf that the trace's writers share: a full disk leaves a file of whole records",
	},
	{
		pkg: "internal/spell",
		why: "a leaf that error messages share: the name that a person probably meant",
	},
	{
		pkg: "internal/ss", allow: []string{"internal/spell", "sockapi", "trace", "trace/table"}, third: []string{"github.com/spf13/pflag"},
		why: "ss for the sockets it is given: the command line and the scenario language share it",
	},
	{
		pkg: "internal/differential", allow: []string{"sim", "sockapi"},
		third: []string{"github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		why:   "makes the same socket calls on Linux and on sockapi, in a network namespace of its own",
	},
	{
		pkg: "internal/pktlinux", allow: []string{"scenarios/packetdrill", "sockapi", "tun"}, clock: true,
		third: []string{"github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		why:   "the kernel as a target of packetdrill scripts: its sockets, its commands and its time are real",
	},
	{
		pkg: "internal/scale", allow: []string{"sim/...", "sockapi", "trace"}, clock: true,
		why: "measures how worlds with many connections behave, through the API that a Go test uses",
	},
	{
		pkg: "internal/tunbench", allow: []string{"internal/tunbench/..."}, clock: true,
		third: []string{"github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		why:   "measures the command from outside, in network namespaces of its own",
	},
	{
		pkg: "internal/nameserver", third: []string{"golang.org/x/net/dns/dnsmessage"},
		why: "from a DNS message to its answer, by the names that it is given: it has no socket",
	},
	{
		pkg: "internal/soak", clock: true,
		third: []string{"github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		why:   "loads the command from outside, in network namespaces of its own",
	},
	{
		pkg: "internal", clock: true,
		why: "tools of the repository: they run the product from outside and import none of it",
	},
}

const gvisor = "gvisor.dev/gvisor"

// testModules may be imported by any test file and by packages made for tests
// (tuntest), besides what the package itself may import.
var testModules = []string{
	"github.com/stretchr/testify",
	"github.com/rogpeppe/go-internal",
	"github.com/vishvananda/netns", // to test devices in a namespace
	"golang.org/x/net/nettest",     // what a net.Conn must do
	"golang.org/x/sys/unix",        // to compare with Linux
}

// gvisorForbidden are packages of gVisor that no file may import.
var gvisorForbidden = map[string]string{
	gvisor + "/pkg/tcpip/link/loopback":  "it delivers inline, outside the loop; lo is a link of ours",
	gvisor + "/pkg/tcpip/link/sniffer":   "it stamps packets with the wall clock; the trace sees every packet already",
	gvisor + "/pkg/tcpip/adapters/gonet": "its deadlines are wall-clock timers; processes call sockapi",
	gvisor + "/pkg/tcpip/faketime":       "its ManualClock fires timers in map order; the clock is sim's loop",
}

// clockFiles may use what clockNames and clockImports forbid to their package.
var clockFiles = map[string]string{
	"sim/paced.go":          "the paced driver is where the wall clock enters",
	"stack/random_other.go": "it puts a seeded stream in the place of crypto/rand's reader",
}

const clockWhy = "time and randomness are arguments below cmd and tun: the same seed must give the same bytes"

// clockNames are the functions that read the wall clock, wait for it, or draw
// from a source that no seed decides.
var clockNames = map[string][]string{
	"time":    {"Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
}

// clockImports may not be imported at all where the clock may not be read.
var clockImports = []string{"crypto/rand"}

// seededRand is what math/rand has besides its global functions: types, and
// constructors that take a seed or a source.
var seededRand = []string{
	"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf",
	"Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf",
}

const (
	maxFileLines = 400
	maxFuncLines = 80
	sizeWhy      = "the long ones are what newcomers fear, and where bugs live"
)

// ruleFor returns the rule that covers a package: the one with the longest
// matching folder.
func ruleFor(pkg string) (rule, bool) {
	best, found := rule{}, false
	for _, r := range rules {
		if r.covers(pkg) && (!found || r.weight() > best.weight()) {
			best, found = r, true
		}
	}
	return best, found
}

func (r rule) covers(pkg string) bool {
	if parent, ok := strings.CutSuffix(r.pkg, "/*"); ok {
		return strings.HasPrefix(pkg, parent+"/")
	}
	return under(pkg, r.pkg)
}

// weight orders the rules that cover one package: trace < trace/* < trace/pcapng.
func (r rule) weight() int { return len(strings.TrimSuffix(r.pkg, "*")) }

// mayImport reports whether the rule allows one of our own packages.
func (r rule) mayImport(pkg string) bool {
	for _, a := range r.allow {
		if parent, ok := strings.CutSuffix(a, "..."); ok {
			if parent = strings.TrimSuffix(parent, "/"); parent == "" || under(pkg, parent) {
				return true
			}
		} else if pkg == a {
			return true
		}
	}
	return false
}

// under reports whether p is the folder or below it.
func under(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, folder+"/")
}

// forTests reports whether a package exists for other packages' tests, by the
// convention of net/http/httptest.
func forTests(pkg string) bool { return strings.HasSuffix(path.Base(pkg), "test") }
