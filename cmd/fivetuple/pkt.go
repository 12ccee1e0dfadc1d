package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"fivetuple/scenarios"
	"fivetuple/scenarios/packetdrill"
	"fivetuple/stack"
	"fivetuple/trace"
	"fivetuple/trace/pcapng"

	"github.com/spf13/cobra"
)

// pktExtension is how the name of a packetdrill script ends.
const pktExtension = ".pkt"

// pktOptions are the flags of `fivetuple pkt`.
type pktOptions struct {
	settings                        packetdrill.Settings
	defines                         []string
	seed                            uint64
	dryRun, verbose, asJSON, update bool
	pcap, profile                   string
	reports                         pktReports
	jobs                            int
	target                          string
	allowShell, compareBoth         bool
}

func pktCommand() *cobra.Command {
	var o pktOptions
	given := make(map[string]*string)
	cmd := &cobra.Command{
		Use:   "pkt [FILE.pkt|FOLDER]...",
		Short: "run packetdrill scripts in virtual time: the built-in ones without arguments",
		Long: `Run packetdrill scripts on netstack in virtual time and give each a verdict: pass,
diverges (the stack did something else), unsupported (it needs what the stack does
not have), dialect (it cannot be parsed or mapped) or invalid (it contradicts
itself). The built-in scripts without arguments, else files and folders.

Exit status: 0 if nothing is unexpected, 1 if something is, 2 if the command line
is wrong. With --profile, the file says what is expected, and may give a reason for
each; without it, a pass of whatever the stack supports.

--target=linux runs them on this machine's kernel instead, each in a network
namespace of its own with a TUN device and real sockets: in real time, as root.
No shell is run there either, unless --allow-shell says so. --compare runs them on
both, and shows both verdicts and the first packet that differs; for one script,
or with --verbose, both traces up to it. Its exit status is 1 if a verdict
differs.

--junit and --tap write the results for other programs, from either target. What
is unexpected is a failure there, or an error if it is dialect or invalid; what is
unsupported is skipped; what the profile expects to differ has passed in JUnit, and
is an expected failure in TAP.`,
		Example: `  fivetuple pkt
  fivetuple pkt mine.pkt --verbose --strict_time
  fivetuple pkt tests/ --profile netstack.profile --update
  fivetuple pkt tests/ --profile netstack.profile --json
  fivetuple pkt tests/ --profile netstack.profile --junit results.xml --tap=results.tap
  sudo fivetuple pkt mine.pkt --compare`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, v := range given {
				if !cmd.Flags().Changed(name) {
					continue
				}
				if _, err := o.settings.Set(name, *v); err != nil {
					return usageError{err}
				}
			}
			return o.run(cmd, args)
		},
	}
	f := cmd.Flags()
	for _, row := range [][2]string{
		{"ip_version", "`mode`: ipv4, ipv6 or ipv4-mapped-ipv6"}, {"local_ip", "`address` of the host under test"},
		{"remote_ip", "`address` of the script's end"}, {"tolerance_usecs", "how early or late an event may be, in `µs`; 12.5% of the time since the event before is always allowed"},
		{"mtu", "of the link, in `bytes`"}, {"tcp_ts_tick_usecs", "compare timestamps, whose tick is so many `µs`"},
		{"bind_port", "that bind names, instead of 8080"}, {"connect_port", "that connect names, instead of 8080"},
		{"allow", "known `differences` that do not count: acks, psh, sack-room"},
	} {
		given[row[0]] = f.String(row[0], "", row[1])
	}
	f.StringArrayVarP(&o.defines, "define", "D", nil, "replace a word of the scripts: `WORD=TEXT`")
	f.BoolVar(&o.settings.StrictTime, "strict_time", false, "tolerate no difference in time at all")
	f.BoolVar(&o.settings.StrictSegments, "strict_segments", false, "do not join consecutive segments to compare them with a larger one")
	f.BoolVar(&o.dryRun, "dry_run", false, "parse only")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show each event before it happens")
	f.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	f.StringVar(&o.pcap, "pcap", "", "write a pcapng file for each script into this `folder`")
	f.StringVar(&o.profile, "profile", "", "`file` that says what is expected of each script")
	f.BoolVar(&o.update, "update", false, "write the profile instead of comparing with it")
	o.reports.flags(f)
	f.Uint64Var(&o.seed, "seed", 1, "decides every random choice; the same seed gives the same bytes")
	f.StringVar(&o.target, "target", onNetstack, "what the scripts run against: netstack, or linux, the kernel of a network namespace (root, real time)")
	f.BoolVar(&o.compareBoth, "compare", false, "run on netstack and on Linux, and show both verdicts and the first packet that differs")
	f.BoolVar(&o.allowShell, "allow-shell", false, "with --target=linux: run commands that are not mapped with /bin/sh, as root in the namespace")
	f.IntVarP(&o.jobs, "jobs", "j", 0, "scripts to run at a time; 0: one for each processor, and one with --target=linux, where they would disturb each other")
	return cmd
}

