// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// group is one finding, in all versions where it is the same.
type group struct {
	Result
	Finding
	versions []string
}

// broken groups what is broken: MUST first, then in the order of the rules.
func (r *Report) broken() []*group {
	var groups []*group
	for _, result := range r.Results {
		for _, f := range result.Findings {
			i := slices.IndexFunc(groups, func(g *group) bool { return g.Rule == result.Rule && g.Message == f.Message })
			if i < 0 {
				groups = append(groups, &group{Result: result, Finding: f})
				i = len(groups) - 1
			}
			groups[i].versions = append(groups[i].versions, result.Version)
			groups[i].Section = result.Section // the newest
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return rank(a.Level) - rank(b.Level) })
	return groups
}

func rank(l Level) int {
	if l == Must {
		return 0
	}
	return 1
}

// details groups the results of one outcome by rule and detail.
func (r *Report) details(o Outcome) []*group {
	var groups []*group
	for _, result := range r.Results {
		if result.Outcome != o {
			continue
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.Rule == result.Rule && g.Detail == result.Detail })
		if i < 0 {
			groups = append(groups, &group{Result: result})
			i = len(groups) - 1
		}
		groups[i].versions = append(groups[i].versions, result.Version)
	}
	return groups
}

// Style says how text is written.
type Style struct {
	// Color uses colours.
	Color bool
	// Exchanges shows what was sent and received.
	Exchanges bool
	// Skipped lists the rules that were not tried.
	Skipped bool
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer, s Style) error {
	var b strings.Builder
	paint := func(code, text string) string {
		if !s.Color {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	fmt.Fprintf(&b, "%s over %s", printable(r.Target), r.Transport)
	if r.Server != "" {
		fmt.Fprintf(&b, ": %s", printable(r.Server))
	}
	b.WriteString("\n")
	for _, v := range r.Versions {
		if v.Spoken {
			fmt.Fprintf(&b, "  %s  spoken\n", v.Version)
		} else {
			fmt.Fprintf(&b, "  %s  not spoken: %s\n", v.Version, oneLine(v.Why, 120))
		}
	}
	for _, g := range r.broken() {
		color := "33"
		if g.Level == Must {
			color = "31"
		}
		fmt.Fprintf(&b, "\n%s  %s\n", paint(color, string(g.Level)+" broken"), paint("1", g.Rule))
		fmt.Fprintf(&b, "  %s\n", g.Demand)
		fmt.Fprintf(&b, "  found:    %s\n", oneLine(g.Message, maxText))
		fmt.Fprintf(&b, "  versions: %s\n", strings.Join(g.versions, ", "))
		fmt.Fprintf(&b, "  see:      %s\n", g.Section)
		if s.Exchanges {
			for _, e := range g.Exchanges {
				indented(&b, "  > ", e.Sent, maxWidth)
				indented(&b, "  < ", e.Received, maxWidth)
			}
		}
	}
	if unclear := r.details(Unclear); len(unclear) > 0 {
		b.WriteString("\nCould not be found out:\n")
		for _, g := range unclear {
			fmt.Fprintf(&b, "  %s (%s): %s\n", g.Rule, strings.Join(g.versions, ", "), oneLine(g.Detail, 300))
		}
	}
	if skipped := r.details(Skipped); s.Skipped && len(skipped) > 0 {
		b.WriteString("\nNot tried:\n")
		for _, g := range skipped {
			fmt.Fprintf(&b, "  %s (%s): %s\n", g.Rule, strings.Join(g.versions, ", "), oneLine(g.Detail, 300))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	if note := r.toolsNote(); note != "" {
		fmt.Fprintf(&b, "%s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) summary() string {
	s := r.Summary
	text := fmt.Sprintf("%d MUST broken, %d SHOULD broken, %d kept, %d not tried", s.BrokenMust, s.BrokenShould, s.Kept, s.Skipped)
	if s.Unclear > 0 {
		text += fmt.Sprintf(", %d not found out", s.Unclear)
	}
	return fmt.Sprintf("%s; %d requests", text, r.Requests)
}

// toolsNote says which tools were left alone.
func (r *Report) toolsNote() string {
	if r.ToolsCalled {
		return ""
	}
	return "Only tools with the annotation readOnlyHint were called; --call-tools calls them all."
}

const maxWidth = 500 // of a line of what was sent and received, in text

// indented writes a stranger's text, with lines of width bytes at most.
func indented(b *strings.Builder, prefix, text string, width int) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintf(b, "%s%s\n", prefix, bound(printable(strings.TrimRight(line, "\r\n")), width))
	}
}

// oneLine is a stranger's text on one line, cut.
func oneLine(text string, most int) string {
	return bound(strings.Join(strings.FieldsFunc(text, unicode.IsControl), " "), most)
}

// printable drops what would control a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, text)
}
