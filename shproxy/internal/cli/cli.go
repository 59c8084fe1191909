// SPDX-License-Identifier: Apache-2.0

// Package cli is the shproxy command.
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
)

// The exit codes of the command.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// Main runs the command and returns its exit code. An interrupt or a
// termination signal ends it; a second one does so at once.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	running := false // before it is, an error is one of usage
	cmd := newCommand(func(c *config) error {
		running = true
		return c.run(ctx, stderr)
	})
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "shproxy: "+oneLine(err.Error()))
	usage, ok := errors.AsType[*usageError](err)
	switch {
	case ok && usage.hint != "":
		fmt.Fprintln(stderr, "hint: "+usage.hint)
	case ok || !running:
		fmt.Fprintln(stderr, "hint: shproxy --help lists the flags")
	}
	if failure, ok := errors.AsType[*hintedError](err); ok {
		fmt.Fprintln(stderr, "hint: "+failure.hint)
	}
	if ok || !running {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the flags that shows only when they are put to use.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// hintedError is a failure for which there is advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// oneLine also drops the package's prefix, which the command's name replaces.
func oneLine(s string) string {
	return strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "shproxy: ")
}

func newCommand(run func(*config) error) *cobra.Command {
	c := &config{}
	cmd := &cobra.Command{
		Use:   "shproxy [flags] -- command [args...]",
		Short: "Offers an MCP server that speaks stdio over Streamable HTTP",
		Long: `Offers an MCP server that speaks stdio over Streamable HTTP.

The command is run without a shell, with the arguments exactly as written after
it, once for each session of a client. The endpoint is http://HOST:PORT/PATH;
http://HOST:PORT/healthz tells how the proxy is.`,
		Example: `  shproxy -- npx -y @modelcontextprotocol/server-everything
  shproxy --port 9000 -- uvx mcp-server-git --repository /src
  shproxy --host 0.0.0.0 --allow-host mcp.example.com \
    --auth-issuer https://auth.example.com --resource https://mcp.example.com/mcp \
    -- my-mcp-server`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Version:           version(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{text: "no command to run", hint: "shproxy [flags] -- command [args...]"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c.command, c.args = args[0], args[1:]
			return run(c)
		},
	}
	cmd.SetVersionTemplate("shproxy {{.Version}}\n")
	c.register(cmd)
	return cmd
}
