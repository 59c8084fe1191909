// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/pflag"
)

// hidden stands for a secret that was not asked for.
const hidden = "(kept; --show-secrets shows it)"

// output says how results are printed.
type output struct {
	json    bool
	secrets bool
}

func (o *output) add(flags *pflag.FlagSet) {
	flags.BoolVar(&o.json, "json", false, "print JSON")
}

func (o *output) addSecrets(flags *pflag.FlagSet, what string) {
	flags.BoolVar(&o.secrets, "show-secrets", false, "also print "+what)
}

// writeJSON prints a value for programs.
func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table is a list of names and values for people, in which empty values are
// left out.
type table struct{ rows [][2]string }

func (t *table) add(name, value string) {
	if value != "" {
		t.rows = append(t.rows, [2]string{name, printable(value)})
	}
}

// write prints the table below a line of its own; the line may be empty.
func (t *table) write(w io.Writer, title string) error {
	if title != "" {
		if _, err := fmt.Fprintln(w, printable(title)); err != nil {
			return err
		}
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintf(aligned, "  %s\t%s\n", row[0], row[1])
	}
	return aligned.Flush()
}

// grid is a table with a row for each of several things.
type grid struct{ rows [][]string }

// maxCell is how many characters of a text are shown in a grid.
const maxCell = 60

func (g *grid) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = shorten(printable(cell))
	}
	g.rows = append(g.rows, cells)
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxCell {
		return string(runes[:maxCell-1]) + "…"
	}
	return text
}

func (g *grid) write(w io.Writer) error {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range g.rows {
		fmt.Fprintln(aligned, strings.Join(row, "\t"))
	}
	return aligned.Flush()
}

// printable drops what would control a terminal, or show a text otherwise than
// it is, such as marks that change the direction: most text comes from others.
func printable(text string) string {
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

// day prints a time in a grid.
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// moment prints a time, and how far away it is.
func moment(t, now time.Time) string {
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

// count names a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}
