// SPDX-License-Identifier: Apache-2.0

// Package cli is the oauthdyn command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
)

// app is one run of the command.
type app struct {
	stdin          *os.File
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	running        bool // before that, an error is one of usage
}

// Main runs the command and returns its exit code. An interrupt or a
// termination signal ends it; a second one does so at once.
func Main(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: os.LookupEnv}
	cmd := a.command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	asked, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.code
	}
	fmt.Fprintln(stderr, "oauthdyn: "+oneLine(err.Error()))
	code, hint := a.explain(asked, err)
	if hint != "" {
		fmt.Fprintln(stderr, "hint: "+hint)
	}
	return code
}

// explain chooses the exit code and the hint for an error of the command that
// was asked for.
func (a *app) explain(asked *cobra.Command, err error) (code int, hint string) {
	code = exitFailure
	if server, ok := errors.AsType[*serverError](err); ok {
		code, hint = server.explain()
	}
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		hint = hinted.hint
	}
	_, flag := errors.AsType[*clientcmd.FlagError](err)
	if usage, ok := errors.AsType[*usageError](err); ok || flag || !a.running {
		code, hint = exitUsage, asked.CommandPath()+" --help lists the flags"
		if asked.HasSubCommands() {
			hint = asked.CommandPath() + " --help lists the commands"
		}
		if ok && usage.hint != "" {
			hint = usage.hint
		}
	}
	return code, hint
}

// oneLine also drops the prefix of a package, which says nothing to a user.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for _, prefix := range []string{"authserver: ", "bolt: ", "redis: ", "local: ", "github: ", "oidc: ", "allow: ", "backup: ", "resource: ", "forwardauth: ", "oauthdyn: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s
}

const rootHelp = `oauthdyn is OAuth for the Model Context Protocol: an authorization server, and a
client that finds, registers, signs in and refreshes.

The client keeps what it gets in a file that only you can read, the same as
shclient: a login by one is a login for both.

Exit status: 0 success, 1 failure, 2 bad usage, 3 not signed in or refused,
4 the server cannot be reached.`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:               "oauthdyn",
		Short:             "OAuth for MCP: an authorization server and a client",
		Long:              rootHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Version:           version(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return &usageError{text: "no command given"}
		},
	}
	root.SetVersionTemplate("oauthdyn {{.Version}}\n")
	group(root, "Run an authorization server:", a.serveCommand(), a.verifyCommand(), a.userCommand(), a.clientsCommand(), a.grantsCommand(), a.keysCommand(),
		a.backupCommand(), a.restoreCommand(), a.migrateCommand(), a.healthcheckCommand())
	group(root, "Be a client of one:",
		a.doctorCommand(), a.loginCommand(), a.tokenCommand(), a.refreshCommand(), a.revokeCommand(), a.introspectCommand(),
		a.decodeCommand(), a.registerCommand(), a.registrationCommand(), a.exportCommand(), a.importCommand())
	return root
}

// group adds commands that the help shows below a title.
func group(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = title
		root.AddCommand(cmd)
	}
}
