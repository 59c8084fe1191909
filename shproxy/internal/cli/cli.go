// SPDX-License-Identifier: Apache-2.0

// Package cli is the shproxy command.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
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
	sig, done := service.WatchSignals(signal.Notify, signal.Stop)
	defer done()
	running := false // before it is, an error is one of usage
	cmd := newCommand(processEnvironment, func(c *config) error {
		running = true
		return c.run(sig, stderr)
	})
	cmd.SetArgs(normalize(cmd.Flags(), args))
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(sig.Stop)
	if err == nil {
		return exitOK
	}
	return explain(stderr, err, running)
}

// explain writes an error and the advice that it has, each on a line.
func explain(stderr io.Writer, err error, running bool) int {
	fmt.Fprintln(stderr, "shproxy: "+oneLine(err.Error()))
	usage, ok := errors.AsType[*usageError](err)
	if _, asked := errors.AsType[*notReadyError](err); asked {
		return exitFailure
	}
	failure, hinted := errors.AsType[*hintedError](err)
	switch {
	case ok && usage.hint != "":
		fmt.Fprintln(stderr, "hint: "+usage.hint)
	case ok && usage.plain:
	case hinted:
		fmt.Fprintln(stderr, "hint: "+failure.hint)
	case ok || !running:
		fmt.Fprintln(stderr, "hint: shproxy --help lists the flags")
	}
	if ok || !running {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the flags, or the files that they name, that shows
// only when they are put to use.
type usageError struct {
	text, hint string
	plain      bool // there is no advice
}

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

func newCommand(env environment, run func(*config) error) *cobra.Command {
	c := &config{environment: env}
	cmd := &cobra.Command{
		Use:   "shproxy [flags] -- command [args...]",
		Short: "Offers MCP servers that speak stdio over Streamable HTTP",
		Long: `Offers MCP servers that speak stdio over Streamable HTTP.

The command is run without a shell, with the arguments exactly as written after
it. The endpoint is http://HOST:PORT/PATH; http://HOST:PORT/healthz tells how the
proxy is. The command's environment is the part of this program's that programs
need to run and to reach the network (PATH, HOME, USER, SHELL, LANG, TZ, TMPDIR,
XDG_*, those of proxies and certificates, npm_config_*, UV_*, PIP_*); -e and
--pass-env add to it.

"shproxy healthcheck URL" asks a proxy whether it is ready, "shproxy --version"
tells the version.`,
		Example: `  shproxy -- npx -y @modelcontextprotocol/server-everything
  shproxy --port 9000 -e GIT_TOKEN=file:token -- uvx mcp-server-git --repository /src
  shproxy --config mcp.json --token-file tokens --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem
  shproxy --host 0.0.0.0 --public-url https://mcp.example.com \
    --auth-issuer https://auth.example.com -- my-mcp-server`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Version:           version(),
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return c.fromEnvironment(cmd.Flags()) },
		Args:              c.takeCommand,
		RunE:              func(*cobra.Command, []string) error { return run(c) },
	}
	cmd.SetVersionTemplate("shproxy {{.Version}}\n")
	groups := c.register(cmd)
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "Usage:\n  %s\n\nExamples:\n%s\n\n%s", cmd.Use, cmd.Example, usage(groups))
		return err
	})
	cmd.AddCommand(healthcheckCommand())
	cmd.SetHelpCommand(&cobra.Command{Hidden: true}) // help is a command of the user's, as any word
	return cmd
}

// takeCommand takes what follows the flags.
func (c *config) takeCommand(_ *cobra.Command, args []string) error {
	switch {
	case c.foreign.problem != nil:
		return nil // that comes first
	case len(args) > 0 && c.command != "":
		return &usageError{text: fmt.Sprintf("--stdio and the command %q exclude each other", args[0])}
	case len(args) > 0:
		c.command, c.args = args[0], args[1:]
	case c.command == "" && c.file == "" && len(c.foreign.named) == 0:
		return &usageError{text: "no command to run", hint: "shproxy [flags] -- command [args...]"}
	}
	return nil
}
