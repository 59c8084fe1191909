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
)

// The exit codes of the command.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// app is one run of the command.
type app struct {
	stdin          *os.File
	stdout, stderr io.Writer
	running        bool // before that, an error is one of usage
}

// Main runs the command and returns its exit code. An interrupt or a
// termination signal ends it; a second one does so at once.
func Main(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	cmd := a.command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "oauthdyn: "+oneLine(err.Error()))
	hint, code := "", exitFailure
	if usage, ok := errors.AsType[*usageError](err); ok || !a.running {
		hint, code = "oauthdyn --help lists commands and flags", exitUsage
		if ok && usage.hint != "" {
			hint = usage.hint
		}
	} else if hinted, ok := errors.AsType[*hintedError](err); ok {
		hint = hinted.hint
	}
	if hint != "" {
		fmt.Fprintln(stderr, "hint: "+hint)
	}
	return code
}

// usageError is a mistake in flags or arguments that shows only when they are
// put to use.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// hintedError is a failure for which there is advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// oneLine also drops the prefix of a package, which says nothing to a user.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for _, prefix := range []string{"authserver: ", "bolt: ", "local: ", "github: ", "oidc: ", "allow: ", "resource: ", "forwardauth: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:               "oauthdyn",
		Short:             "An OAuth authorization server for MCP",
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
	root.AddCommand(a.serveCommand(), a.verifyCommand(), a.userCommand())
	return root
}
