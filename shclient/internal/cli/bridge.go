// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// bridge runs until the program at the other end, or a signal, ends it. Both
// are the normal end of a bridge.
func (a *app) bridge(cmd *cobra.Command, args []string) error {
	o, err := a.options(cmd, args[0])
	if err != nil {
		return err
	}
	b, err := shclient.NewBridge(o, nil)
	if err != nil {
		return usage(cmd, "%s", plain(err))
	}
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(a.stderr, "This is an MCP server that waits for messages on stdin. To look at the tools: shclient list %s\n", withoutQuery(args[0]))
	}
	ctx := cmd.Context()
	err = b.Run(ctx, a.stdin, a.stdout)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return at(args[0], err)
}
