// SPDX-License-Identifier: Apache-2.0

// Package cli is the shclient command. It alone touches the arguments, the
// standard streams, signals and the environment.
package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
)

// Main runs the command with the arguments and streams of the process, and
// returns its exit status.
func Main() int {
	// A broken pipe must be an error of a write, so that sessions get closed.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv}
	return a.run(ctx, os.Args[1:])
}

// app is one run of the command.
type app struct {
	args      []string
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	lookupEnv func(string) (string, bool)

	connect connectFlags
	verbose bool

	bridging bridgeFlags
	foreign  []string // notes on flags that are those of another program

	secretsFrom io.Reader // stdin, in commands that have no other use for it

	inside *shellSession // nil outside of a shell
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	a.args = args
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	f := explain(err, ctx.Err() != nil)
	a.report(err, f, wantsJSON(cmd, args))
	return f.code
}

const rootHelp = `shclient connects programs and people with remote MCP servers.

"shclient URL" is an MCP server on stdin and stdout that forwards to URL; put it
into the configuration of a client that only speaks stdio:

  {"mcpServers": {"x": {"command": "shclient", "args": ["https://example.com/mcp"]}}}

When a server asks for a login, shclient opens the browser once and keeps what it
gets in a file that only you can read.

Exit status: 0 success, 1 bad usage, 2 any other failure, 3 not authorized,
4 no MCP server at the URL, 5 the tool or the server reported an error,
6 replay and diff found differences.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "shclient URL",
		Short: "Connect to remote MCP servers",
		Long:  rootHelp,
		Example: `  shclient https://example.com/mcp
  shclient list https://example.com/mcp
  shclient call https://example.com/mcp search query='go modules' limit=5`,
		Version:           buildinfo.Version(),
		Args:              a.bridgeArgs,
		RunE:              a.bridge,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetVersionTemplate("shclient {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd, "%v", err)
	})
	a.connect.register(root.PersistentFlags())
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what happens to stderr")
	a.bridging.register(root.Flags())
	a.registerForeign(root.Flags())
	setHelp(root)
	addGroup(root, "Use a server", a.listCommand(), a.callCommand(), a.readCommand(), a.promptCommand(),
		a.completeCommand(), a.rawCommand(), a.watchCommand(), a.shellCommand())
	addGroup(root, "Examine a server", a.checkCommand(), a.compatCommand(), a.doctorCommand(), a.loadCommand(),
		a.recordCommand(), a.replayCommand(), a.diffCommand())
	addGroup(root, "Logins", a.loginCommand(), a.logoutCommand(), a.tokenCommand(), a.authCommand(), a.registrationCommand())
	addGroup(root, "This machine", a.configCommand(), a.completionCommand())
	root.SetHelpCommandGroupID("This machine")
	a.complete(root)
	return root
}

// addGroup adds commands that stand together in the help.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title + ":"})
	for _, cmd := range commands {
		cmd.GroupID = title
	}
	root.AddCommand(commands...)
}

// logger writes to stderr; stdout belongs to the protocol and to results.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	switch {
	case a.verbose:
		level = slog.LevelDebug
	case a.bridging.silent:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}
