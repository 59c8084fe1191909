// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func (a *app) healthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck URL",
		Short: "Ask a server whether it is ready",
		Long: `Asks a server whether it is ready: URL is its /readyz, for example
http://127.0.0.1:3000/readyz. For health checks of containers, whose image has
nothing else that could ask.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			if err := service.Healthcheck(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("not ready: %w", err)
			}
			return nil
		},
	}
	setHelp(cmd, nil)
	return cmd
}
