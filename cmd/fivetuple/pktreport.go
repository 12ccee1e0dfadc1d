package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fivetuple/scenarios/packetdrill"
)

// say writes one result, and what the profile says about it.
func (o *pktOptions) say(r *pktResult, profile *packetdrill.Profile) {
	r.Expected = profile.Expects(r.Script, packetdrill.Verdict(r.Verdict), r.problem)
	r.Reason = profile.Reason(r.Script, packetdrill.Verdict(r.Verdict), r.problem)
	if out := o.reports.text; out != nil {
		r.print(out, o.asJSON)
	}
}

// report ends what was said of the results with a count of the verdicts, and writes
// the files.
func (o *pktOptions) report(results []*pktResult) error {
	out := o.reports.text
	counts, unexpected := make(map[string]int), 0
	for _, r := range results {
		counts[r.Verdict]++
		if r.Expected != "" {
			unexpected++
		}
	}
	if out != nil && !o.asJSON {
		writeFeatures(out, results)
		n := func(v packetdrill.Verdict) int { return counts[string(v)] }
		fmt.Fprintf(out, "pkt: %d scripts, %d pass, %d diverges, %d unsupported, %d dialect, %d invalid, %d unexpected\n", len(results),
			n(packetdrill.Pass), n(packetdrill.Diverges), n(packetdrill.Unsupported), n(packetdrill.Dialect), n(packetdrill.Invalid), unexpected)
	}
	if err := o.reports.write(results); err != nil {
		return err
	}
	if unexpected > 0 {
		return errSilent
	}
	return nil
}

// writeFeatures says what the unsupported scripts need, the most frequent first.
func writeFeatures(out io.Writer, results []*pktResult) {
	count := make(map[string]int)
	var names []string
	for _, r := range results {
		if r.Feature == "" {
			continue
		}
		if count[r.Feature] == 0 {
			names = append(names, r.Feature)
		}
		count[r.Feature]++
	}
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", count[name], name)
	}
	if len(names) > 0 {
		fmt.Fprintf(out, "unsupported: %s\n", strings.Join(names, ", "))
	}
}

func (r *pktResult) print(out io.Writer, asJSON bool) {
	if asJSON {
		b, err := json.Marshal(r)
		if err != nil {
			panic(err) // strings and numbers
		}
		fmt.Fprintf(out, "%s\n", b)
		return
	}
	for _, l := range r.log {
		fmt.Fprintln(out, l)
	}
	if r.problem == nil {
		fmt.Fprintf(out, "%-11s %s  %d events  %.3f s  off by at most %s\n", r.Verdict, r.Script, r.Events, r.Virtual, time.Duration(r.Deviation*1e9).Round(time.Microsecond))
	} else {
		fmt.Fprintf(out, "%-11s %s\n", r.Verdict, r.problem.Error())
	}
	if r.Reason != "" {
		fmt.Fprintf(out, "%-11s because %s\n", "", r.Reason)
	}
	for _, n := range r.Notes {
		if strings.HasPrefix(n, "run ") {
			fmt.Fprintf(out, "%-11s %s\n", "", n)
		}
	}
	if r.Expected != "" && r.Expected != string(packetdrill.Pass) {
		fmt.Fprintf(out, "%-11s expected %s\n", "", r.Expected)
	}
}
