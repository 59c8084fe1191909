// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// eraFlag is a flag that names an era of the protocol.
type eraFlag struct{ era shclient.Era }

var eraNames = []string{shclient.EraAuto: "auto", shclient.EraLegacy: "legacy", shclient.EraModern: "modern"}

func (f *eraFlag) String() string { return eraNames[f.era] }
func (f *eraFlag) Type() string   { return "ERA" }

func (f *eraFlag) Set(name string) error {
	i := slices.Index(eraNames, name)
	if i < 0 {
		return errors.New("want auto, legacy or modern")
	}
	f.era = shclient.Era(i)
	return nil
}

// bridge runs until the program at the other end, or a signal, ends it. Both
// are the normal end of a bridge.
func (a *app) bridge(cmd *cobra.Command, args []string) error {
	o, err := a.options(cmd, target{url: args[0]})
	if err != nil {
		return err
	}
	b, err := shclient.NewBridge(o, &shclient.BridgeOptions{ClientEra: a.clientEra.era, ServerEra: a.serverEra.era})
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
	return at(target{url: args[0]}, err)
}
