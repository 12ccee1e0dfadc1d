package main

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// This file writes JUnit's XML as Jenkins, GitLab and GitHub's actions read it.
// Times are virtual, so that the same scripts give the same bytes.

type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	junitCounts
	Suites []junitSuite `xml:"testsuite"`
}

type junitCounts struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Time     string `xml:"time,attr"`
}

type junitSuite struct {
	junitCounts
	Cases []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class      string          `xml:"classname,attr"`
	Name       string          `xml:"name,attr"`
	File       string          `xml:"file,attr"`
	Line       int             `xml:"line,attr,omitempty"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Failure    *junitProblem   `xml:"failure"`
	Error      *junitProblem   `xml:"error"`
	Skipped    *junitSkipped   `xml:"skipped"`
	Out        string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// writeJUnit writes one test suite, with a test case a script.
func writeJUnit(w io.Writer, results []*pktResult) error {
	suite, total := junitSuite{}, 0.0
	for _, r := range results {
		suite.Cases = append(suite.Cases, junitOf(r))
		total += r.Virtual
		switch r.outcome() {
		case failed:
			suite.Failures++
		case mistaken:
			suite.Errors++
		case skipped:
			suite.Skipped++
		}
	}
	suite.Name, suite.Tests, suite.Time = "fivetuple pkt", len(results), junitSeconds(total)
	io.WriteString(w, xml.Header)
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{junitCounts: suite.junitCounts, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitOf is the test case of a script.
func junitOf(r *pktResult) junitCase {
	name := r.Script[strings.LastIndexByte(r.Script, '/')+1:]
	c := junitCase{Class: r.folder(), Name: name, File: cmp.Or(r.file, r.Script), Line: r.Line, Time: junitSeconds(r.Virtual)}
	property := func(name, value string) {
		if value != "" {
			c.Properties = append(c.Properties, junitProperty{name, value})
		}
	}
	property("verdict", r.Verdict)
	property("events", fmt.Sprintf("%d of %d", r.Done, r.Events))
	property("largest_deviation_seconds", junitSeconds(r.Deviation))
	property("expected", r.Expected)
	property("reason", r.Reason)
	p := &junitProblem{Message: firstLine(r.Text), Type: r.Verdict, Text: r.place() + ": " + r.Text}
	if text := r.unexpectedText(); r.Expected != "" && r.Expected != "pass" {
		p.Message, p.Text = text, text+"\n"+p.Text
	}
	switch r.outcome() {
	case failed:
		c.Failure = p
	case mistaken:
		c.Error = p
	case skipped:
		c.Skipped = &junitSkipped{r.skipText()}
	case known:
		c.Out = "as expected, " + r.Verdict + ": " + p.Text + "\n"
	}
	c.Out += strings.Join(r.log, "\n")
	return c
}

// skipText says what a skipped script needs.
func (r *pktResult) skipText() string {
	if r.Feature == "" {
		return firstLine(r.Text)
	}
	return r.Feature + ": " + firstLine(r.Text)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func junitSeconds(s float64) string { return strconv.FormatFloat(s, 'f', 6, 64) }