// pktScript is a script to run: its name in reports, and where it is.
type pktScript struct {
	name string
	file string // empty: it is built in
	read func() ([]byte, error)
}

// pktResult is one line of `fivetuple pkt --json`.
type pktResult struct {
	Script    string   `json:"script"`
	Verdict   string   `json:"verdict"`
	Line      int      `json:"line,omitempty"`
	Text      string   `json:"text,omitempty"`
	Feature   string   `json:"feature,omitempty"`
	Expected  string   `json:"expected,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Events    int      `json:"events"`
	Done      int      `json:"done"`
	Virtual   float64  `json:"virtual_seconds"` // on Linux, real ones
	Deviation float64  `json:"largest_deviation_seconds"`
	Notes     []string `json:"notes,omitempty"`

	problem *packetdrill.Problem
	file    string // empty: it is built in
	log     []string
	trace   []packetdrill.TracePacket
}

func (o *pktOptions) run(cmd *cobra.Command, args []string) error {
	if o.update && o.profile == "" {
		return usagef("--update writes the file of --profile: name one")
	}
	if err := o.checkTarget(cmd); err != nil {
		return err
	}
	defines := make(map[string]string)
	for _, d := range o.defines {
		word, text, ok := strings.Cut(d, "=")
		if !ok || word == "" {
			return usagef("-D %s: need WORD=TEXT", d)
		}
		defines[word] = text
	}
	scripts, err := findPkt(args)
	if err != nil {
		return err
	}
	profile, err := o.loadProfile(len(args) == 0 && !o.compareBoth)
	if err != nil {
		return err
	}
	if err := o.openReports(scripts, cmd.OutOrStdout()); err != nil {
		return err
	}
	if o.pcap != "" {
		if err := os.MkdirAll(o.pcap, 0o755); err != nil {
			return fileError("--pcap "+o.pcap, err)
		}
	}
	if o.compareBoth {
		return o.compareAll(cmd.Context(), cmd.OutOrStdout(), scripts, defines)
	}
	say := func(_ int, r *pktResult) { o.say(r, profile) }
	if o.update {
		say = nil
	}
	results := o.runJobs(cmd.Context(), scripts, defines, o.schedule(len(scripts)), say)
	if err := context.Cause(cmd.Context()); err != nil {
		return err
	}
	if o.update {
		return o.writeProfile(cmd, results)
	}
	return o.report(results)
}

func (o *pktOptions) one(ctx context.Context, s pktScript, defines map[string]string) *pktResult {
	r := &pktResult{Script: s.name, file: s.file, Verdict: string(packetdrill.Pass)}
	src, err := s.read()
	if err != nil {
		return r.fail(&packetdrill.Problem{File: s.name, Line: 1, Verdict: packetdrill.Invalid, Text: err.Error()})
	}
	script, err := packetdrill.Parse(s.name, src, defines)
	if err != nil {
		var p *packetdrill.Problem
		errors.As(err, &p)
		return r.fail(p)
	}
	r.Events = len(script.Events)
	if o.dryRun {
		return r
	}
	cfg := packetdrill.Config{Settings: o.settings, Seed: o.seed}
	if o.verbose {
		cfg.Log = func(l string) { r.log = append(r.log, l) }
	}
	var sink trace.Sink
	if o.pcap != "" {
		file := filepath.Join(o.pcap, strings.NewReplacer("/", "_", string(filepath.Separator), "_").Replace(strings.TrimSuffix(s.name, pktExtension))+".pcapng")
		f, err := os.Create(file)
		if err == nil {
			defer f.Close()
			sink, err = pcapng.New(f, pcapng.Config{Epoch: stack.Epoch, Comment: "fivetuple pkt " + s.name})
		}
		if err != nil {
			return r.fail(&packetdrill.Problem{File: s.name, Line: 1, Verdict: packetdrill.Invalid, Text: err.Error()})
		}
		cfg.Sinks = append(cfg.Sinks, sink)
	}
	res, err := o.runOn(ctx, script, cfg)
	if err != nil {
		return r.fail(&packetdrill.Problem{File: s.name, Line: 1, Verdict: packetdrill.Invalid, Text: err.Error()})
	}
	r.trace = res.Trace
	r.Done, r.Virtual, r.Deviation, r.Notes = res.Done, res.Virtual.Seconds(), res.Deviation.Seconds(), res.Notes
	if res.World != nil {
		err := res.World.Bus().Close()
		res.World.Close()
		if err != nil && res.Problem == nil {
			return r.fail(&packetdrill.Problem{File: s.name, Line: 1, Verdict: packetdrill.Invalid, Text: err.Error()})
		}
	}
	if res.Problem != nil {
		return r.fail(res.Problem)
	}
	return r
}

func (r *pktResult) fail(p *packetdrill.Problem) *pktResult {
	r.Verdict, r.Line, r.Text, r.Feature, r.problem = string(p.Verdict), p.Line, p.Text, p.Feature, p
	return r
}

// loadProfile reads the profile; the built-in scripts have one of their own.
func (o *pktOptions) loadProfile(builtIn bool) (*packetdrill.Profile, error) {
	file, src, err := o.profile, []byte(nil), error(nil)
	switch {
	case o.update:
		return nil, nil
	case file != "":
		if src, err = os.ReadFile(file); errors.Is(err, fs.ErrNotExist) {
			if known, e := scenarios.PktSource(file); e == nil {
				src, err = known, nil
			}
		}
	case builtIn:
		file = o.target + ".profile"
		src, err = scenarios.PktSource(file)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, usageError{namedError("--profile "+file, err)}
	}
	p, err := packetdrill.ParseProfile(file, src)
	if err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

func (o *pktOptions) writeProfile(cmd *cobra.Command, results []*pktResult) error {
	p := packetdrill.NewProfile()
	for _, r := range results {
		p.Set(r.Script, packetdrill.Verdict(r.Verdict), r.problem)
	}
	if old, err := os.ReadFile(o.profile); err == nil {
		before, err := packetdrill.ParseProfile(o.profile, old)
		if err != nil {
			return usageError{err}
		}
		p.KeepReasons(before)
	}
	comment := "What is expected of each script: `fivetuple pkt --profile FILE` compares.\n" + o.targetText() + o.flagsText()
	if err := os.WriteFile(o.profile, []byte(p.Format(comment)), 0o644); err != nil {
		return fileError("--profile "+o.profile, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d scripts\n", o.profile, len(results))
	return nil
}

// flagsText is the flags that decide about verdicts, for the profile.
func (o *pktOptions) flagsText() string {
	var parts []string
	if v := o.settings.IPVersion; v != "" {
		parts = append(parts, "--ip_version="+string(v))
	}
	if a := o.settings.Allow; len(a) > 0 {
		parts = append(parts, "--allow="+strings.Join(a, ","))
	}
	for _, d := range o.defines {
		parts = append(parts, "-D "+d)
	}
	if len(parts) == 0 {
		return ""
	}
	return "\nmade with " + strings.Join(parts, " ")
}

// netstackVersion is the version of gVisor that is built in.
func netstackVersion() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, m := range info.Deps {
			if m.Path == "gvisor.dev/gvisor" {
				return m.Version
			}
		}
	}
	return "of an unknown version"
}

// findPkt lists the scripts of the arguments: files, and what is in folders and
// below.
func findPkt(args []string) ([]pktScript, error) {
	var out []pktScript
	if len(args) == 0 {
		for _, name := range scenarios.PktNames() {
			out = append(out, pktScript{name, "", func() ([]byte, error) { return scenarios.PktSource(name) }})
		}
		return out, nil
	}
	for _, a := range args {
		info, err := os.Stat(a)
		if _, builtIn := scenarios.PktSource(a); errors.Is(err, fs.ErrNotExist) && builtIn == nil {
			out = append(out, pktScript{a, "", func() ([]byte, error) { return scenarios.PktSource(a) }})
			continue
		}
		if err != nil {
			return nil, usageError{namedError(a, err)}
		}
		if !info.IsDir() {
			out = append(out, pktScript{a, a, func() ([]byte, error) { return readPkt(a) }})
			continue
		}
		n := len(out)
		err = filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, pktExtension) {
				rel, _ := filepath.Rel(a, path)
				out = append(out, pktScript{filepath.ToSlash(rel), path, func() ([]byte, error) { return readPkt(path) }})
			}
			return err
		})
		if err != nil {
			return nil, usageError{namedError(a, err)}
		}
		if len(out) == n {
			return nil, usagef("%s: no %s files in this folder or below", a, pktExtension)
		}
		slices.SortFunc(out[n:], func(x, y pktScript) int { return strings.Compare(x.name, y.name) })
	}
	return out, nil
}
