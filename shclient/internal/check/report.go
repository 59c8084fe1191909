// SPDX-License-Identifier: Apache-2.0

package check

import (
	"strings"
	"unicode/utf8"
)

// Outcome is how a rule ended in one version.
type Outcome string

// The outcomes.
const (
	Kept    Outcome = "kept"
	Broken  Outcome = "broken"
	Skipped Outcome = "skipped" // the server has nothing to try it at
	Unclear Outcome = "unclear" // it could not be found out
)

// Report is what a run found.
type Report struct {
	Target    string `json:"target"`
	Transport string `json:"transport"`
	// Server is what the server says of itself: name and version.
	Server string `json:"server,omitempty"`
	// Versions are all that were asked for, oldest first.
	Versions []Spoken `json:"versions"`
	Results  []Result `json:"results"`
	// Requests is how many messages and requests were sent.
	Requests int `json:"requests"`
	// ToolsCalled tells whether tools without readOnlyHint were called.
	ToolsCalled bool `json:"toolsCalled"`
	Summary     struct {
		BrokenMust   int `json:"brokenMust"`
		BrokenShould int `json:"brokenShould"`
		Unclear      int `json:"unclear"`
		Kept         int `json:"kept"`
		Skipped      int `json:"skipped"`
	} `json:"summary"`
}

// Spoken says whether a server speaks a protocol version.
type Spoken struct {
	Version string `json:"version"`
	Spoken  bool   `json:"spoken"`
	// Why is what the server answered if it does not.
	Why string `json:"why,omitempty"`
}

// Result is one rule in one version.
type Result struct {
	Rule    string  `json:"rule"`
	Level   Level   `json:"level"`
	Version string  `json:"version"`
	Demand  string  `json:"demand"`
	Section string  `json:"section"`
	Outcome Outcome `json:"outcome"`
	// Detail is why the rule was skipped, or is unclear.
	Detail   string    `json:"detail,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one way in which a demand is broken.
type Finding struct {
	Message   string     `json:"message"`
	Exchanges []Exchange `json:"exchanges,omitempty"`
}

// Exchange is what was sent, and what came of it, cut to a few KiB and without
// secrets. Of HTTP these are the request and the response without the headers
// that the user or the login added; of stdio the lines.
type Exchange struct {
	Sent     string `json:"sent"`
	Received string `json:"received"`
}

// OK reports whether the server keeps every MUST, as far as could be seen.
func (r *Report) OK() bool { return r.Summary.BrokenMust == 0 }

func (r *Report) add(result Result) {
	r.Results = append(r.Results, result)
	s := &r.Summary
	switch {
	case result.Outcome == Broken && result.Level == Must:
		s.BrokenMust++
	case result.Outcome == Broken:
		s.BrokenShould++
	case result.Outcome == Unclear:
		s.Unclear++
	case result.Outcome == Skipped:
		s.Skipped++
	default:
		s.Kept++
	}
}

// maxText bounds each text of a report, in bytes.
const maxText = 4 << 10

// bound cuts text, and makes it valid UTF-8.
func bound(text string, most int) string {
	if len(text) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
