// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	f := &clientFlags{}
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Find out why clients cannot sign in to a server",
		Long: `Looks for everything that MCP clients need of a server before they can sign in, in
the order in which they come to it, and says what is wrong and what to do. URL is
that of an MCP server or of an authorization server. Nothing is changed there: no
client is registered, and nobody signs in.

Numbers like C14 are those of docs/requirements.md. The exit status is 1 if a
requirement is not met; warnings are about trouble that some clients have.`,
		Example: `  oauthdyn doctor https://mcp.example.com/mcp
  oauthdyn doctor https://auth.example.com --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return &usageError{text: "too many arguments: want one URL"}
			case len(args) == 0 && f.AuthServer == "":
				return &usageError{text: "the URL of the server is missing", hint: "oauthdyn doctor https://mcp.example.com/mcp"}
			case len(args) == 1:
				return checkTarget(args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			target := ""
			if len(args) == 1 {
				target = args[0]
			}
			return a.examine(cmd.Context(), f, target)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.output.add(flags)
	flags.StringVar(&f.AuthServer, "auth-server", "", "`URL` of the authorization server to examine, alone or for the MCP server")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens to stderr")
	return cmd
}

func (a *app) examine(ctx context.Context, f *clientFlags, target string) error {
	resource, err := a.anyTarget(ctx, f, target)
	if _, unusable := errors.AsType[*usageError](err); unusable {
		resource, err = target, nil // which the report tells
	}
	if err != nil {
		return err
	}
	report, err := doctor.Examine(ctx, doctor.Options{Resource: resource, AuthServer: f.AuthServer, Logger: a.clientLogger(f)})
	if err != nil {
		return err
	}
	if err := a.showReport(f, report); err != nil {
		return err
	}
	if report.Failed() {
		return &statusError{exitFailure}
	}
	return nil
}

// marks stand before the requirements.
var marks = map[doctor.Result]string{
	doctor.Pass: "ok", doctor.Warning: "warning", doctor.Fail: "FAILED", doctor.Skipped: "skipped",
}

func (a *app) showReport(f *clientFlags, report *doctor.Report) error {
	if f.json {
		return a.writeJSON(report)
	}
	var b strings.Builder
	kind, subject := "MCP server ", report.Resource
	if subject == "" {
		kind, subject = "Authorization server ", report.AuthServer
	}
	fmt.Fprintf(&b, "%s%s\n\n", kind, printable(withoutQuery(subject)))
	server := ""
	for _, c := range report.Checks {
		if c.Server != server {
			if server = c.Server; server != "" {
				fmt.Fprintf(&b, "\n%s\n\n", printable(server))
			}
		}
		fmt.Fprintf(&b, "%-8s %-11s %s\n", marks[c.Result], strings.Join(c.Requirements, " "), c.Requirement)
		if c.Result == doctor.Skipped { // the reason stands above
			continue
		}
		writeIndented(&b, "", c.Found)
		writeIndented(&b, "→ ", c.Remedy)
	}
	fmt.Fprintf(&b, "\n%d ok, %s, %d failed, %d skipped\n", report.Count(doctor.Pass),
		count(report.Count(doctor.Warning), "warning"), report.Count(doctor.Fail), report.Count(doctor.Skipped))
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}

// Layout of the report.
const (
	reportIndent = 21
	reportWidth  = 100
)

// writeIndented writes a text below its requirement, in lines of whole words.
func writeIndented(b *strings.Builder, mark, text string) {
	line := mark
	flush := func() { fmt.Fprintf(b, "%*s%s\n", reportIndent, "", strings.TrimRight(line, " ")) }
	for word := range strings.FieldsSeq(printable(text)) {
		if len(line)+len(word) > reportWidth-reportIndent && strings.TrimSpace(line) != strings.TrimSpace(mark) {
			flush()
			line = strings.Repeat(" ", utf8.RuneCountInString(mark))
		}
		line += word + " "
	}
	if text != "" {
		flush()
	}
}

// count names a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}
