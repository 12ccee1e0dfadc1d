package main

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strconv"

	"fivetuple/scenarios/packetdrill"

	"github.com/spf13/pflag"
)

// This file has the reports of `fivetuple pkt` for other programs: which there
// are, where they go, and what each verdict means in them.

// pktReports are the reports that were asked for. A file - is standard output,
// which then has nothing else.
type pktReports struct {
	junit, tap string

	out      outputs
	text     io.Writer // nil: standard output has a report
	junitTo  io.Writer
	tapTo    io.Writer
	buffered []*bufio.Writer
}

func (p *pktReports) flags(f *pflag.FlagSet) {
	f.StringVar(&p.junit, "junit", "", "write the results to this `file` as JUnit's XML; \"-\" is standard output")
	f.StringVar(&p.tap, "tap", "", "write the results to standard output in TAP 14; --tap=`file` writes them there")
	f.Lookup("tap").NoOptDefVal = dash
}

// openReports creates the files before anything runs, and no file that is
// itself a script or the profile.
func (o *pktOptions) openReports(scripts []pktScript, stdout io.Writer) (err error) {
	p := &o.reports
	if p.junit == dash && p.tap == dash {
		return usagef("--junit and --tap cannot both go to standard output: name a file for one")
	}
	if o.asJSON && (p.junit == dash || p.tap == dash) {
		return usagef("--json goes to standard output: name a file for --junit and --tap")
	}
	for _, s := range scripts {
		p.out.protect("a script", s.file)
	}
	p.out.protect("--profile", o.profile)
	if p.text = stdout; p.junit == dash || p.tap == dash {
		p.text = nil
	}
	if p.junitTo, err = p.open("--junit", p.junit, stdout); err != nil {
		return err
	}
	p.tapTo, err = p.open("--tap", p.tap, stdout)
	return err
}

// open returns nil for a report that nobody wants.
func (p *pktReports) open(flag, file string, stdout io.Writer) (io.Writer, error) {
	var w io.Writer
	switch file {
	case "":
		return nil, nil
	case dash:
		w = stdout
	default:
		f, err := p.out.create(flag, file)
		if err != nil {
			return nil, err
		}
		w = namedWriter{f}
	}
	b := bufio.NewWriter(w)
	p.buffered = append(p.buffered, b)
	return b, nil
}

// write writes the reports and closes their files.
func (p *pktReports) write(results []*pktResult) error {
	var errs []error
	if p.junitTo != nil {
		errs = append(errs, writeJUnit(p.junitTo, results))
	}
	if p.tapTo != nil {
		writeTAP(p.tapTo, results)
	}
	for _, b := range p.buffered {
		errs = append(errs, b.Flush())
	}
	return errors.Join(append(errs, p.out.close(nil))...)
}

// outcome is what a verdict means to a program that counts tests.
type outcome int

// The outcomes. An expected difference has passed: it is what the profile says.
const (
	passed   outcome = iota
	known            // diverges, is dialect or invalid, and the profile says so
	skipped          // unsupported, and nothing says that it should not be
	failed           // not what was expected
	mistaken         // dialect or invalid: the script is at fault
)

// outcome agrees with the exit status: what is unexpected is failed or
// mistaken, and nothing else is.
func (r *pktResult) outcome() outcome {
	v := packetdrill.Verdict(r.Verdict)
	switch {
	case r.Expected != "" && (v == packetdrill.Dialect || v == packetdrill.Invalid):
		return mistaken
	case r.Expected != "":
		return failed
	case v == packetdrill.Unsupported:
		return skipped
	case v == packetdrill.Pass:
		return passed
	}
	return known
}

// place is the line of the script that the result is about: "a/b.pkt:12".
func (r *pktResult) place() string {
	if r.Line == 0 {
		return r.Script
	}
	return r.Script + ":" + strconv.Itoa(r.Line)
}

// unexpectedText says what was expected of a result that is not.
func (r *pktResult) unexpectedText() string {
	switch r.Expected {
	case "":
		return ""
	case packetdrill.NotInProfile:
		return r.Verdict + ": it is not in the profile"
	}
	return r.Verdict + ", expected " + r.Expected
}

// folder is the script's folder, for reports that group by one.
func (r *pktResult) folder() string {
	if dir := path.Dir(r.Script); dir != "." {
		return dir
	}
	return "pkt"
}
