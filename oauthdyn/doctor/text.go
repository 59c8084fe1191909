// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// marks stand before the requirements.
var marks = map[Result]string{Pass: "ok", Warning: "warning", Fail: "FAILED", Skipped: "skipped"}

// Text shows checks to people, in lines of at most width characters where words
// allow it: how each ended, what was found, and behind an arrow what to do.
// Nothing in it controls a terminal.
func Text(checks []Check, width int) string {
	indent := 9
	numbered := slices.ContainsFunc(checks, func(c Check) bool { return len(c.Requirements) > 0 })
	if numbered {
		indent = 21
	}
	var b strings.Builder
	server := ""
	for _, c := range checks {
		if c.Server != server {
			if server = c.Server; server != "" {
				fmt.Fprintf(&b, "\n%s\n\n", terminal.Printable(server))
			}
		}
		fmt.Fprintf(&b, "%-8s ", marks[c.Result])
		if numbered {
			fmt.Fprintf(&b, "%-11s ", strings.Join(c.Requirements, " "))
		}
		fmt.Fprintln(&b, terminal.Printable(c.Requirement))
		if c.Result == Skipped { // the reason stands above
			continue
		}
		writeIndented(&b, "", c.Found, indent, width)
		writeIndented(&b, "→ ", c.Remedy, indent, width)
	}
	return b.String()
}

// writeIndented writes a text below its requirement, in lines of whole words.
func writeIndented(b *strings.Builder, mark, text string, indent, width int) {
	line := mark
	flush := func() { fmt.Fprintf(b, "%*s%s\n", indent, "", strings.TrimRight(line, " ")) }
	for word := range strings.FieldsSeq(terminal.Printable(text)) {
		if utf8.RuneCountInString(line)+utf8.RuneCountInString(word) > width-indent && strings.TrimSpace(line) != strings.TrimSpace(mark) {
			flush()
			line = strings.Repeat(" ", utf8.RuneCountInString(mark))
		}
		line += word + " "
	}
	if text != "" {
		flush()
	}
}

// Tally counts the results of checks in words.
func Tally(checks []Check) string {
	n := map[Result]int{}
	for _, c := range checks {
		n[c.Result]++
	}
	warnings := "warnings"
	if n[Warning] == 1 {
		warnings = "warning"
	}
	return fmt.Sprintf("%d ok, %d %s, %d failed, %d skipped", n[Pass], n[Warning], warnings, n[Fail], n[Skipped])
}
