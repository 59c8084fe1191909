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

// printable drops what would control a terminal: most text comes from a server.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
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
