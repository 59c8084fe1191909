// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
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

// reportWidth is how long the lines of a report become, in characters.
const reportWidth = 100

func (a *app) showReport(f *clientFlags, report *doctor.Report) error {
	if f.json {
		return a.writeJSON(report)
	}
	kind, subject := "MCP server", report.Resource
	if subject == "" {
		kind, subject = "Authorization server", report.AuthServer
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s\n\n%s\n%s\n", kind, terminal.Printable(withoutQuery(subject)), doctor.Text(report.Checks, reportWidth), doctor.Tally(report.Checks))
	return err
}
