// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A page is the text of a report: a title, and sections of lines.
type page struct{ strings.Builder }

func newPage(title string) *page {
	p := &page{}
	fmt.Fprintf(p, "%s\n%s\n", title, strings.Repeat("=", 40))
	return p
}

func (p *page) section(name string) { fmt.Fprintf(p, "\n%s:\n", name) }

func (p *page) line(label, format string, args ...any) {
	fmt.Fprintf(p, "  %s: %s\n", label, fmt.Sprintf(format, args...))
}

// note is a line of its own.
func (p *page) note(text string) { fmt.Fprintf(p, "  %s\n", text) }

// maxShown bounds, in bytes, a value that a client or a token brought along.
const maxShown = 1000

// shown makes such a value fit for a line.
func shown(value string) string {
	value = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(value, "\uFFFD"))
	if len(value) <= maxShown {
		return value
	}
	cut := maxShown
	for !utf8.RuneStart(value[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes more)", value[:cut], len(value)-cut)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
