package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supply is where a program that is measured comes from.
type supply struct {
	program string   // file in the folder of peers, or command
	gocmd   []string // go's arguments that build it, with OUT for the folder; nil: it is not built
	debian  string   // package that has it
}

// tapVsock has gvproxy and gvforwarder, which is called vm where it is built.
const (
	tapVsock        = "github.com/containers/gvisor-tap-vsock/cmd/"
	tapVsockVersion = "@v0.8.9"
)

// buildTime is how long the building of all peers may take.
const buildTime = 4 * time.Minute

// supplies are the programs of each kind that needs some.
var supplies = map[string][]supply{
	"fdbased":   {{program: "peers", gocmd: []string{"build", "-C", "bench/peers", "-buildvcs=false", "PGO", "-o", "OUT/peers", "."}}},
	"wireguard": {{program: "peers", gocmd: []string{"build", "-C", "bench/peers", "-buildvcs=false", "PGO", "-o", "OUT/peers", "."}}},
	"tun2socks": {{program: "tun2socks", gocmd: []string{"build", "-C", "bench/peers/tun2socks", "-buildvcs=false", "-o", "OUT/tun2socks", "github.com/xjasonlyu/tun2socks/v2"}}},
	"gvisor-tap-vsock": {
		{program: "gvproxy", gocmd: []string{"install", tapVsock + "gvproxy" + tapVsockVersion}},
		{program: "vm", gocmd: []string{"install", tapVsock + "vm" + tapVsockVersion}},
	},
	"slirp4netns": {{program: "slirp4netns", debian: "slirp4netns"}},
	"pasta":       {{program: "pasta", debian: "passt"}},
}

// prepare gets what the variants need, and prints the versions of what is there
// and what is missing, with the remedy. It returns the variants that can be
// measured.
func (o *options) prepare(ctx context.Context, w io.Writer) (have []string) {
	lines := append(machine(), "fivetuple: "+versions(o.binary))
	seen := make(map[string]string) // kind: what is missing, "" is nothing
	for name := range strings.SplitSeq(o.variants, ",") {
		v, err := parseVariant(name)
		if err != nil {
			continue // check has refused it
		}
		missing, known := seen[v.kind.name]
		if !known {
			var found string
			found, missing = o.supply(ctx, v.kind.name)
			if found != "" {
				lines = append(lines, v.kind.name+": "+found)
			}
			seen[v.kind.name] = missing
		}
		if missing != "" {
			lines = append(lines, fmt.Sprintf("missing %s: %s", name, missing))
			continue
		}
		have = append(have, name)
	}
	for _, line := range lines {
		if o.markdown {
			line = "- " + line
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	return have
}

// supply gets the programs of a kind: their versions, or what is missing.
func (o *options) supply(ctx context.Context, kind string) (found, missing string) {
	if kind == "gateway" {
		help, err := exec.CommandContext(ctx, o.binary, "up", "--help").CombinedOutput()
		if err != nil || !bytes.Contains(help, []byte("--gateway")) {
			return "", fmt.Sprintf("%s up has no --gateway; remedy: -fivetuple with one that has", o.binary)
		}
		return "", ""
	}
	for _, s := range supplies[kind] {
		path, err := o.get(ctx, s)
		if err != nil {
			return "", err.Error()
		}
		if found != "" {
			found += "; "
		}
		if found += versions(path); s.debian != "" {
			found += packageVersion(s.debian)
		}
	}
	return found, ""
}

// get builds or finds a program. The error names the remedy.
func (o *options) get(ctx context.Context, s supply) (string, error) {
	if s.debian != "" {
		path, err := exec.LookPath(s.program)
		if err != nil {
			return "", fmt.Errorf("no %s in PATH; remedy: make deps-bench, as root (Debian's package %s)", s.program, s.debian)
		}
		return path, nil
	}
	out, err := filepath.Abs(o.peers)
	if err != nil {
		return "", err
	}
	args := make([]string, len(s.gocmd))
	for i, a := range s.gocmd {
		args[i] = strings.NewReplacer("OUT", out, "PGO", "-pgo="+o.profile).Replace(a)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(environment(), "GOBIN="+out, "GOFLAGS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", fmt.Errorf("it was not built within %s; remedy: run it again: what has been compiled is kept", buildTime)
	}
	if err != nil {
		last := strings.TrimSpace(string(text))
		last = strings.TrimSpace(last[strings.LastIndex(last, "\n")+1:])
		return "", fmt.Errorf("%v: %s; remedy: let `go %s` work, which needs the repository's root and a module proxy", err, last, strings.Join(args, " "))
	}
	return filepath.Join(out, s.program), nil
}

// watched are the modules whose versions explain a number, and their names.
var watched = []struct{ path, name string }{
	{"gvisor.dev/gvisor", "gVisor"},
	{"github.com/songgao/water", "water"},
	{"golang.zx2c4.com/wireguard", "wireguard-go"},
	{"github.com/xjasonlyu/tun2socks/v2", "tun2socks"},
	{"github.com/containers/gvisor-tap-vsock", "gvisor-tap-vsock"},
}

// versions are those of Go and of the modules of a program, "" if it is not in
// Go.
func versions(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	found := []string{info.GoVersion}
	for _, w := range watched {
		for _, d := range append(info.Deps, &info.Main) {
			if d.Path == w.path {
				found = append(found, w.name+" "+d.Version)
			}
		}
	}
	for _, s := range info.Settings {
		if s.Key == "-pgo" && s.Value != "" {
			found = append(found, "a profile that guided the compiler")
		}
	}
	return filepath.Base(path) + " with " + strings.Join(found, ", ")
}

// packageVersion is that of Debian's package, if dpkg knows it.
func packageVersion(name string) string {
	out, err := exec.Command("dpkg-query", "--show", "--showformat=${Version}", name).Output()
	if err != nil {
		return "version unknown: not from Debian's package " + name
	}
	return "Debian's " + name + " " + string(out)
}

// machine says what the numbers depend on besides the programs.
func machine() []string {
	var name unix.Utsname
	_ = unix.Uname(&name)
	load, _ := os.ReadFile("/proc/loadavg")
	return []string{fmt.Sprintf("machine: %d processors, %s, %s of memory; Linux %s; load %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		field("/proc/meminfo", "MemTotal"), unix.ByteSliceToString(name.Release[:]), strings.TrimSpace(string(load))),
		"client and veth's server: " + runtime.Version()}
}

// field is the first value of a name in a file of /proc.
func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return name + " unknown"
}
