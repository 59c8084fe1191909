// SPDX-License-Identifier: Apache-2.0

// Package terminal writes text for people.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Printable drops what would control a terminal, or show a text otherwise than
// it is, such as marks that change the direction: most text comes from others.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
}

// Table is a list of names and values, in which empty values are left out.
type Table struct{ rows [][2]string }

// Add adds a row, unless the value is empty.
func (t *Table) Add(name, value string) {
	if value != "" {
		t.rows = append(t.rows, [2]string{name, Printable(value)})
	}
}

// Write prints the table below a line of its own; the line may be empty.
func (t *Table) Write(w io.Writer, title string) error {
	if title != "" {
		if _, err := fmt.Fprintln(w, Printable(title)); err != nil {
			return err
		}
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintf(aligned, "  %s\t%s\n", row[0], row[1])
	}
	return aligned.Flush()
}

// Moment prints a time, and how far away it is.
func Moment(t, now time.Time) string {
	text := t.Local().Format(time.RFC3339)
	away := t.Sub(now).Round(time.Second)
	switch {
	case away > 0:
		return fmt.Sprintf("%s (in %v)", text, away)
	case away < 0:
		return fmt.Sprintf("%s (%v ago)", text, -away)
	}
	return text + " (now)"
}
