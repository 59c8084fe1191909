// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	Class     string        `xml:"classname,attr"`
	Failure   *junitMessage `xml:"failure"`
	Error     *junitMessage `xml:"error"`
	Skipped   *junitMessage `xml:"skipped"`
	SystemOut string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML, a suite for each version. A broken
// SHOULD, for which the format has no word, passes with the findings as output.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: xmlText("MCP server " + r.Target)}
	for _, v := range r.Versions {
		suite := junitSuite{Name: v.Version}
		for _, result := range r.Results {
			if result.Version == v.Version {
				suite.add(result)
			}
		}
		if suite.Tests == 0 {
			continue
		}
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(r Result) {
	c := junitCase{Name: r.Rule, Class: "mcp." + r.Version + "." + theme(r.Rule)}
	s.Tests++
	switch {
	case r.Outcome == Broken && r.Level == Must:
		s.Failures++
		c.Failure = &junitMessage{xmlText(r.Findings[0].Message), xmlText(r.plain())}
	case r.Outcome == Broken:
		c.SystemOut = xmlText(r.plain())
	case r.Outcome == Unclear:
		s.Errors++
		c.Error = &junitMessage{Message: xmlText(r.Detail)}
	case r.Outcome == Skipped:
		s.Skipped++
		c.Skipped = &junitMessage{Message: xmlText(r.Detail)}
	}
	s.Cases = append(s.Cases, c)
}

// theme is the first part of a rule's ID.
func theme(id string) string {
	name, _, _ := strings.Cut(id, ".")
	return name
}

// plain is all that is known of a broken rule.
func (r *Result) plain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s broken: %s\n%s\n", r.Level, r.Demand, r.Section)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s\n", f.Message)
		for _, e := range f.Exchanges {
			indented(&b, "> ", e.Sent, maxText)
			indented(&b, "< ", e.Received, maxText)
		}
	}
	return b.String()
}

// xmlText drops the characters that XML cannot hold.
func xmlText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0xFFFE && r != 0xFFFF {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
