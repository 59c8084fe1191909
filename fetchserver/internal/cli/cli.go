// SPDX-License-Identifier: Apache-2.0

// Package cli is the fetchserver command.
package cli

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// The exit codes of the command.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// app is one run of the command.
type app struct {
	args        []string
	stdin       io.ReadCloser
	stdout      io.WriteCloser
	stderr      io.Writer
	environment environment
	signals     *service.Signals
	running     bool // before it is, an error is one of usage
}

// Main runs the command and returns its exit code. An interrupt or a
// termination signal ends it; a second one does so at once.
func Main(args []string, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	// net/http writes there what an origin sends unasked, byte by byte as the
	// origin wants it.
	log.SetOutput(io.Discard)
	sig, done := service.WatchSignals(signal.Notify, signal.Stop)
	defer done()
	a := &app{args: fromPython(args), stdin: stdin, stdout: stdout, stderr: stderr, environment: processEnvironment, signals: sig}
	cmd := a.command()
	cmd.SetArgs(a.args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(sig.Stop)
	if err == nil {
		return exitOK
	}
	return a.explain(err)
}

// explain writes an error and the advice that it has, each on a line.
func (a *app) explain(err error) int {
	if said, ok := errors.AsType[*saidError](err); ok {
		return said.code
	}
	fmt.Fprintln(a.stderr, "fetchserver: "+oneLine(err.Error()))
	usage, ok := errors.AsType[*usageError](err)
	failure, hinted := errors.AsType[*hintedError](err)
	switch {
	case ok && usage.hint != "":
		fmt.Fprintln(a.stderr, "hint: "+usage.hint)
	case hinted:
		fmt.Fprintln(a.stderr, "hint: "+failure.hint)
	case ok || !a.running:
		fmt.Fprintln(a.stderr, "hint: fetchserver --help lists the flags")
	}
	if ok || !a.running {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the settings, or the files that they name, that
// shows only when they are put to use.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// hintedError is a failure for which there is advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// saidError ends the command with a code when all has been said.
type saidError struct{ code int }

func (e *saidError) Error() string { return "" }

// oneLine also drops the package's prefix, which the command's name replaces.
func oneLine(s string) string {
	return strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "fetchserver: ")
}

func (a *app) command() *cobra.Command {
	root := a.serveCommand("fetchserver")
	root.Short = "An MCP server that reads web pages for a model"
	root.Long = `An MCP server that reads web pages for a model, as Markdown.

It serves Streamable HTTP at http://HOST:PORT/PATH, or speaks on its standard
input and output with --stdio. Only public addresses are fetched from, unless
--allow-private says otherwise. The commands get and explain read a page at once.

Each flag can also be a member of the file of --config, such as allowPrivate for
--allow-private, and a variable, such as FETCHSERVER_ALLOW_PRIVATE. A flag wins over
a variable, and a variable over the file.`
	root.Example = `  fetchserver
  fetchserver --stdio
  fetchserver --host 0.0.0.0 --public-url https://mcp.example.com \
    --auth-issuer https://auth.example.com`
	root.Version = buildinfo.Version()
	root.SetVersionTemplate("fetchserver {{.Version}}\n")
	root.CompletionOptions = cobra.CompletionOptions{DisableDefaultCmd: true}
	root.SilenceUsage, root.SilenceErrors = true, true
	root.AddCommand(a.getCommand(), a.explainCommand(), a.healthcheckCommand(), a.completionCommand(), a.originalCommand())
	complete(root)
	return root
}

// serveCommand is the command that serves, under one of its names.
func (a *app) serveCommand(name string) *cobra.Command {
	c := &config{environment: a.environment}
	cmd := &cobra.Command{Use: name + " [flags]", Args: cobra.NoArgs}
	groups, all := c.register(cmd, true)
	for _, g := range groups {
		g.flags.VisitAll(func(f *pflag.Flag) {
			if g.http && f.Name != "stdio" {
				cmd.MarkFlagsMutuallyExclusive("stdio", f.Name)
			}
		})
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.complete(all); err != nil {
			return err
		}
		a.running = true
		switch {
		case c.checkConfig:
			return a.check(c)
		case c.stdio:
			return a.runStdio(c)
		}
		return a.runHTTP(c)
	}
	setHelp(cmd, groups)
	return cmd
}

// complete takes the settings from all places and looks for mistakes in them.
func (c *config) complete(all *pflag.FlagSet) error {
	if err := c.settle(all); err != nil {
		return err
	}
	for _, check := range []func() error{c.checkAddressFlags, c.checkCallerFlags, c.checkOperationFlags} {
		if err := check(); err != nil {
			return err
		}
	}
	if err := c.certs.Check(); err != nil {
		return &usageError{text: err.Error()}
	}
	return nil
}
