// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

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

// grid is a table with a row for each of several things.
type grid struct{ rows [][]string }

// maxCell is how many characters of a text are shown in a grid.
const maxCell = 60

func (g *grid) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = shorten(terminal.Printable(cell))
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

// day prints a time in a grid.
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// count names a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}
