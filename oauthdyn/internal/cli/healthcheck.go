// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func (a *app) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck URL",
		Short: "Ask a server whether it is ready",
		Long: `Asks a server whether it is ready: URL is the /readyz at its --admin-addr. For health
checks of containers, whose image has nothing else that could ask.`,
		Example: "  oauthdyn healthcheck http://127.0.0.1:9090/readyz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			if err := service.Healthcheck(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("not ready: %w", err)
			}
			return nil
		},
	}
}
