// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/check"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// checkFlags are those of the command.
type checkFlags struct {
	protocols, rules, skipped []string
	format                    string
	json, list                bool
	exchanges, showSkipped    bool
	options                   check.Options
}

var checkFormats = []string{"text", "json", "junit", "markdown"}

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check TARGET | -- COMMAND [ARGUMENT...]",
		Short: "Check a server against the specification",
		Long: `Check a server against the specification: each MUST and SHOULD that can be seen
from outside, in each protocol version that the server speaks. What is broken is
shown with the section of the specification, and with --exchanges what was sent
and received.

Tools may have effects: only those annotated with readOnlyHint are called, unless
--call-tools is given.

Exit status: 0 no MUST is broken, 2 something could not be found out, 5 a MUST is
broken, otherwise as shclient.

` + targetHelp,
		Example: `  shclient check https://example.com/mcp
  shclient check --protocol 2025-11-25,2026-07-28 -- npx -y @modelcontextprotocol/server-everything
  shclient check --protocol 2025-11-25 --rule 'lifecycle.*' https://example.com/mcp
  shclient check --format junit https://example.com/mcp > report.xml
  shclient check --list-rules`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd, args, &f) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.protocols, "protocol", nil, "protocol `version` to check (default: all that the server speaks)")
	flags.StringSliceVar(&f.rules, "rule", nil, "check only the rules that match `glob`, such as 'tools.*'")
	flags.StringSliceVar(&f.skipped, "skip-rule", nil, "leave out the rules that match `glob`")
	flags.StringVar(&f.format, "format", "text", "`format` of the report: "+strings.Join(checkFormats, ", "))
	flags.BoolVar(&f.json, "json", false, "the same as --format json")
	flags.BoolVar(&f.list, "list-rules", false, "list the rules, and check nothing")
	flags.BoolVar(&f.exchanges, "exchanges", false, "show what was sent and received (text)")
	flags.BoolVar(&f.showSkipped, "skipped", false, "show the rules that were not tried, and why (text)")
	flags.BoolVar(&f.options.CallTools, "call-tools", false, "call all tools, also those that may change something")
	flags.DurationVar(&f.options.Timeout, "timeout", 10*time.Second, "how long to wait for each answer")
	flags.DurationVar(&f.options.Budget, "budget", 10*time.Minute, "how long the whole check may take")
	return cmd
}

func (a *app) check(cmd *cobra.Command, args []string, f *checkFlags) error {
	if f.json {
		f.format = "json"
	}
	if !slices.Contains(checkFormats, f.format) {
		return usage(cmd, "--format wants one of %s", strings.Join(checkFormats, ", "))
	}
	for _, v := range f.protocols {
		if !slices.Contains(check.Versions(), v) {
			return usage(cmd, "--protocol wants one of %s", strings.Join(check.Versions(), ", "))
		}
	}
	rules, err := check.Select(check.Rules(), f.rules, f.skipped)
	if err != nil {
		return usage(cmd, "%v; see --list-rules", err)
	}
	if f.list {
		_, err := io.WriteString(a.stdout, check.List(rules))
		return err
	}
	f.options.Rules, f.options.Versions = rules, f.protocols
	t, err := a.onlyTarget(cmd, args)
	if err != nil {
		return err
	}
	target, err := a.checkTarget(cmd, t)
	if err != nil {
		return err
	}
	bar := render.NewBar(a.stderr, a.screen(a.stderr), nil)
	f.options.Progress = func(done, total int, rule, version string) {
		bar.Update(float64(done), float64(total), rule+" in "+version)
	}
	bar.Update(0, 1, "asking which versions the server speaks")
	report, err := check.Run(cmd.Context(), target, f.options)
	bar.Clear()
	if err != nil {
		return checkFailed(t, err)
	}
	if err := a.writeReport(report, f); err != nil {
		return err
	}
	return verdict(report)
}

// checkFailed is the error of a server that could not be checked.
func checkFailed(t target, err error) error {
	_, login := errors.AsType[*shclient.AuthError](err)
	switch {
	case login:
		return at(t, err)
	case errors.Is(err, check.ErrUnauthorized):
		return &exitError{failure{exitAuth, err.Error(), "run shclient login " + t.String() + ", or pass a valid token with --token-file"}, err}
	}
	return unreachable(t, err)
}

// verdict is the error that the exit status comes from. The report has said it
// all.
func verdict(r *check.Report) error {
	switch {
	case !r.OK():
		return &exitError{failure: failure{code: exitTool, text: fmt.Sprintf("%d MUST broken", r.Summary.BrokenMust)}}
	case r.Summary.Unclear > 0:
		return &exitError{failure: failure{code: exitFailure, text: fmt.Sprintf("%d rules could not be found out", r.Summary.Unclear)}}
	}
	return nil
}

func (a *app) writeReport(r *check.Report, f *checkFlags) error {
	switch f.format {
	case "json":
		return r.WriteJSON(a.stdout)
	case "junit":
		return r.WriteJUnit(a.stdout)
	case "markdown":
		return r.WriteMarkdown(a.stdout)
	}
	return r.WriteText(a.stdout, check.Style{Color: a.screen(a.stdout).Color, Exchanges: f.exchanges, Skipped: f.showSkipped})
}

// checkTarget is the server as package check wants it.
func (a *app) checkTarget(cmd *cobra.Command, t target) (check.Target, error) {
	c := check.Target{Name: t.String(), Secrets: check.NewSecrets(append(os.Environ(), t.env...))}
	if t.url == "" {
		c.Command, c.Env, c.Dir = t.command, append(os.Environ(), t.env...), t.dir
		if a.verbose {
			c.Stderr = a.stderr
		}
		return c, nil
	}
	o, err := a.options(cmd, t)
	if err != nil {
		return c, err
	}
	base := http.RoundTripper(http.DefaultTransport.(*http.Transport).Clone())
	if o.HTTPClient != nil && o.HTTPClient.Transport != nil {
		base = o.HTTPClient.Transport
	}
	o.HTTPClient = &http.Client{Transport: c.Secrets.Watch(base)}
	for _, values := range o.Header {
		for _, value := range values {
			c.Secrets.Add(value)
		}
	}
	c.URL, c.Anonymous = t.url, o.HTTPClient
	if c.Client, err = shclient.NewHTTPClient(o); err != nil {
		return c, usage(cmd, "%s", plain(err))
	}
	return c, nil
}
