package main

import (
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fivetuple/scenarios/packetdrill"

	"github.com/stretchr/testify/require"
)

// reported has each outcome once, with text that XML, YAML and TAP must escape.
func reported() []*pktResult {
	nasty := "flags: expected <S> & \"#1\", got \\ \x01\n\texpected . 1:1(0)\n\tsent     F. 1:1(0)"
	out := []*pktResult{
		{Script: "a/pass # 1.pkt", Verdict: "pass", Events: 8, Done: 8, Virtual: 1.5, Deviation: 0.001},
		{Script: "a/b/bad.pkt", file: "/x/a/b/bad.pkt", Verdict: "diverges", Line: 7, Text: nasty, Expected: "pass", Events: 9, Done: 3},
		{Script: "a/known.pkt", Verdict: "diverges", Line: 7, Text: nasty, Reason: "no #PAWS", Events: 9, Done: 3},
		{Script: "tfo.pkt", Verdict: "unsupported", Line: 2, Text: "netstack has none", Feature: "TCP Fast Open"},
		{Script: "typo.pkt", Verdict: "dialect", Line: 1, Text: "call frob is not known", Expected: "pass"},
		{Script: "wrong.pkt", Verdict: "invalid", Line: 1, Text: "1:11(9)", Expected: "pass"},
		{Script: "better.pkt", Verdict: "pass", Expected: "diverges at line 3"},
		{Script: "new.pkt", Verdict: "pass", Expected: packetdrill.NotInProfile},
		{Script: "lost.pkt", Verdict: "unsupported", Line: 9, Text: "why", Feature: "ECN", Expected: "pass"},
	}
	return out
}

// TestJUnit: the counts are those of the elements, and what was written is
// read back.
func TestJUnit(t *testing.T) {
	var b strings.Builder
	require.NoError(t, writeJUnit(&b, reported()))
	var doc junitSuites
	require.NoError(t, xml.Unmarshal([]byte(b.String()), &doc))
	require.Len(t, doc.Suites, 1)
	s := doc.Suites[0]
	var failures, errors, skips int
	for _, c := range s.Cases {
		failures += boolInt(c.Failure != nil)
		errors += boolInt(c.Error != nil)
		skips += boolInt(c.Skipped != nil)
		require.Equal(t, "verdict", c.Properties[0].Name)
	}
	require.Equal(t, junitCounts{"fivetuple pkt", 9, failures, errors, skips, "1.500000"}, s.junitCounts)
	require.Equal(t, s.junitCounts, doc.junitCounts)
	require.Equal(t, []int{4, 2, 1}, []int{failures, errors, skips})
	bad := s.Cases[1]
	require.Equal(t, []string{"a/b", "bad.pkt", "/x/a/b/bad.pkt"}, []string{bad.Class, bad.Name, bad.File})
	require.Equal(t, "flags: expected <S> & \"#1\", got \\ \uFFFD", bad.Failure.Message)
	require.Contains(t, bad.Failure.Text, "a/b/bad.pkt:7: flags")
	require.Contains(t, bad.Failure.Text, "\n\tsent     F. 1:1(0)")
	require.Nil(t, s.Cases[2].Failure, "an expected difference")
	require.Contains(t, s.Cases[2].Properties, junitProperty{"reason", "no #PAWS"})
	require.Equal(t, "TCP Fast Open: netstack has none", s.Cases[3].Skipped.Message)
	require.Equal(t, "pass, expected diverges at line 3", s.Cases[6].Failure.Message)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tapLine is TAP 14's grammar of a test point: a # before a directive is the
// only one that no backslash escapes.
var tapLine = regexp.MustCompile(`^(ok|not ok) ([0-9]+) - ((?:[^#\\]|\\[#\\])*)(?: # (TODO|SKIP) ((?:[^#\\]|\\[#\\])*))?$`)

// TestTAP reads what is written by TAP 14's grammar: version, plan, and after
// each point a YAML block whose lines are indented by two blanks or more.
func TestTAP(t *testing.T) {
	var b strings.Builder
	results := reported()
	writeTAP(&b, results)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	require.Equal(t, []string{"TAP version 14", "1.." + strconv.Itoa(len(results))}, lines[:2])
	n, inYAML := 0, false
	yaml := regexp.MustCompile(`^  (?:[a-z_]+:(?: ("(?:[^"\\\x00-\x1f]|\\.)*"|-?[0-9.e-]+))?|  (?:- |(?:file|line): )("(?:[^"\\\x00-\x1f]|\\.)*"|[0-9]+))$`)
	var points [][]string
	for _, l := range lines[2:] {
		switch {
		case l == "  ---":
			require.False(t, inYAML)
			inYAML = true
		case l == "  ...":
			require.True(t, inYAML)
			inYAML = false
		case inYAML:
			require.Regexp(t, yaml, l)
		default:
			m := tapLine.FindStringSubmatch(l)
			require.NotNil(t, m, l)
			n++
			require.Equal(t, strconv.Itoa(n), m[2])
			points = append(points, []string{m[1], m[4]})
		}
	}
	require.False(t, inYAML)
	require.Equal(t, [][]string{{"ok", ""}, {"not ok", ""}, {"not ok", "TODO"}, {"ok", "SKIP"}, {"not ok", ""}, {"not ok", ""}, {"not ok", ""}, {"not ok", ""}, {"not ok", ""}}, points)
	require.Contains(t, b.String(), `not ok 3 - a/known.pkt # TODO no \#PAWS`)
	require.Contains(t, b.String(), `ok 1 - a/pass \# 1.pkt`)
}
