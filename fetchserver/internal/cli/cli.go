// SPDX-License-Identifier: Apache-2.0

// Package cli is the fetchserver command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
)

// The exit codes of the command.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// Main runs the command and returns its exit code. An interrupt or a
// termination signal ends it.
func Main(args []string, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	running := false // before it is, an error is one of usage
	cmd := newCommand(func(c *config) error {
		running = true
		if c.stdio {
			return c.runStdio(ctx, stdin, stdout, stderr)
		}
		return c.runHTTP(ctx, stderr)
	})
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "fetchserver: "+oneLine(strings.TrimPrefix(err.Error(), "fetchserver: ")))
	if _, ok := errors.AsType[*usageError](err); ok || !running {
		fmt.Fprintln(stderr, "hint: fetchserver --help lists the flags")
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the flags that shows only when they are put to use.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func newCommand(run func(*config) error) *cobra.Command {
	c := &config{}
	cmd := &cobra.Command{
		Use:   "fetchserver",
		Short: "An MCP server that reads web pages for a model",
		Long: `An MCP server with one tool, fetch, that returns web pages as Markdown.

It serves Streamable HTTP at http://HOST:PORT/PATH, or speaks on its standard
input and output with --stdio. Only public addresses are fetched from, unless
--allow-private says otherwise.`,
		Example: `  fetchserver
  fetchserver --stdio
  fetchserver --host 0.0.0.0 --allow-host mcp.example.com \
    --auth-issuer https://auth.example.com --resource https://mcp.example.com/mcp`,
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Version:           buildinfo.Version(),
		RunE:              func(*cobra.Command, []string) error { return run(c) },
	}
	cmd.SetVersionTemplate("fetchserver {{.Version}}\n")
	c.register(cmd)
	return cmd
}
