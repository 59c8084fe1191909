// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the report for a pull request or an issue.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# MCP check of %s\n\n", code(r.Target))
	if r.Server != "" {
		fmt.Fprintf(&b, "Server %s over %s.\n\n", code(r.Server), r.Transport)
	}
	b.WriteString("| Version | |\n|---|---|\n")
	for _, v := range r.Versions {
		if v.Spoken {
			fmt.Fprintf(&b, "| %s | spoken |\n", v.Version)
		} else {
			fmt.Fprintf(&b, "| %s | not spoken: %s |\n", v.Version, cell(oneLine(v.Why, 200)))
		}
	}
	fmt.Fprintf(&b, "\n**%s**\n", r.summary())
	if note := r.toolsNote(); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	for _, g := range r.broken() {
		fmt.Fprintf(&b, "\n## %s broken: `%s`\n\n%s ([%s](%s)).\n\n", g.Level, g.Rule, sentence(g.Demand), strings.Join(g.versions, ", "), g.Section)
		fmt.Fprintf(&b, "Found: %s\n", code(oneLine(g.Message, maxText)))
		if len(g.Exchanges) == 0 {
			continue
		}
		b.WriteString("\n<details><summary>Sent and received</summary>\n\n")
		for _, e := range g.Exchanges {
			fence(&b, e.Sent)
			fence(&b, e.Received)
		}
		b.WriteString("</details>\n")
	}
	for _, part := range []struct {
		title   string
		outcome Outcome
	}{{"Could not be found out", Unclear}, {"Not tried", Skipped}} {
		groups := r.details(part.outcome)
		if len(groups) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n| Rule | Versions | Why |\n|---|---|---|\n", part.title)
		for _, g := range groups {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", g.Rule, strings.Join(g.versions, ", "), cell(oneLine(g.Detail, 300)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// code is a stranger's text in a code span that it cannot leave.
func code(text string) string {
	text = oneLine(text, maxText)
	ticks := "`"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	if len(ticks) > 1 || strings.HasPrefix(text, "`") {
		return ticks + " " + text + " " + ticks
	}
	return ticks + text + ticks
}

// cell is a stranger's text in a table.
func cell(text string) string { return strings.ReplaceAll(code(text), "|", `\|`) }

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// fence is text in a code block that it cannot leave.
func fence(b *strings.Builder, text string) {
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	fmt.Fprintf(b, "%s\n", ticks)
	indented(b, "", text, maxText)
	fmt.Fprintf(b, "%s\n\n", ticks)
}

// Table is the list of rules as Markdown, for docs/check.md.
func Table(rules []Rule) string {
	var b strings.Builder
	b.WriteString("| Rule | Level | Versions | Transport | What it demands |\n|---|---|---|---|---|\n")
	for _, r := range rules {
		newest := V20260728
		if r.Until != "" {
			newest = r.Until
		}
		fmt.Fprintf(&b, "| `%s` | [%s](%s) | %s | %s | %s |\n", r.ID, r.Level, r.URL(newest), r.versions(), r.Transports, r.Demand)
	}
	return b.String()
}
