// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/compat"
)

func (a *app) compatCommand() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "compat TARGET | -- COMMAND [ARGUMENT...]",
		Short: "Show what clients of each protocol version can do with a server",
		Long: `Show what clients of each protocol version can do with a server: natively, or
translated by shclient (a server at a URL) or shproxy (a command), and what is lost.

The server is asked once for each version, a command by a process of its own.

` + targetHelp,
		Example: `  shclient compat https://example.com/mcp
  shclient compat -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.onlyTarget(cmd, args)
			if err != nil {
				return err
			}
			dial := func(ctx context.Context, modern bool) (io.ReadWriteCloser, error) {
				server := shclient.EraLegacy
				if modern {
					server = shclient.EraModern
				}
				return a.dialLines(ctx, cmd, t, server)
			}
			answers, err := compat.Ask(cmd.Context(), dial, timeout)
			if err != nil {
				return unreachable(t, err)
			}
			report := compat.Judge(answers)
			report.Transport = t.transport()
			if ok, why := report.Connects(); !ok {
				return unreachable(t, errors.New("it speaks no version of MCP: "+why))
			}
			if asJSON {
				return writeJSON(a.stdout, report)
			}
			return report.Write(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	return cmd
}

// unreachable is the error that no server could be asked.
func unreachable(t target, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	hint := "is " + t.String() + " an MCP server?"
	if t.looksOld() && !isUnreachable(err) {
		hint = oldHint
	}
	return &exitError{failure{code: exitUnreachable, text: oneLine(err.Error()), hint: hint}, err}
}
