// SPDX-License-Identifier: Apache-2.0

package compat

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Write prints the report as a table for people.
func (r Report) Write(w io.Writer) error {
	var b strings.Builder
	name := strings.TrimSpace(r.Server.Name + " " + r.Server.Version)
	fmt.Fprintf(&b, "%s, over %s\n\n", printable(cmp.Or(name, "a server without a name")), r.Transport)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, cell func(i int) string) {
		fmt.Fprint(t, name)
		for i := range r.Versions {
			fmt.Fprint(t, "\t", cell(i))
		}
		fmt.Fprintln(t)
	}
	row("client of", func(i int) string { return r.Versions[i].Version })
	row("connects", func(i int) string { return string(r.Versions[i].State) })
	row("speaks with the server", func(i int) string { return cmp.Or(r.Versions[i].Agreed, "-") })
	for _, f := range r.Features {
		row(f.Name, func(i int) string { return string(f.States[i]) })
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, v := range r.Versions {
		if v.Error != "" {
			fmt.Fprintf(&b, "\nClients of %s: %s\n", v.Version, printable(v.Error))
		}
	}
	if len(r.Remarks) > 0 {
		fmt.Fprintln(&b, "\nNot all of it crosses:")
	}
	for _, remark := range r.Remarks {
		fmt.Fprintln(&b, "- "+remark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable makes a text of the server's fit for one line of a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}
