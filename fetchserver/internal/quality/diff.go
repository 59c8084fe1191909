// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"fmt"
	"io"
	"strings"
)

// Diff writes a page's text line by line: "+ " before words that should not
// be there, "- " before words that are missing, "  " before what is right.
// Lines are matched by their words, wherever they are.
func (p *Page) Diff(out io.Writer) {
	fmt.Fprintf(out, "%s  %s\n%s\nF1 %.3f  precision %.3f  recall %.3f\n", p.ID, p.Type, p.URL, p.F1, p.Precision, p.Recall)
	has := func(text string) map[string]int {
		m := map[string]int{}
		for _, w := range words(strings.ToLower(text)) {
			m[w]++
		}
		return m
	}
	want, got := has(p.Want), has(p.Got)
	mark := func(text string, other map[string]int, sign string, all bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			list := words(strings.ToLower(line))
			if len(list) == 0 {
				continue
			}
			found := 0
			for _, w := range list {
				if other[w] > 0 {
					other[w]--
					found++
				}
			}
			switch {
			case 2*found < len(list):
				fmt.Fprintf(out, "%s %.300s\n", sign, line)
			case all:
				fmt.Fprintf(out, "  %.100s\n", line)
			}
		}
	}
	mark(p.Got, want, "+", true)
	fmt.Fprintln(out, "missing:")
	mark(p.Want, got, "-", false)
}
