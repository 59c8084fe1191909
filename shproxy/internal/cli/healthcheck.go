// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// healthcheckCommand is the one word in place of a command that shproxy keeps for
// itself; after -- it is a command as any other.
func healthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck URL",
		Short: "Ask a proxy whether it is ready",
		Long: `Asks a proxy whether it is ready: URL is the /readyz at its --admin-addr, or its
/healthz. For health checks of containers, whose image has nothing else that could ask.`,
		Example: "  shproxy healthcheck http://127.0.0.1:9090/readyz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := service.Healthcheck(cmd.Context(), args[0]); err != nil {
				return &notReadyError{err}
			}
			return nil
		},
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "Usage:\n  shproxy %s\n\nExamples:\n%s\n", cmd.Use, cmd.Example)
		return err
	})
	return cmd
}

// notReadyError is what a probe says, which is no mistake in the flags.
type notReadyError struct{ err error }

func (e *notReadyError) Error() string { return "not ready: " + e.err.Error() }
func (e *notReadyError) Unwrap() error { return e.err }
